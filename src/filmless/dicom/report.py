"""A structured report as a tree of plain values: what it is, whose, and its content items (PS3.3 C.17).

Comes in: a scanned header. Goes out: `Report`, cut where it passes a limit, with a sentence for each cut.
Not here: how it is written down (report_html.py, report_text.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from filmless.dicom.plain import plain_date, plain_datetime, plain_name, plain_time
from filmless.dicom.scanner import Header
from filmless.dicom.uids import name_of
from filmless.errors import Refused

_CONTENT: Final = 0x0040A730
_CONCEPT_NAME: Final = 0x0040A043
_POINTS_SHOWN: Final = 6
_SEXES: Final = {"M": "male", "F": "female", "O": "other"}

# What is said of the document as a whole: label, tag, and how the value is written.
_PATIENT: Final = (
    ("Patient", 0x00100010, plain_name),
    ("Patient ID", 0x00100020, str),
    ("Issuer of the ID", 0x00100021, str),
    ("Born", 0x00100030, plain_date),
    ("Sex", 0x00100040, lambda sex: _SEXES.get(sex.strip().upper(), sex)),
)
_STUDY: Final = (
    ("Study", 0x00081030, str),
    ("Accession number", 0x00080050, str),
    ("Referring physician", 0x00080090, plain_name),
    ("Institution", 0x00080080, str),
    ("Series", 0x0008103E, str),
)


@dataclass(frozen=True, slots=True)
class ReportLimits:
    """How much of a report is read."""

    depth_max: int = 32
    items_max: int = 20_000
    characters_max: int = 4_000_000


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str

    def __str__(self) -> str:
        return self.meaning or self.value

    @property
    def explained(self) -> str:
        """The code and its scheme, as specialists read it."""
        return ", ".join(part for part in (self.value, self.scheme) if part)


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance that an item refers to, and which of its frames or segments; none named means all."""

    sop_class_uid: str
    sop_instance_uid: str
    frame_numbers: tuple[int, ...] = ()
    segment_numbers: tuple[int, ...] = ()


@dataclass(slots=True)
class ContentItem:
    """One content item; `number` is its place as the standard counts it, "1.2.3" (C.17.3.2.5)."""

    number: str
    value_type: str
    relationship: str = ""
    name: Code | None = None
    text: str = ""
    code: Code | None = None
    unit: Code | None = None
    observed_at: str = ""
    target: str = ""
    references: tuple[Reference, ...] = ()
    children: list[ContentItem] = field(default_factory=list)

    @property
    def is_container(self) -> bool:
        return self.value_type == "CONTAINER"


@dataclass(slots=True)
class Report:
    """A document. `facts` and `study_facts` are pairs of label and value."""

    kind: str
    title: str
    completion: str
    verification: str
    facts: list[tuple[str, str]]
    study_facts: list[tuple[str, str]]
    root: ContentItem
    cuts: list[str] = field(default_factory=list)

    def references(self) -> Iterator[Reference]:
        """All references of all items."""
        waiting = [self.root]
        while waiting:
            item = waiting.pop()
            yield from item.references
            waiting.extend(item.children)


def read_report(header: Header, limits: ReportLimits | None = None) -> Report:
    """Read a report, as much of it as the limits allow.

    Raises
    ------
    Refused: the data set has no content tree.
    """
    if _CONTENT not in header and 0x0040A040 not in header:
        raise Refused("the data set has no content tree, so it is no structured report")
    reader = _Reader(limits or ReportLimits())
    root = reader.item(header, "1", 1)
    root.value_type = root.value_type or "CONTAINER"
    return Report(
        kind=name_of(header.text(0x00080016) or "").removesuffix(" Storage"),
        title=str(root.name) if root.name else "Structured Report",
        completion=_completion(header),
        verification="Verified" if header.text(0x0040A493) == "VERIFIED" else "Not verified",
        facts=_facts(header, _PATIENT),
        study_facts=_study_facts(header),
        root=root,
        cuts=reader.cuts,
    )


