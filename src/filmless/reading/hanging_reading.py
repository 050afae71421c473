"""Reads a Hanging Protocol instance back into a rule, whoever made it; what a rule cannot say is noted and left out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from filmless.dicom.anatomy import regions_in
from filmless.dicom.hanging import (
    IMAGE_PLANES,
    MIP_SLAB,
    OTHER_REGION_CODES,
    REGION_CODES,
    RENDERING_TYPES,
    TIMES,
    VIEW_CODES,
    VOI_TYPES,
)
from filmless.errors import Refused
from filmless.reading.hanging_rules import (
    CUT_MAX_MM,
    PRIORS_MAX,
    Code,
    Conditions,
    Cut,
    HungWindow,
    Links,
    Rendering,
    Rule,
    Selector,
    Side,
    Sizing,
    Viewport,
    shape_of,
)
from filmless.reading.hanging_writing import OF_DISPLAY_SET, OF_PROTOCOL, PRIVATE_CREATOR, PRIVATE_GROUP

if TYPE_CHECKING:
    from pydicom import Dataset

NoteKind = Literal[
    "region",
    "combination",
    "reason",
    "userGroup",
    "selector",
    "filter",
    "time",
    "group",
    "box",
    "layout",
    "reformatting",
]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the object says and the rule cannot: its kind, and what it is about."""

    kind: NoteKind
    about: str


@dataclass(frozen=True, slots=True)
class ReadRule:
    """A rule as it was read."""

    rule: Rule
    notes: tuple[Note, ...]


_PLANES: Final = {value: name for name, value in IMAGE_PLANES.items()}
_REGIONS: Final = {value: name for name, (value, _) in REGION_CODES.items()} | OTHER_REGION_CODES
_VIEWS: Final = {value: name for name, (value, _) in VIEW_CODES.items()}
_SIDES: Final = ("L", "R", "B")
_Edge = tuple[float, float, float, float]


def read_hanging(ds: Dataset) -> ReadRule:
    """Read a Hanging Protocol instance.

    Raises
    ------
    Refused: it shows nothing that a rule could say.
    """
    notes: list[Note] = []
    private = _private(ds, OF_PROTOCOL)
    when = _conditions(ds, notes)
    sets = _image_sets(ds, when, notes)
    shown = [item for item in ds.get("DisplaySetsSequence", []) if item.get("ImageBoxesSequence")]
    first = min((int(item.get("DisplaySetPresentationGroup") or 1) for item in shown), default=1)
    if any(int(item.get("DisplaySetPresentationGroup") or 1) != first for item in shown):
        notes.append(Note("group", str(first)))
    shown = [item for item in shown if int(item.get("DisplaySetPresentationGroup") or 1) == first]
    layout, places = _places(shown, str(private.get("layout", "")), notes)
    rows, columns = shape_of(layout)
    viewports = [Viewport()] * (rows * columns)
    for item, place in zip(shown, places, strict=True):
        viewports[place] = _viewport(item, sets, notes)
    if all(viewport.selector is None for viewport in viewports):
        raise Refused("the hanging protocol shows nothing")
    name, description = str(ds.get("HangingProtocolName", "")), str(ds.get("HangingProtocolDescription", ""))
    links = private.get("links", ["place"] if ds.get("SynchronizedScrollingSequence") else [])
    is_true = any(item.get("ShowImageTrueSizeFlag") == "YES" for item in shown)
    priors = max(each.selector.prior for each in viewports if each.selector)
    rule = Rule(
        name=(description if description.startswith(name) and description else name)[:64] or "?",
        layout=layout,
        viewports=tuple(viewports),
        when=replace(when, priors=int(private.get("priors", min(1, priors)))),
        at_least=int(private.get("atLeast", 1)),
        sizing=cast("Sizing", private.get("sizing", "true" if is_true else "fit")),
        links=Links(**{str(each): True for each in links if each in ("place", "window", "view")}),
        has_fusion=any(item.get("BlendingOperationType") == "COLOR" for item in shown),
    )
    return ReadRule(rule, tuple(dict.fromkeys(notes)))


