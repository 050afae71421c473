"""Marks in the structured reports of a study, ours and those of other makers.

Groups of TID 1500 are read, and whatever else in a tree has coordinates on an image of the study or in space: numbers
of old measurement templates, marks of CAD. A tree may be odd in any way; what cannot be placed is counted. On which
images lies what is drawn in space is found where it is shown.
"""

from __future__ import annotations

import itertools
import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from filmless.access import policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.errors import Refused
from filmless.reading.content_items import (
    is_named,
    items_of,
    list_of,
    meaning_of,
    sequence_in,
    text_of,
    type_of,
    value_code_of,
    value_meaning_of,
    value_of,
)
from filmless.reading.marks import (
    AREAS,
    COMMENT,
    CONTROLS,
    HORIZONTAL_SPACING,
    KINDS,
    METHOD,
    MM_FROM,
    SCHEME,
    SOURCES,
    VERTICAL_SPACING,
    Code,
    Mark,
    Point,
    Shape,
    Spacing,
    Value,
)
from filmless.reading.sources import read_source
from filmless.reading.writing import MANUFACTURER
from filmless.retrieve.instances import StoredInstance, find_instances

if TYPE_CHECKING:
    from pydicom import Dataset

_REPORTS: Final = "1.2.840.10008.5.1.4.1.1.88."
_KEY_OBJECTS: Final = "1.2.840.10008.5.1.4.1.1.88.59"
_GROUP: Final[Code] = ("125007", "DCM", "Measurement Group")
_TRACKING: Final[Code] = ("112039", "DCM", "Tracking Identifier")
_TRACKING_UID: Final[Code] = ("112040", "DCM", "Tracking Unique Identifier")
_FINDING: Final[Code] = ("121071", "DCM", "Finding")
_PERSON: Final[Code] = ("121008", "DCM", "Person Observer Name")
_LOGIN: Final[Code] = ("128774", "DCM", "Person Observer's Login Name")
_DEEPEST: Final = 64


@dataclass(frozen=True, slots=True)
class Document:
    """A report with marks. `is_own`: the caller wrote it here; `is_superseded`: another report goes on from it."""

    sop_instance_uid: str
    series_instance_uid: str
    title: str
    author: str
    content_date: str
    content_time: str
    is_own: bool
    is_superseded: bool
    is_verified: bool
    marks: Sequence[Mark]
    shapes: Sequence[Shape]
    left_out: int
    """Marks that lie on no image of the study, or are of a form that is not shown."""


@dataclass(slots=True)
class _Found:
    """What one tree holds."""

    marks: list[Mark] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """Coordinates on a frame."""

    graphic_type: str
    points: list[Point]
    sop_instance_uid: str
    frame_number: int


def read_documents(archive: Archive, principal: Principal, study_instance_uid: str) -> list[Document]:
    """Read the marks of all reports of a study, the latest report first.

    Raises
    ------
    NotAllowed.
    """
    policy.require(principal, Action.VIEW, study_instance_uid)
    stored = {
        each.sop_instance_uid: each for each in find_instances(archive, principal, study_uids=(study_instance_uid,))
    }
    reports = [
        each
        for each in stored.values()
        if each.sop_class_uid.startswith(_REPORTS) and each.sop_class_uid != _KEY_OBJECTS
    ]
    read: list[tuple[Dataset, StoredInstance, _Found]] = []
    for instance in reports[-archive.settings.reports_read_max :]:
        try:
            ds = read_source(archive, instance)
            read.append((ds, instance, _Tree(ds, stored, archive.settings.marks_max).read()))
        except (Refused, RecursionError):
            # Damaged beyond reading: it says nothing of the others. The viewer lists it as an object all the same.
            continue
    followed = {uid for ds, _, _ in read for uid in _predecessors(ds)}
    documents = [
        _document(ds, instance, found, principal, is_superseded=instance.sop_instance_uid in followed)
        for ds, instance, found in read
        if found.marks or found.shapes or found.left_out
    ]
    return sorted(documents, key=lambda each: (each.content_date, each.content_time), reverse=True)


