"""Where the tiles of a TILED_FULL instance lie, said of each, so that some of them can stand without the others.

In TILED_FULL a frame's number says its place (PS3.3 C.7.6.17.3): column by column, row by row, then focal plane by
focal plane, then optical path by optical path, or segment by segment. What is left of them is TILED_SPARSE: its
functional groups name the place, and its dimension indices count the places that are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from filmless.dicom.json import JsonDataset
from filmless.dicom.uids import new_uid
from filmless.retrieve.frame_list import FramesRefused, Reason

DIMENSION_ORGANIZATION_TYPE: Final = "00209311"
PER_FRAME: Final = "52009230"

_SHARED: Final = "52009229"
_ROWS, _COLUMNS = "00280010", "00280011"
_MATRIX_COLUMNS, _MATRIX_ROWS, _MATRIX_PLANES, _MATRIX_ORIGIN = "00480006", "00480007", "00480303", "00480008"
_ORIENTATION: Final = "00480102"
_X, _Y, _Z = "0040072A", "0040073A", "0040074A"
_PIXEL_MEASURES, _PIXEL_SPACING, _SLICE_SPACING, _FOCAL_DISTANCE_UM = "00289110", "00280030", "00180088", "00480014"
_PLANE_POSITION, _COLUMN_POSITION, _ROW_POSITION = "0048021A", "0048021E", "0048021F"
_FRAME_CONTENT, _INDEX_VALUES = "00209111", "00209157"
_OFFSET_IN_CONCATENATION, _CONCATENATION = "00209228", "00209161"
_ORGANIZATION_SEQUENCE, _ORGANIZATION_UID = "00209221", "00209164"
_INDEX_SEQUENCE, _INDEX_POINTER, _GROUP_POINTER = "00209222", "00209165", "00209167"
_NANOMETRES: Final = 6  # decimals of a millimetre

_PATHS: Final = ("00480105", "00480207", "00480106", "SH")
_SEGMENTS: Final = ("00620002", "0062000A", "0062000B", "US")
_SEGMENT_NUMBER, _SEGMENTATION_TYPE = "00620004", "00620001"


@dataclass(frozen=True, slots=True)
class _Channels:
    """What the frames are of, one after the other: optical paths or segments, or nothing that is named."""

    group: str  # functional group
    attribute: str
    vr: str
    names: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Tiling:
    """The total pixel matrix, cut into tiles."""

    tile: tuple[int, int]  # rows, columns
    across: int
    down: int
    planes: int
    origin: tuple[float, float, float]
    orientation: tuple[float, ...]
    spacing: tuple[float, float]  # between rows, between columns
    plane_spacing: float
    channels: _Channels

    @property
    def frames(self) -> int:
        return self.across * self.down * self.planes * len(self.channels.names)

    def place(self, frame_index: int) -> tuple[int, int, int, int]:
        """Give channel, focal plane, row and column of a frame: of tiles, all from 0."""
        rest, column = divmod(frame_index, self.across)
        rest, row = divmod(rest, self.down)
        channel, plane = divmod(rest, self.planes)
        return channel, plane, row, column

    def position(self, plane: int, row: int, column: int) -> JsonDataset:
        """Say where a tile's first pixel lies (PS3.3 C.8.12.6.1)."""
        down, right = row * self.tile[0], column * self.tile[1]
        x, y, z = (
            start + right * self.spacing[1] * along_row + down * self.spacing[0] * along_column
            for start, along_row, along_column in zip(
                self.origin, self.orientation[:3], self.orientation[3:], strict=True
            )
        )
        return {
            _COLUMN_POSITION: element("SL", right + 1),
            _ROW_POSITION: element("SL", down + 1),
            _X: element("DS", round(x, _NANOMETRES)),
            _Y: element("DS", round(y, _NANOMETRES)),
            _Z: element("DS", round(z + plane * self.plane_spacing, _NANOMETRES)),
        }


def is_tiled_full(dataset: Mapping[str, Any]) -> bool:
    """Whether a frame's number says its place."""
    return bool(_values(dataset, DIMENSION_ORGANIZATION_TYPE)[:1] == ["TILED_FULL"])