def _private(ds: Dataset, element: int) -> dict[str, Any]:
    """Read our own private element; none, or what is none of ours, is empty."""
    try:
        value = ds.private_block(PRIVATE_GROUP, PRIVATE_CREATOR)[element].value
        found = json.loads(value)
    except (KeyError, ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _conditions(ds: Dataset, notes: list[Note]) -> Conditions:
    modalities: dict[str, None] = {}
    regions: dict[str, None] = {}
    procedures: dict[Code, None] = {}
    sides: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    for item in ds.get("HangingProtocolDefinitionSequence", []):
        modality = str(item.get("Modality", "") or "")
        named = list(_regions(item.get("AnatomicRegionSequence", []), notes))
        pairs |= {(modality, region) for region in named or [""]}
        modalities |= dict.fromkeys([modality] if modality else [])
        regions |= dict.fromkeys(named)
        sides.add(str(item.get("Laterality", "") or ""))
        for code in item.get("ProcedureCodeSequence", []):
            procedures[_code(code)] = None
        if item.get("ReasonForRequestedProcedureCodeSequence"):
            notes.append(Note("reason", _code(item.ReasonForRequestedProcedureCodeSequence[0]).meaning))
    if pairs and pairs != set(product(modalities or [""], regions or [""])):
        notes.append(Note("combination", ", ".join(" ".join(pair).strip() for pair in sorted(pairs))))
    if ds.get("HangingProtocolLevel") == "USER_GROUP":
        notes.append(Note("userGroup", str(ds.get("HangingProtocolUserGroupName", ""))))
    side = sides.pop() if len(sides) == 1 else ""
    return Conditions(
        modalities=tuple(modalities),
        regions=tuple(regions),
        procedures=tuple(procedures),
        laterality=cast("Side", side if side in _SIDES else ""),
    )


def _code(item: Dataset) -> Code:
    value = str(item.get("CodeValue") or item.get("LongCodeValue") or "")
    return Code(value, str(item.get("CodingSchemeDesignator", "")), str(item.get("CodeMeaning", "")))


def _regions(items: Iterable[Dataset], notes: list[Note]) -> Iterable[str]:
    for item in items:
        code = _code(item)
        known = _REGIONS.get(code.value)
        named = [known] if known else sorted(regions_in([code.meaning]))
        if not named:
            notes.append(Note("region", code.meaning or code.value))
        yield from named


def _image_sets(ds: Dataset, when: Conditions, notes: list[Note]) -> dict[int, Selector]:
    """Read the image sets by their numbers."""
    found: dict[int, Selector] = {}
    for item in ds.get("ImageSetsSequence", []):
        selector = Selector()
        for each in item.get("ImageSetSelectorSequence", []):
            selector = _selected(selector, each, when, notes)
        for time in item.get("TimeBasedImageSetsSequence", []):
            found[int(time.get("ImageSetNumber") or 0)] = replace(selector, prior=_prior(time, notes))
    return found


def _keyword(item: Dataset) -> str:
    from pydicom.datadict import keyword_for_tag

    tag = item.get("SelectorAttribute")
    return "" if tag is None else keyword_for_tag(tag) or str(tag)


def _values(item: Dataset) -> list[Any]:
    vr = str(item.get("SelectorAttributeVR", ""))
    found = item.get(f"Selector{vr}Value")
    if found is None:
        return []
    return list(found) if hasattr(found, "__iter__") and not isinstance(found, str) else [found]


def _selected(selector: Selector, item: Dataset, when: Conditions, notes: list[Note]) -> Selector:
    """Add what one item selects. What an image is that lacks the attribute (the usage flag) the viewer decides."""
    keyword, values = _keyword(item), [str(value) for value in _values(item)]
    match keyword:
        case "Modality" if values and set(values) <= {"PR", "KO", "SR"}:
            # What Filmless wrote at first where anything may hang; it says the opposite, and is read as it was meant.
            return selector
        case "Modality" if len(values) == 1:
            return replace(selector, modality=values[0])
        case "Modality":
            # Several are those that the protocol is for.
            return selector
        case "ImageLaterality" | "Laterality" | "FrameLaterality" if values[:1] and values[0] in ("L", "R"):
            return replace(selector, laterality=cast("Side", values[0]))
        case "ViewPosition":
            return replace(selector, views=tuple(values))
        case "ViewCodeSequence":
            codes = [_code(each) for each in item.get("SelectorCodeSequenceValue", [])]
            views = tuple(_VIEWS[code.value] for code in codes if code.value in _VIEWS)
            if len(views) < len(codes):
                notes.append(Note("selector", ", ".join(code.meaning for code in codes if code.value not in _VIEWS)))
            return replace(selector, views=views)
        case "AnatomicRegionSequence" | "BodyPartExamined" if _is_of_regions(item, values, when):
            # Those that the protocol is for.
            return selector
        case "ImageType" if len(values) == 1:
            return replace(selector, image_type=(*selector.image_type, values[0]))
        case _:
            notes.append(Note("selector", keyword))
            return selector


def _is_of_regions(item: Dataset, values: list[str], when: Conditions) -> bool:
    codes = item.get("SelectorCodeSequenceValue", [])
    named = {*_regions(codes, []), *(region for value in values for region in regions_in([value]))}
    return bool(named) and named <= set(when.regions)


def _prior(time: Dataset, notes: list[Note]) -> int:
    if time.get("ImageSetSelectorCategory") == "ABSTRACT_PRIOR":
        value = time.get("AbstractPriorValue") or [1, 1]
        prior = int(value[0])
        if not 1 <= prior <= PRIORS_MAX:
            notes.append(Note("time", "AbstractPriorValue"))
            return 1
        return prior
    distance = [int(each) for each in (time.get("RelativeTime") or [0, 0])]
    if any(distance):
        notes.append(Note("time", "RelativeTime"))
        return 1
    return 0


def _filtered(selector: Selector, items: Iterable[Dataset], notes: list[Note]) -> Selector:
    times: set[tuple[str, str, tuple[float, ...]]] = set()
    for item in items:
        keyword, operator = _keyword(item), str(item.get("FilterByOperator", ""))
        values = _values(item)
        if item.get("FilterByCategory") == "IMAGE_PLANE" and values and str(values[0]) in _PLANES:
            selector = replace(selector, plane=cast("Any", _PLANES[str(values[0])]))
        elif keyword == "SliceThickness" and (limits := _limits(operator, [float(value) for value in values])):
            selector = replace(selector, thickness=limits)
        elif keyword == "ContrastBolusAgent" and "FilterByAttributePresence" in item:
            selector = replace(selector, has_contrast=item.FilterByAttributePresence == "PRESENT")
        elif any(keyword == known for filters in TIMES.values() for known, _, _ in filters):
            times.add((keyword, operator, tuple(float(value) for value in values)))
        else:
            notes.append(Note("filter", keyword or str(item.get("FilterByCategory", ""))))
    if times:
        known = next((name for name, filters in TIMES.items() if set(filters) == times), None)
        if known is None:
            notes.append(Note("filter", ", ".join(sorted(keyword for keyword, _, _ in times))))
        else:
            selector = replace(selector, weighting=cast("Any", known))
    return selector


_THICKEST: Final = 1000.0


def _limits(operator: str, values: list[float]) -> tuple[float, float] | None:
    match operator, values:
        case "RANGE_INCL", [low, high]:
            return (low, high)
        case (("LESS_OR_EQUAL" | "LESS_THAN"), [high]):
            return (0.0, high)
        case (("GREATER_OR_EQUAL" | "GREATER_THAN"), [low]):
            return (low, _THICKEST)
        case _:
            return None


def _viewport(item: Dataset, sets: dict[int, Selector], notes: list[Note]) -> Viewport:
    private = _private(item, OF_DISPLAY_SET)
    selector = sets.get(int(item.get("ImageSetNumber") or 0))
    if selector is None:
        return Viewport()
    selector = _filtered(selector, item.get("FilterOperationsSequence", []), notes)
    if "weighting" in private:
        selector = replace(selector, weighting=private["weighting"])
    selector = replace(selector, place=int(private.get("place", 0)))
    boxes = item.ImageBoxesSequence
    if len(boxes) > 1 or boxes[0].get("ImageBoxLayoutType", "STACK") not in ("STACK", "SINGLE"):
        notes.append(Note("box", str(boxes[0].get("ImageBoxLayoutType", "")) or str(len(boxes))))
    named = private.get("window") or VOI_TYPES.get(str(item.get("VOIType", "")))
    window = HungWindow(float(named[0]), float(named[1])) if named else None
    reformat = _reformat(item, private, notes)
    return Viewport(selector, window, item.get("ShowGrayscaleInverted") == "YES", reformat)


def _reformat(item: Dataset, private: dict[str, Any], notes: list[Note]) -> Cut | Rendering | None:
    """Read what is cut or rendered; what no viewport here can do is noted."""
    operation = str(item.get("ReformattingOperationType", "") or "")
    found = item.get("ThreeDRenderingType") or ()
    types = (found,) if isinstance(found, str) else tuple(str(each) for each in found)
    if operation == "3D_RENDERING" and not (types[:1] == MIP_SLAB[:1] and "ReformattingThickness" in item):
        preset = next((name for name, known in RENDERING_TYPES.items() if known == types), None)
        if preset is None and types[:1] not in (("VOLUME",), ("MIP",)):
            notes.append(Note("reformatting", "\\".join((operation, *types))))
            return None
        if preset is None:
            preset = "petMip" if types[0] == "MIP" else ""
        return Rendering(cast("Any", preset))
    direction = _PLANES.get(str(item.get("ReformattingOperationInitialViewDirection", "")))
    if operation not in ("MPR", "SLAB", "3D_RENDERING") or direction not in ("axial", "coronal", "sagittal"):
        if operation:
            notes.append(Note("reformatting", operation))
        return None
    thickness, interval = (
        float(private.get(name, item.get(f"Reformatting{name.title()}") or 0)) for name in ("thickness", "interval")
    )
    return Cut(
        plane=cast("Any", direction),
        thickness=min(CUT_MAX_MM, max(0.0, thickness)),
        interval=min(CUT_MAX_MM, max(0.0, interval)),
        mode=cast("Any", private.get("mode", "max" if operation == "3D_RENDERING" else "mean")),
    )


def _places(shown: list[Dataset], layout: str, notes: list[Note]) -> tuple[str, list[int]]:
    """Find the grid that boxes lie in, and the cell of each."""
    edges = [_edges(item) for item in shown]
    if not layout:
        widths = [right - left for left, _, right, _ in edges]
        heights = [top - bottom for _, top, _, bottom in edges]
        columns = round(1 / min(widths, default=1)) if min(widths, default=1) > 0 else 1
        rows = round(1 / min(heights, default=1)) if min(heights, default=1) > 0 else 1
        layout = f"{rows}x{columns}"
    rows, columns = shape_of(layout)
    places = [
        min(rows - 1, round((1 - top) * rows)) * columns + min(columns - 1, round(left * columns))
        for left, top, _, _ in edges
    ]
    is_grid = all(
        abs((right - left) - 1 / columns) < 0.01 and abs((top - bottom) - 1 / rows) < 0.01
        for left, top, right, bottom in edges
    )
    if not is_grid or len(set(places)) < len(places):
        notes.append(Note("layout", layout))
    if len(set(places)) == len(places):
        return layout, places
    count = len(shown)
    columns = next(each for each in range(1, 9) if each * each >= count)
    layout = f"{-(-count // columns)}x{columns}"
    shape_of(layout)
    return layout, list(range(count))


def _edges(item: Dataset) -> _Edge:
    found = item.ImageBoxesSequence[0].get("DisplayEnvironmentSpatialPosition") or [0, 1, 1, 0]
    left, top, right, bottom = (float(each) for each in found)
    return left, top, right, bottom