def _document(
    ds: Dataset, instance: StoredInstance, found: _Found, principal: Principal, *, is_superseded: bool
) -> Document:
    is_ours = str(ds.get("Manufacturer") or "") == MANUFACTURER
    logins = [text_of(item) for item in items_of(ds) if is_named(item, _LOGIN)]
    names = [text_of(item) for item in items_of(ds) if is_named(item, _PERSON)]
    return Document(
        instance.sop_instance_uid,
        instance.series_instance_uid,
        title=meaning_of(ds) or str(ds.get("SeriesDescription") or ""),
        author=(names or [str(ds.get("Manufacturer") or "")])[0].strip("^").replace("^", " "),
        content_date=str(ds.get("ContentDate") or ""),
        content_time=str(ds.get("ContentTime") or ""),
        is_own=is_ours and principal.name in logins,
        is_superseded=is_superseded,
        is_verified=str(ds.get("VerificationFlag") or "") == "VERIFIED",
        marks=found.marks,
        shapes=found.shapes,
        left_out=found.left_out,
    )


def _predecessors(ds: Dataset) -> Iterator[str]:
    for study in sequence_in(ds, "PredecessorDocumentsSequence"):
        for series in sequence_in(study, "ReferencedSeriesSequence"):
            for reference in sequence_in(series, "ReferencedSOPSequence"):
                yield str(reference.get("ReferencedSOPInstanceUID") or "")