def sparse(dataset: JsonDataset, numbers: Sequence[int], count: int) -> JsonDataset:
    """Give the attributes by which these frames, of `count`, say themselves where they lie.

    Raises
    ------
    FramesRefused: the instance does not say how its tiles lie.
    """
    tiling = _read_tiling(dataset)
    first = int(_number(dataset, _OFFSET_IN_CONCATENATION) or 0)
    is_whole = _CONCATENATION not in dataset
    if first + count > tiling.frames or (is_whole and count != tiling.frames):
        raise FramesRefused(
            Reason.NOT_OF_THIS_CLASS, f"TILED_FULL: its tiles are {tiling.frames} frames, and it has {count}"
        )
    places = [tiling.place(first + number - 1) for number in numbers]
    groups = _values(dataset, PER_FRAME)
    kept = [groups[number - 1] or {} for number in numbers] if len(groups) == count else [{} for _ in numbers]
    organization_uid = new_uid()
    shared = (_values(dataset, _SHARED) or [{}])[0] or {}
    channels = None if tiling.channels.group in shared else tiling.channels
    pointers = _pointers(channels)
    axes = [3, 2, 1, *([0] if len(pointers) > 3 else [])]
    ranks = [{value: rank for rank, value in enumerate(sorted({p[axis] for p in places}), start=1)} for axis in axes]
    for index, place in enumerate(places):
        channel, plane, row, column = place
        content = (_values(kept[index], _FRAME_CONTENT) or [{}])[0] or {}
        values = [of_axis[place[axis]] for of_axis, axis in zip(ranks, axes, strict=True)]
        kept[index] = {
            **kept[index],
            _FRAME_CONTENT: element("SQ", {**content, _INDEX_VALUES: element("UL", *values)}),
            _PLANE_POSITION: element("SQ", tiling.position(plane, row, column)),
        }
        if channels is not None and channels.group:
            named = {channels.attribute: element(channels.vr, channels.names[channel])}
            kept[index].setdefault(channels.group, element("SQ", named))
    indices = [
        {
            _ORGANIZATION_UID: element("UI", organization_uid),
            _INDEX_POINTER: element("AT", attribute),
            _GROUP_POINTER: element("AT", group),
        }
        for attribute, group in pointers
    ]
    return {
        DIMENSION_ORGANIZATION_TYPE: element("CS", "TILED_SPARSE"),
        _ORGANIZATION_SEQUENCE: element("SQ", {_ORGANIZATION_UID: element("UI", organization_uid)}),
        _INDEX_SEQUENCE: element("SQ", *indices),
        PER_FRAME: element("SQ", *kept),
    }


def _pointers(channels: _Channels | None) -> list[tuple[str, str]]:
    places = [(attribute, _PLANE_POSITION) for attribute in (_COLUMN_POSITION, _ROW_POSITION, _Z)]
    return [*places, (channels.attribute, channels.group)] if channels is not None and channels.group else places


def _read_tiling(dataset: Mapping[str, Any]) -> _Tiling:
    rows, columns, matrix_rows, matrix_columns = (
        int(_number(dataset, tag) or 0) for tag in (_ROWS, _COLUMNS, _MATRIX_ROWS, _MATRIX_COLUMNS)
    )
    origin = (_values(dataset, _MATRIX_ORIGIN) or [{}])[0] or {}
    corner = [_number(origin, tag) for tag in (_X, _Y)]
    orientation = [value for value in _values(dataset, _ORIENTATION) if isinstance(value, int | float)]
    shared = (_values(dataset, _SHARED) or [{}])[0] or {}
    measures = (_values(shared, _PIXEL_MEASURES) or [{}])[0] or {}
    spacing = [value for value in _values(measures, _PIXEL_SPACING) if isinstance(value, int | float)]
    if min(rows, columns, matrix_rows, matrix_columns) < 1 or len(orientation) != 6 or len(spacing) != 2:
        raise FramesRefused(Reason.NOT_OF_THIS_CLASS, "TILED_FULL, without the size, pose or spacing of its matrix")
    if corner[0] is None or corner[1] is None:
        raise FramesRefused(Reason.NOT_OF_THIS_CLASS, "TILED_FULL, without the origin of its matrix")
    planes = max(int(_number(dataset, _MATRIX_PLANES) or 1), 1)
    plane_spacing = _number(measures, _SLICE_SPACING)
    if plane_spacing is None:
        plane_spacing = (_number(dataset, _FOCAL_DISTANCE_UM) or 0.0) / 1000
    if planes > 1 and not plane_spacing:
        raise FramesRefused(Reason.NOT_OF_THIS_CLASS, "TILED_FULL, without the distance of its focal planes")
    return _Tiling(
        tile=(rows, columns),
        across=-(-matrix_columns // columns),
        down=-(-matrix_rows // rows),
        planes=planes,
        origin=(corner[0], corner[1], _number(origin, _Z) or 0.0),
        orientation=tuple(orientation),
        spacing=(spacing[0], spacing[1]),
        plane_spacing=plane_spacing,
        channels=_read_channels(dataset),
    )


def _read_channels(dataset: Mapping[str, Any]) -> _Channels:
    segments = _values(dataset, _SEGMENTS[0])
    if segments and _values(dataset, _SEGMENTATION_TYPE)[:1] != ["LABELMAP"]:
        numbers = tuple(_number(each or {}, _SEGMENT_NUMBER) for each in segments)
        return _Channels(*_SEGMENTS[1:], tuple(int(number or 0) for number in numbers))
    paths = _values(dataset, _PATHS[0])
    if paths and not segments:
        return _Channels(*_PATHS[1:], tuple((_values(each or {}, _PATHS[2]) or [""])[0] for each in paths))
    return _Channels("", "", "", ("",))


def element(vr: str, *values: Any) -> JsonDataset:
    """Give an element in the form of DICOM JSON."""
    return {"vr": vr, "Value": list(values)}


def _values(dataset: Mapping[str, Any], tag: str) -> list[Any]:
    return list(dataset.get(tag, {}).get("Value") or [])


def _number(dataset: Mapping[str, Any], tag: str) -> float | None:
    values = _values(dataset, tag)
    return float(values[0]) if values and isinstance(values[0], int | float) else None