def _completion(header: Header) -> str:
    flag = header.text(0x0040A491)
    said = {"COMPLETE": "Complete", "PARTIAL": "Partial: it may not hold all that is to be said"}.get(flag or "")
    preliminary = {"PRELIMINARY": "preliminary", "FINAL": "final"}.get(header.text(0x0040A496) or "")
    return ", ".join(part for part in (said or "Completion not stated", preliminary) if part)


def _facts(header: Header, wanted: tuple[tuple[str, int, object], ...]) -> list[tuple[str, str]]:
    facts = []
    for label, tag, write in wanted:
        value = header.text(tag)
        if value and callable(write):
            facts.append((label, str(write(value))))
    return facts


def _moment(header: Header, date_tag: int, time_tag: int) -> str:
    date, time = header.text(date_tag), header.text(time_tag)
    return " ".join(part for part in (plain_date(date or ""), plain_time(time or "") if date else "") if part)


def _study_facts(header: Header) -> list[tuple[str, str]]:
    facts = _facts(header, _STUDY)
    if moment := _moment(header, 0x00080020, 0x00080030):
        facts.insert(0, ("Study date", moment))
    if moment := _moment(header, 0x00080023, 0x00080033):
        facts.append(("Written", moment))
    for author in header.items(0x0040A078)[:20]:
        if name := author.text(0x0040A123) or author.text(0x00081010):
            facts.append(("Author", plain_name(name)))
    for observer in header.items(0x0040A073)[:20]:
        who = [plain_name(observer.text(0x0040A075) or ""), observer.text(0x0040A027) or ""]
        when = plain_datetime(observer.text(0x0040A030) or "")
        facts.append(("Verified by", ", ".join(part for part in (*who, when) if part)))
    predecessors = sum(
        len(series.items(0x00081199))
        for study in header.items(0x0040A360)[:20]
        for series in study.items(0x00081115)[:20]
    )
    if predecessors:
        facts.append(("Replaces or amends", f"{predecessors} earlier document{'s' if predecessors > 1 else ''}"))
    return facts


def read_code(header: Header, sequence_tag: int) -> Code | None:
    """Read the first code of a sequence: short, long or URN (PS3.3 8.1)."""
    item = next(iter(header.items(sequence_tag)), None)
    if item is None:
        return None
    value = item.text(0x00080100) or item.text(0x00080119) or item.text(0x00080120) or ""
    return Code(value, item.text(0x00080102) or "", item.text(0x00080104) or "")


class _Reader:
    """Reads items while there is room, and says what was left out."""

    def __init__(self, limits: ReportLimits) -> None:
        self._limits = limits
        self._items_left = limits.items_max
        self._characters_left = limits.characters_max
        self.cuts: list[str] = []

    def _cut(self, sentence: str) -> None:
        if sentence not in self.cuts:
            self.cuts.append(sentence)

    def item(self, header: Header, number: str, depth: int) -> ContentItem:
        self._items_left -= 1
        read = ContentItem(number, (header.text(0x0040A040) or "").strip().upper(), header.text(0x0040A010) or "")
        if 0x0040DB73 in header:
            read.target = ".".join(header.texts(0x0040DB73))
            return read
        read.name = read_code(header, _CONCEPT_NAME)
        read.observed_at = plain_datetime(header.text(0x0040A032) or "") if depth > 1 else ""
        _fill(read, header)
        self._spend(read)
        read.children = self._children(header, number, depth + 1)
        return read

    def _spend(self, read: ContentItem) -> None:
        for code in (read.name, read.code, read.unit):
            if code is not None:
                self._characters_left -= len(code.value) + len(code.scheme) + len(code.meaning)
        if len(read.text) > max(self._characters_left, 0):
            read.text = read.text[: max(self._characters_left, 0)]
            self._cut(f"Text beyond {self._limits.characters_max:,} characters is left out here.")
        self._characters_left -= len(read.text)

    def _children(self, header: Header, number: str, depth: int) -> list[ContentItem]:
        raw = header.raw_elements.get(_CONTENT)
        if not raw or header.settled_vr(_CONTENT, *raw) != "SQ":
            return []
        if depth > self._limits.depth_max:
            self._cut(f"Content nested deeper than {self._limits.depth_max} levels is left out here.")
            return []
        children: list[ContentItem] = []
        try:
            for index, child in enumerate(header.read_items(*raw), 1):
                if self._items_left <= 0:
                    self._cut(f"Content after the first {self._limits.items_max:,} items is left out here.")
                    break
                children.append(self.item(child, f"{number}.{index}", depth))
        except Refused as error:
            self._cut(f"Content that cannot be read is left out here: {error}.")
        return children


