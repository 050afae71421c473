"""A hanging protocol as a DICOM object (PS3.3 C.23). What the standard has no words for is in private elements."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import filmless
from filmless.dicom.encode import format_decimal
from filmless.dicom.hanging import (
    IMAGE_PLANES,
    MIP_SLAB,
    REGION_CODES,
    RENDERING_TYPES,
    SPECIAL_WEIGHTINGS,
    TIMES,
    VIEW_CODES,
    VOI_TYPES,
)
from filmless.dicom.uids import new_uid
from filmless.reading.hanging_rules import Cut, Rendering, Rule, Selector, Viewport, check_rule, shape_of
from filmless.reading.sources import UTF_8
from filmless.reading.writing import MANUFACTURER, MODEL_NAME

if TYPE_CHECKING:
    from pydicom import Dataset

HANGING_PROTOCOL: Final = "1.2.840.10008.5.1.4.38.1"

PRIVATE_GROUP, PRIVATE_CREATOR = 0x0073, "FILMLESS HANGING"
OF_PROTOCOL, OF_DISPLAY_SET = 0x01, 0x02
"""Elements of the private block, each a JSON object: layout, least, size, links; window, place, weighting, planes."""

NOMINAL_MM: Final = 1.0
"""Written where a plane is as thick as a voxel, or a voxel from the next: the standard wants mm (C.23.3)."""

Level = Literal["SITE", "SINGLE_USER"]
_NAME_MAX: Final = 16
_SCREEN: Final = (1920, 1080)


def hanging_dataset(rule: Rule, level: Level, creator: str, former: str | None = None) -> Dataset:
    """Write a rule as a Hanging Protocol instance; `former` is the SOP Instance UID of the one that it replaces.

    Raises
    ------
    Refused: the rule is none.
    """
    from pydicom import Dataset

    check_rule(rule)
    now = datetime.now()
    ds = Dataset()
    ds.SpecificCharacterSet = UTF_8
    ds.InstanceCreationDate, ds.InstanceCreationTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    ds.SOPClassUID, ds.SOPInstanceUID = HANGING_PROTOCOL, new_uid()
    ds.Manufacturer, ds.ManufacturerModelName = MANUFACTURER, MODEL_NAME
    ds.SoftwareVersions = filmless.__version__
    ds.HangingProtocolName = rule.name.strip()[:_NAME_MAX].strip()
    ds.HangingProtocolDescription = rule.name.strip()
    ds.HangingProtocolLevel = level
    ds.HangingProtocolCreator = creator.replace("\\", " ")[:64]
    ds.HangingProtocolCreationDateTime = now.strftime("%Y%m%d%H%M%S")
    ds.HangingProtocolDefinitionSequence = _definitions(rule)
    ds.HangingProtocolUserIdentificationCodeSequence = []
    if former is not None:
        source = Dataset()
        source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = HANGING_PROTOCOL, former
        ds.SourceHangingProtocolSequence = [source]
    ds.NumberOfPriorsReferenced = max(each.selector.prior for each in rule.viewports if each.selector)
    numbers = _write_image_sets(ds, rule)
    ds.NumberOfScreens = 1
    ds.NominalScreenDefinitionSequence = [_screen()]
    ds.PartialDataDisplayHandling = "MAINTAIN_LAYOUT"
    _, columns = shape_of(rule.layout)
    ds.DisplaySetsSequence = [
        _display_set(rule, number, viewport, numbers[_set_key(viewport.selector), viewport.selector.prior], at, columns)
        for number, (at, viewport) in enumerate(_shown(rule), 1)
        if viewport.selector is not None
    ]
    if rule.links.place and len(ds.DisplaySetsSequence) > 1:
        group = Dataset()
        group.DisplaySetScrollingGroup = [each.DisplaySetNumber for each in ds.DisplaySetsSequence]
        ds.SynchronizedScrollingSequence = [group]
    _write_private(
        ds,
        OF_PROTOCOL,
        {
            "layout": rule.layout,
            "atLeast": rule.at_least,
            "sizing": rule.sizing,
            "links": [name for name in ("place", "window", "view") if getattr(rule.links, name)],
            "priors": rule.when.priors,
        },
    )
    return ds


def _shown(rule: Rule) -> list[tuple[int, Viewport]]:
    return [(at, viewport) for at, viewport in enumerate(rule.viewports) if viewport.selector is not None]


def _write_private(ds: Dataset, element: int, values: dict[str, Any]) -> None:
    block = ds.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    block.add_new(element, "UT", json.dumps(values, separators=(",", ":")))


def code_item(value: str, scheme: str, meaning: str) -> Dataset:
    """Make an item of a code sequence."""
    from pydicom import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning[:64] or value
    return item


def _definitions(rule: Rule) -> list[Dataset]:
    """Each item is one way to match: every modality with every region."""
    from pydicom import Dataset

    items = []
    for modality in rule.when.modalities or ("",):
        for region in rule.when.regions or ("",):
            item = Dataset()
            if modality:
                item.Modality = modality
            if region:
                value, meaning = REGION_CODES[region]
                item.AnatomicRegionSequence = [code_item(value, "SCT", meaning)]
            if region or rule.when.laterality:
                item.Laterality = rule.when.laterality
            item.ProcedureCodeSequence = [
                code_item(code.value, code.scheme, code.meaning) for code in rule.when.procedures
            ]
            item.ReasonForRequestedProcedureCodeSequence = []
            items.append(item)
    return items


_SetKey = tuple[str, tuple[str, ...], str, tuple[str, ...]]


def _set_key(selector: Selector) -> _SetKey:
    """What decides which series make an image set; the rest filters within it."""
    return (selector.modality, selector.views, selector.laterality, selector.image_type)


def _write_image_sets(ds: Dataset, rule: Rule) -> dict[tuple[_SetKey, int], int]:
    """Write the image sets; return the number of each, by what it selects and of which prior."""
    from pydicom import Dataset

    priors: dict[_SetKey, set[int]] = {}
    for _, viewport in _shown(rule):
        if viewport.selector is not None:
            priors.setdefault(_set_key(viewport.selector), set()).add(viewport.selector.prior)
    numbers: dict[tuple[_SetKey, int], int] = {}
    items = []
    for key, wanted in priors.items():
        item = Dataset()
        item.ImageSetSelectorSequence = _selectors(key, rule)
        times = []
        for prior in sorted(wanted):
            numbers[key, prior] = len(numbers) + 1
            time = Dataset()
            time.ImageSetNumber = numbers[key, prior]
            if prior == 0:
                time.ImageSetSelectorCategory = "RELATIVE_TIME"
                time.RelativeTime, time.RelativeTimeUnits = [0, 0], "DAYS"
            else:
                time.ImageSetSelectorCategory = "ABSTRACT_PRIOR"
                time.AbstractPriorValue = [prior, prior]
            times.append(time)
        item.TimeBasedImageSetsSequence = times
        items.append(item)
    ds.ImageSetsSequence = items
    return numbers


def _selectors(key: _SetKey, rule: Rule) -> list[Dataset]:
    modality, views, laterality, image_type = key
    modalities = rule.when.modalities
    items = []
    if modality or modalities:
        items.append(_selector("Modality", "CS", [modality] if modality else list(modalities)))
    if views:
        known = [code_item(VIEW_CODES[view][0], "SCT", VIEW_CODES[view][1]) for view in views if view in VIEW_CODES]
        if len(known) == len(views):
            items.append(_selector("ViewCodeSequence", "SQ", known))
        else:
            items.append(_selector("ViewPosition", "CS", list(views)))
    if laterality:
        items.append(_selector("ImageLaterality", "CS", [laterality]))
    # Value 0 is any of its values (PS3.3 C.23.4.1); each must be among them.
    items += [_selector("ImageType", "CS", [value], number=0) for value in image_type]
    if not items:
        # An image set is chosen by something: by the region that the protocol is for, and by what does not say it.
        regions = [code_item(REGION_CODES[each][0], "SCT", REGION_CODES[each][1]) for each in rule.when.regions]
        items.append(_selector("AnatomicRegionSequence", "SQ", regions, usage="MATCH"))
    return items


def _attribute(keyword: str, vr: str, values: list[Any]) -> Dataset:
    """Name an attribute and its values, as selectors and filters do (Hanging Protocol Selector Attribute, C.23.4)."""
    from pydicom import Dataset
    from pydicom.datadict import tag_for_keyword

    item = Dataset()
    item.SelectorAttribute, item.SelectorAttributeVR = tag_for_keyword(keyword), vr
    target = "SelectorCodeSequenceValue" if vr == "SQ" else f"Selector{vr}Value"
    setattr(item, target, values if vr == "SQ" or len(values) > 1 else values[0])
    return item


def _selector(keyword: str, vr: str, values: list[Any], *, number: int = 1, usage: str = "NO_MATCH") -> Dataset:
    """Select by an attribute; the usage says what an image is that lacks it (Image Set Selector Usage Flag)."""
    item = _attribute(keyword, vr, values)
    item.ImageSetSelectorUsageFlag, item.SelectorValueNumber = usage, number
    return item


def _filters(selector: Selector) -> list[Dataset]:
    from pydicom import Dataset

    items = []
    if selector.plane:
        plane = Dataset()
        plane.FilterByCategory, plane.FilterByOperator = "IMAGE_PLANE", "MEMBER_OF"
        plane.SelectorAttributeVR, plane.SelectorCSValue = "CS", IMAGE_PLANES[selector.plane]
        items.append(plane)
    if selector.thickness is not None:
        items.append(_filter("SliceThickness", "DS", "RANGE_INCL", selector.thickness))
    for keyword, operator, values in TIMES.get(selector.weighting, ()):
        items.append(_filter(keyword, "FD" if keyword == "DiffusionBValue" else "DS", operator, values))
    if selector.has_contrast is not None:
        from pydicom.datadict import tag_for_keyword

        contrast = Dataset()
        contrast.SelectorAttribute = tag_for_keyword("ContrastBolusAgent")
        contrast.FilterByAttributePresence = "PRESENT" if selector.has_contrast else "NOT_PRESENT"
        items.append(contrast)
    return items


def _filter(keyword: str, vr: str, operator: str, values: tuple[float, ...]) -> Dataset:
    shown = list(values) if vr == "FD" else [format_decimal(value) for value in values]
    item = _attribute(keyword, vr, shown)
    item.FilterByOperator, item.SelectorValueNumber = operator, 1
    return item


def _display_set(rule: Rule, number: int, viewport: Viewport, image_set: int, at: int, columns: int) -> Dataset:
    from pydicom import Dataset

    rows, _ = shape_of(rule.layout)
    row, column = divmod(at, columns)
    box = Dataset()
    box.ImageBoxNumber, box.ImageBoxLayoutType = 1, "STACK"
    # From the upper left corner to the lower right one; the origin is the lower left corner of all screens.
    box.DisplayEnvironmentSpatialPosition = [
        column / columns,
        1 - row / rows,
        (column + 1) / columns,
        1 - (row + 1) / rows,
    ]
    item = Dataset()
    item.DisplaySetNumber, item.DisplaySetPresentationGroup, item.ImageSetNumber = number, 1, image_set
    item.ImageBoxesSequence = [box]
    selector = viewport.selector or Selector()
    item.FilterOperationsSequence = _filters(selector)
    item.SortingOperationsSequence = []
    if rule.has_fusion and selector.modality != "PT":
        item.BlendingOperationType = "COLOR"
    private: dict[str, Any] = {}
    if viewport.window is not None:
        named = (viewport.window.center, viewport.window.width)
        voi = next((name for name, window in VOI_TYPES.items() if window == named), None)
        if voi:
            item.VOIType = voi
        else:
            private["window"] = named
    private |= _write_reformat(item, viewport.reformat)
    item.ShowGrayscaleInverted = "YES" if viewport.is_inverted else "NO"
    item.ShowImageTrueSizeFlag = "YES" if rule.sizing == "true" else "NO"
    if selector.place:
        private["place"] = selector.place
    if selector.weighting and (selector.weighting not in TIMES or selector.weighting in SPECIAL_WEIGHTINGS):
        private["weighting"] = selector.weighting
    if private:
        _write_private(item, OF_DISPLAY_SET, private)
    return item


def _write_reformat(item: Dataset, reformat: Cut | Rendering | None) -> dict[str, Any]:
    """Say what is cut or rendered (table C.23.3-1); give what it has no words for."""
    match reformat:
        case None:
            return {}
        case Rendering(preset=preset):
            item.ReformattingOperationType = "3D_RENDERING"
            item.ThreeDRenderingType = list(RENDERING_TYPES[preset])
            # It is looked at from the front.
            item.ReformattingOperationInitialViewDirection = IMAGE_PLANES["coronal"]
            return {}
    if reformat.mode == "max" and reformat.thickness > 0:
        item.ReformattingOperationType, item.ThreeDRenderingType = "3D_RENDERING", list(MIP_SLAB)
    else:
        item.ReformattingOperationType = "MPR"
    item.ReformattingThickness = reformat.thickness or NOMINAL_MM
    item.ReformattingInterval = reformat.interval or item.ReformattingThickness
    item.ReformattingOperationInitialViewDirection = IMAGE_PLANES[reformat.plane]
    private: dict[str, Any] = {
        name: value for name, value in (("thickness", reformat.thickness), ("interval", reformat.interval)) if not value
    }
    if reformat.mode == "min" or (reformat.mode == "max" and reformat.thickness == 0):
        private["mode"] = reformat.mode
    return private


def _screen() -> Dataset:
    from pydicom import Dataset

    screen = Dataset()
    screen.NumberOfHorizontalPixels, screen.NumberOfVerticalPixels = _SCREEN
    screen.DisplayEnvironmentSpatialPosition = [0.0, 1.0, 1.0, 0.0]
    screen.ScreenMinimumGrayscaleBitDepth = 8
    return screen