class _Tree:
    """One content tree, while it is read."""

    def __init__(self, root: Dataset, stored: dict[str, StoredInstance], most: int) -> None:
        self.root, self.stored, self.most = root, stored, most
        self.found = _Found()
        self.uids: set[str] = set()
        self.counter = itertools.count(1)

    def read(self) -> _Found:
        """Walk down the tree; what is a group is read as one."""
        waiting: list[tuple[Dataset, int]] = [(self.root, 0)]
        while waiting:
            item, depth = waiting.pop()
            if is_named(item, _GROUP):
                self._read_group(item)
                continue
            if self._read_loose(item) or depth >= _DEEPEST:
                continue
            waiting.extend((child, depth + 1) for child in reversed(items_of(item)))
        return self.found

    def _read_group(self, group: Dataset) -> None:
        items = self._children(group)
        method = next((value_code_of(item) for item in items if is_named(item, METHOD)), ("", ""))
        kind = method[0] if method[1] == SCHEME and method[0] in KINDS else None
        regions = [item for item in items if type_of(item) == "SCOORD"]
        held = [(item, self._coordinates(item)) for item in items if type_of(item) in ("NUM", "TEXT", "CODE")]
        controls = next((scoords for item, scoords in held if is_named(item, CONTROLS) and scoords), [])
        held = [(item, scoords) for item, scoords in held if not is_named(item, CONTROLS)]
        label = self._label(items, is_ours=kind is not None)
        spacing = _spacing(items)
        plain = [
            item
            for item, _ in held
            if type_of(item) == "NUM"
            and not is_named(item, HORIZONTAL_SPACING)
            and not is_named(item, VERTICAL_SPACING)
        ]
        uid = next((text_of(item) for item in items if is_named(item, _TRACKING_UID)), "")
        self._read_shapes(uid, label, items, plain)
        if kind is not None:
            scoords = regions or [each for _, found in held for each in found]
            self._add_ours(kind, uid, label, scoords, plain, controls, spacing)
            return
        loose = [item for item in plain if not self._has_place(item)]
        axes = [(item, found[0]) for item, found in held if type_of(item) == "NUM" and len(found) == 1]
        if len(axes) == 2 and {value_of(item).name for item, _ in axes} == {"longAxis", "shortAxis"}:
            axes.sort(key=lambda each: value_of(each[0]).name != "longAxis")
            self._add_ours("bidirectional", uid, label, [place for _, place in axes], plain, [], spacing)
            held = [each for each in held if not any(each[0] is item for item, _ in axes)]
        for region in regions:
            self._add_foreign(uid, label, region, loose, is_region=True)
        for item, scoords in held:
            values = [*([item] if type_of(item) == "NUM" else []), *([] if regions else loose)]
            for scoord in scoords:
                self._add_foreign(uid, label, scoord, values)

    def _read_shapes(self, uid: str, label: str, items: Sequence[Dataset], numbers: Sequence[Dataset]) -> None:
        """What a group draws in space: its region with the numbers that have no place, and numbers with their own."""
        loose = [item for item in numbers if not self._has_place(item)]
        for item in items:
            if type_of(item) == "SCOORD3D":
                self._add_shape(uid, label, item, loose)
            elif type_of(item) in ("NUM", "TEXT", "CODE"):
                for scoord in self._coordinates(item, "SCOORD3D"):
                    self._add_shape(uid, label, scoord, [item] if type_of(item) == "NUM" else [])

    def _read_loose(self, item: Dataset) -> bool:
        """A number, text or code with coordinates, or coordinates alone, outside of any group."""
        kind = type_of(item)
        if kind == "SCOORD3D":
            self._add_shape("", meaning_of(item), item, [])
            return True
        if kind == "SCOORD":
            self._add_foreign("", meaning_of(item), item, [])
            return True
        if kind not in ("NUM", "TEXT", "CODE"):
            return False
        scoords = self._coordinates(item)
        words = text_of(item) if kind == "TEXT" else value_meaning_of(item) if kind == "CODE" else meaning_of(item)
        for scoord in scoords:
            self._add_foreign("", words, scoord, [item] if kind == "NUM" else [])
        shapes = self._coordinates(item, "SCOORD3D")
        for shape in shapes:
            self._add_shape("", words, shape, [item] if kind == "NUM" else [])
        return bool(scoords or shapes)

    def _label(self, items: Sequence[Dataset], *, is_ours: bool) -> str:
        comment = next((text_of(item) for item in items if is_named(item, COMMENT)), "")
        if is_ours or comment:
            return comment
        finding = next((value_meaning_of(item) or text_of(item) for item in items if is_named(item, _FINDING)), "")
        return next((text_of(item) for item in items if is_named(item, _TRACKING)), "") or finding

    def _add_ours(
        self,
        kind: str,
        uid: str,
        label: str,
        scoords: Sequence[Dataset],
        numbers: Sequence[Dataset],
        controls: Sequence[Dataset],
        spacing: Spacing | None,
    ) -> None:
        places = [place for scoord in scoords if (place := self._place(scoord))]
        if not places or (kind == "bidirectional" and len(places) < 2 and len(places[0].points) != 4):
            self.found.left_out += 1
            return
        points = places[0].points
        if kind == "bidirectional" and len(places) > 1:
            points = [*places[0].points[:2], *places[1].points[:2]]
        if kind in AREAS and AREAS[kind] == "POLYLINE":
            points = _opened(points)
        values = sorted((value_of(item) for item in numbers), key=lambda each: each.name == "shortAxis")
        known_mm = values[0].value if kind == "calibration" and values else None
        if kind == "arrow" and label == KINDS[kind]:
            label = ""
        if kind != "arrow" and not numbers and label == KINDS[kind]:
            label = ""
        pulled = [place for scoord in controls if (place := self._place(scoord))]
        self._add(
            places[0],
            kind,
            uid,
            label,
            points,
            [] if known_mm is not None else values,
            controls=pulled[0].points if pulled else None,
            spacing=spacing,
            known_mm=known_mm,
        )

    def _add_foreign(
        self, uid: str, label: str, scoord: Dataset, numbers: Sequence[Dataset], *, is_region: bool = False
    ) -> None:
        place = self._place(scoord)
        values = [value_of(item) for item in numbers]
        shaped = _shape(place, values, is_region=is_region) if place else []
        if not place or not shaped:
            self.found.left_out += 1
            return
        for kind, points in shaped:
            self._add(place, kind, uid, label, points, values)

    def _add(
        self,
        place: _Place,
        kind: str,
        uid: str,
        label: str,
        points: Sequence[Point],
        values: Sequence[Value],
        *,
        controls: Sequence[Point] | None = None,
        spacing: Spacing | None = None,
        known_mm: float | None = None,
    ) -> None:
        if self._is_full():
            return
        self.found.marks.append(
            Mark(
                self._own_uid(uid),
                kind,
                self.stored[place.sop_instance_uid].series_instance_uid,
                place.sop_instance_uid,
                place.frame_number,
                points,
                controls,
                label[:256],
                [each for each in values if math.isfinite(each.value)],
                spacing,
                known_mm,
            )
        )

    def _add_shape(self, uid: str, label: str, scoord: Dataset, numbers: Sequence[Dataset]) -> None:
        flat = _numbers_in(scoord)
        graphic = str(scoord.get("GraphicType") or "")
        count = len(flat) // 3
        if len(flat) % 3 or not _is_count(graphic, count):
            self.found.left_out += 1
            return
        if self._is_full():
            return
        values = [each for each in map(value_of, numbers) if math.isfinite(each.value)]
        points = list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))
        frame_of_reference = str(scoord.get("ReferencedFrameOfReferenceUID") or "")
        self.found.shapes.append(Shape(self._own_uid(uid), label[:256], graphic, frame_of_reference, points, values))

    def _is_full(self) -> bool:
        """Whether there are so many already that one more is left out."""
        if len(self.found.marks) + len(self.found.shapes) < self.most:
            return False
        self.found.left_out += 1
        return True

    def _own_uid(self, uid: str) -> str:
        """Give the UID of a mark, or one of ours where it has none or it is taken."""
        number = next(self.counter)
        if not uid or uid in self.uids or len(uid) > 64:
            name = f"{self.root.get('SOPInstanceUID')}/{number}"
            uid = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"
        self.uids.add(uid)
        return uid

    def _place(self, scoord: Dataset) -> _Place | None:
        """Give the points and the frame that they lie on; None when that is no image of the study."""
        flat = _numbers_in(scoord)
        if len(flat) < 2 or len(flat) % 2:
            return None
        for image in self._children(scoord):
            for reference in sequence_in(image, "ReferencedSOPSequence"):
                stored = self.stored.get(str(reference.get("ReferencedSOPInstanceUID") or ""))
                if stored is None or stored.rows is None:
                    continue
                numbers = list_of(reference.get("ReferencedFrameNumber")) or [1]
                frame = int(numbers[0]) if 1 <= int(numbers[0]) <= stored.number_of_frames else 1
                points = list(zip(flat[::2], flat[1::2], strict=True))
                graphic = str(scoord.get("GraphicType") or "")
                return _Place(graphic, points, stored.sop_instance_uid, frame)
        return None

    def _coordinates(self, item: Dataset, value_type: str = "SCOORD") -> list[Dataset]:
        return [child for child in self._children(item) if type_of(child) == value_type]

    def _has_place(self, item: Dataset) -> bool:
        return any(type_of(child) in ("SCOORD", "SCOORD3D") for child in self._children(item))

    def _children(self, item: Dataset) -> list[Dataset]:
        """What stands below an item, by value or by reference (PS3.3 C.17.3.2.5)."""
        found = []
        for child in items_of(item):
            path = list_of(child.get("ReferencedContentItemIdentifier"))
            target = self._at(path) if path else child
            if target is not None:
                found.append(target)
        return found

    def _at(self, path: Sequence[Any]) -> Dataset | None:
        """Follow a path of positions from the root, which is 1."""
        item = self.root
        for step in path[1:_DEEPEST]:
            children = items_of(item)
            if not 1 <= int(step) <= len(children):
                return None
            item = children[int(step) - 1]
        return item