def _fill(read: ContentItem, header: Header) -> None:
    """Read the value by its type (table C.17.3-7)."""
    match read.value_type:
        case "TEXT":
            read.text = header.text(0x0040A160) or ""
        case "CODE":
            read.code = read_code(header, 0x0040A168)
        case "NUM":
            _fill_number(read, header)
        case "DATETIME":
            read.text = plain_datetime(header.text(0x0040A120) or "")
        case "DATE":
            read.text = plain_date(header.text(0x0040A121) or "")
        case "TIME":
            read.text = plain_time(header.text(0x0040A122) or "")
        case "PNAME":
            read.text = plain_name(header.text(0x0040A123) or "")
        case "UIDREF":
            read.text = header.text(0x0040A124) or ""
        case "IMAGE" | "COMPOSITE" | "WAVEFORM":
            read.references = tuple(_reference(item) for item in header.items(0x00081199))
        case "SCOORD" | "SCOORD3D":
            read.text = _coordinates(header, 2 if read.value_type == "SCOORD" else 3)
        case "TCOORD":
            read.text = _times(header)
        case "CONTAINER" | "":
            pass
        case other:
            read.text = f"(a value of type {other[:16]}, which is not shown here)"


def _fill_number(read: ContentItem, header: Header) -> None:
    measured = next(iter(header.items(0x0040A300)), None)
    qualifier = read_code(header, 0x0040A301)
    if measured is not None:
        read.text = " / ".join(measured.texts(0x0040A30A))
        read.unit = read_code(measured, 0x004008EA)
    if qualifier is not None:
        read.text = f"{read.text} ({qualifier})" if read.text else str(qualifier)
    read.text = read.text or "no value"


def _reference(item: Header) -> Reference:
    return Reference(
        item.text(0x00081150) or "",
        item.text(0x00081155) or "",
        tuple(int(number) for number in item.numbers(0x00081160)),
        tuple(int(number) for number in item.numbers(0x0062000B)),
    )


def _coordinates(header: Header, dimensions: int) -> str:
    kind = (header.text(0x00700023) or "").strip().lower()
    numbers = header.numbers(0x00700022)
    points = list(zip(*(numbers[axis::dimensions] for axis in range(dimensions)), strict=False))
    shown = ", ".join(f"({', '.join(f'{value:g}' for value in point)})" for point in points[:_POINTS_SHOWN])
    more = f" and {len(points) - _POINTS_SHOWN} more points" if len(points) > _POINTS_SHOWN else ""
    return f"{kind} {shown}{more}".strip()


def _times(header: Header) -> str:
    kind = (header.text(0x0040A130) or "").strip().lower()
    if moments := header.texts(0x0040A13A):
        return f"{kind} {', '.join(plain_datetime(moment) for moment in moments[:20])}"
    if offsets := header.numbers(0x0040A138):
        return f"{kind} at {', '.join(f'{offset:g}' for offset in offsets[:20])} s"
    return f"{kind} of samples {', '.join(f'{sample:g}' for sample in header.numbers(0x0040A132)[:20])}"
