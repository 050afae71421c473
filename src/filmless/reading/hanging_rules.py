"""What a hanging protocol says, as plain data: the screen's own form, which DICOM objects are written from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from filmless.dicom.anatomy import REGIONS
from filmless.errors import Refused

Side = Literal["", "L", "R", "B"]
Plane = Literal["", "axial", "coronal", "sagittal", "oblique"]
Weighting = Literal["", "t1", "t2", "pd", "flair", "stir", "t2star", "diffusion", "adc"]
Sizing = Literal["fit", "same", "true"]
CutPlane = Literal["axial", "coronal", "sagittal"]
SlabMode = Literal["mean", "max", "min"]
Preset = Literal["", "ctBone", "ctVessels", "ctSoft", "ctLung", "mr", "petMip"]

ROWS_MAX, COLUMNS_MAX, VIEWPORTS_MAX = 4, 8, 16
PRIORS_MAX: Final = 3
CUT_MAX_MM: Final = 100.0
_LAYOUT: Final = re.compile(r"([1-9])x([1-9])")
_CODE_STRING: Final = re.compile(r"[A-Z0-9 _]{1,16}")


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept."""

    value: str
    scheme: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Conditions:
    """When a protocol is for a study: each part that is not empty must hold; of a list, one entry."""

    modalities: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    procedures: tuple[Code, ...] = ()
    laterality: Side = ""
    priors: int = 0


@dataclass(frozen=True, slots=True)
class Selector:
    """Which pictures a viewport shows; what is empty or None may be anything. Prior 0 is the current study."""

    prior: int = 0
    modality: str = ""
    plane: Plane = ""
    views: tuple[str, ...] = ()
    laterality: Side = ""
    weighting: Weighting = ""
    has_contrast: bool | None = None
    image_type: tuple[str, ...] = ()
    thickness: tuple[float, float] | None = None
    place: int = 0


@dataclass(frozen=True, slots=True)
class HungWindow:
    """Center and width, as Window Center (0028,1050) and Width (0028,1051)."""

    center: float
    width: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Planes cut from the stack: as thick, and as far apart, as is said in mm; 0 is a voxel."""

    plane: CutPlane
    thickness: float = 0.0
    interval: float = 0.0
    mode: SlabMode = "mean"
    kind: Literal["plane"] = "plane"


@dataclass(frozen=True, slots=True)
class Rendering:
    """The stack rendered as a volume; without a preset, by that of its modality."""

    preset: Preset = ""
    kind: Literal["volume"] = "volume"


@dataclass(frozen=True, slots=True)
class Viewport:
    """What hangs in one viewport, and how."""

    selector: Selector | None = None
    window: HungWindow | None = None
    is_inverted: bool = False
    reformat: Cut | Rendering | None = None


@dataclass(frozen=True, slots=True)
class Links:
    """What viewports take from the one in use."""

    place: bool = False
    window: bool = False
    view: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A hanging protocol; as many viewports as its layout has (rows x columns)."""

    name: str
    layout: str
    viewports: tuple[Viewport, ...]
    when: Conditions = field(default_factory=Conditions)
    at_least: int = 1
    sizing: Sizing = "fit"
    links: Links = field(default_factory=Links)
    has_fusion: bool = False


def shape_of(layout: str) -> tuple[int, int]:
    """Give the rows and columns of a layout.

    Raises
    ------
    Refused: the viewer has no such layout.
    """
    found = _LAYOUT.fullmatch(layout)
    rows, columns = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (1 <= rows <= ROWS_MAX and 1 <= columns <= COLUMNS_MAX and rows * columns <= VIEWPORTS_MAX):
        raise Refused(f"{layout!r} is no layout of up to {ROWS_MAX} rows and {COLUMNS_MAX} columns")
    return rows, columns


def check_rule(rule: Rule) -> None:
    """Refuse what no viewer could hang, or no DICOM object could say.

    Raises
    ------
    Refused
    """
    rows, columns = shape_of(rule.layout)
    if not 1 <= len(rule.name.strip()) <= 64 or "\\" in rule.name or not rule.name.isprintable():
        raise Refused("a hanging protocol has a name of 1 to 64 printable characters, none of them a backslash")
    if len(rule.viewports) != rows * columns:
        raise Refused(f"the layout {rule.layout} has {rows * columns} viewports, and {len(rule.viewports)} are given")
    selectors = [viewport.selector for viewport in rule.viewports if viewport.selector is not None]
    if not selectors:
        raise Refused("no viewport shows anything")
    if not rule.when.modalities and not rule.when.regions:
        raise Refused("a hanging protocol is for a modality or a region (PS3.3 C.23.1: one of them must be there)")
    for region in rule.when.regions:
        if region not in REGIONS:
            raise Refused(f"{region!r} is no region: {', '.join(REGIONS)}")
    words = [*rule.when.modalities, *(each.modality for each in selectors if each.modality)]
    words += [word for each in selectors for word in (*each.views, *each.image_type)]
    for word in words:
        if not _CODE_STRING.fullmatch(word):
            raise Refused(f"{word!r} is no code string (VR CS)")
    for viewport in rule.viewports:
        if viewport.window is not None and viewport.window.width < 1:
            raise Refused(f"WindowWidth is {viewport.window.width}; LINEAR needs at least 1")
    _check_reformats(rule)
    for selector in selectors:
        if not 0 <= selector.prior <= PRIORS_MAX:
            raise Refused(f"prior {selector.prior} is asked for; there are up to {PRIORS_MAX}")
        if selector.thickness is not None and not 0 <= selector.thickness[0] <= selector.thickness[1]:
            raise Refused("a thickness is from less to more")


def _check_reformats(rule: Rule) -> None:
    found = [viewport.reformat for viewport in rule.viewports if viewport.reformat is not None]
    if any(viewport.selector is None and viewport.reformat is not None for viewport in rule.viewports):
        raise Refused("a viewport that shows nothing has no planes")
    if sum(isinstance(each, Rendering) for each in found) > 1:
        raise Refused("one volume is rendered at a time")
    for each in found:
        if isinstance(each, Cut) and not (0 <= each.thickness <= CUT_MAX_MM and 0 <= each.interval <= CUT_MAX_MM):
            raise Refused(f"planes are up to {CUT_MAX_MM:g} mm thick, and as far apart")