def _shape(place: _Place, values: Sequence[Value], *, is_region: bool) -> list[tuple[str, list[Point]]]:
    """Kinds of ours that show the coordinates of others; none where none is true to them."""
    points, count = place.points, len(place.points)
    match place.graphic_type:
        case "POINT" | "MULTIPOINT":
            return [("probe", [point]) for point in points]
        case "CIRCLE" if count == 2:
            return [("circle", points)]
        case "ELLIPSE" if count == 4:
            return [("ellipse", points)]
        case "POLYLINE":
            is_closed = count > 3 and points[0] == points[-1]
            has = {each.name for each in values}
            if is_closed or (count > 2 and (is_region or "area" in has)):
                return [("freehand", _opened(points))]
            if count == 2:
                return [("length", points)]
            if "angle" in has and count in (3, 4):
                return [("angle" if count == 3 else "cobb", points)]
            if count > 2:
                return [("polyline", points)]
    return []


def _numbers_in(scoord: Dataset) -> list[float]:
    """Give Graphic Data as numbers; none when one of them is no number."""
    try:
        flat = [float(each) for each in list_of(scoord.get("GraphicData"))]
    except (TypeError, ValueError):
        return []
    return flat if all(map(math.isfinite, flat)) else []


def _is_count(graphic_type: str, count: int) -> bool:
    """Whether a graphic in space can have so many points (PS3.3 C.18.9.1.2)."""
    match graphic_type:
        case "POINT":
            return count == 1
        case "MULTIPOINT":
            return count >= 1
        case "POLYLINE":
            return count >= 2
        case "POLYGON":
            return count >= 3
        case "ELLIPSE":
            return count == 4
        case "ELLIPSOID":
            return count == 6
    return False


def _opened(points: list[Point]) -> list[Point]:
    return points[:-1] if len(points) > 3 and points[0] == points[-1] else points


def _spacing(items: Sequence[Dataset]) -> Spacing | None:
    source = next((value_code_of(item)[0] for item in items if is_named(item, MM_FROM)), "")
    across = next((value_of(item).value for item in items if is_named(item, HORIZONTAL_SPACING)), 0.0)
    down = next((value_of(item).value for item in items if is_named(item, VERTICAL_SPACING)), 0.0)
    return Spacing(across, down, source) if source in SOURCES and across > 0 and down > 0 else None
