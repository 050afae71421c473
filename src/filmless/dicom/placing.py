"""Where frames lie in the patient, and how their pixels map onto each other (PS3.3 C.7.6.2, C.7.6.16.2.3, C.20.2).

Comes in: scanned headers of images and of Spatial Registrations. Goes out: `Placement`, and matrices between them.
Not here: values of pixels (blending.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from filmless.dicom.references import images_in
from filmless.dicom.scanner import Header
from filmless.errors import NotAcceptable

if TYPE_CHECKING:
    from numpy.typing import NDArray

Vector = tuple[float, float, float]

_SKEW_MAX: Final = 1e-3
_POSITIONS, _ORIENTATIONS, _MEASURES = 0x00209113, 0x00209116, 0x00289110


@dataclass(frozen=True, slots=True)
class Placement:
    """A frame in its Frame of Reference, in mm: the centre of its first pixel, and the steps to the next ones.

    `across` leads to the next column, `down` to the next row.
    """

    origin: Vector
    across: Vector
    down: Vector
    rows: int
    columns: int
    frame_of_reference_uid: str
    thickness_mm: float | None = None

    @property
    def normal(self) -> Vector:
        """Give the unit vector that stands on the frame."""
        (a, b, c), (d, e, f) = self.across, self.down
        return _unit((b * f - c * e, c * d - a * f, a * e - b * d))


def read_placements(header: Header, frames: Iterable[int]) -> dict[int, Placement]:
    """Read where frames (from 1) of an image lie; one whose place is not said is left out."""
    rows, columns = header.integer(0x00280010) or 0, header.integer(0x00280011) or 0
    per_frame, shared = header.items(0x52009230), header.items(0x52009229)[:1]
    found: dict[int, Placement] = {}
    for number in frames:
        groups = [*per_frame[number - 1 : number], *shared]
        position = _numbers(header, groups, _POSITIONS, 0x00200032, 3)
        orientation = _numbers(header, groups, _ORIENTATIONS, 0x00200037, 6)
        spacing = _numbers(header, groups, _MEASURES, 0x00280030, 2)
        thickness = _numbers(header, groups, _MEASURES, 0x00180050, 1)
        if not position or not orientation or not spacing or min(spacing) <= 0 or not rows or not columns:
            continue
        (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
        if (
            abs(math.hypot(a, b, c) - 1) > 0.01
            or abs(math.hypot(d, e, f) - 1) > 0.01
            or abs(a * d + b * e + c * f) > 0.01
        ):
            continue
        found[number] = Placement(
            origin=(position[0], position[1], position[2]),
            across=(a * spacing[1], b * spacing[1], c * spacing[1]),
            down=(d * spacing[0], e * spacing[0], f * spacing[0]),
            rows=rows,
            columns=columns,
            frame_of_reference_uid=header.text(0x00200052) or "",
            thickness_mm=thickness[0] if thickness and thickness[0] > 0 else None,
        )
    return found


def _numbers(header: Header, groups: list[Header], group_tag: int, tag: int, count: int) -> list[float]:
    """Read numbers of a functional group, of the frame or shared, else of the data set; none when they are fewer."""
    items = next((found for group in groups if (found := group.items(group_tag))), [header])
    numbers = [number for number in items[0].numbers(tag) if math.isfinite(number)]
    return numbers[:count] if len(numbers) >= count else []


def _unit(vector: Vector) -> Vector:
    length = math.hypot(*vector)
    return vector[0] / length, vector[1] / length, vector[2] / length


def _dot(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _minus(one: Vector, other: Vector) -> Vector:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]


def depths_of(placements: list[Placement]) -> list[float]:
    """Give how far each frame lies along the normal of the first, in mm.

    Raises
    ------
    NotAcceptable: they are not parallel frames of one size that lie straight above one another.
    """
    first = placements[0]
    depths = []
    for each in placements:
        is_alike = (each.rows, each.columns) == (first.rows, first.columns) and max(
            math.dist(each.across, first.across), math.dist(each.down, first.down)
        ) <= _SKEW_MAX * math.hypot(*first.across)
        apart = _minus(each.origin, first.origin)
        beside = [abs(_dot(apart, step)) / _dot(step, step) for step in (first.across, first.down)]
        if not is_alike or max(beside) > 0.05:
            raise NotAcceptable("the superimposed images are not of one size, parallel and straight above one another")
        depths.append(_dot(apart, first.normal))
    return depths


def mapping(of: Placement, onto: Placement, matrix: NDArray[Any] | None = None) -> NDArray[Any]:
    """Say where pixels of a frame lie in a stack of frames.

    Parameters
    ----------
    onto : the first frame of the stack.
    matrix : 4 x 4, from the Frame of Reference of the one to that of the other; without it they share one.

    Returns
    -------
    float array, shape (3, 3): times (column, row, 1) it gives column and row from 0, and depth in mm.
    """
    import numpy as np

    steps = np.zeros((4, 3))
    steps[:3, 0], steps[:3, 1], steps[:3, 2], steps[3, 2] = of.across, of.down, of.origin, 1
    places = ((np.eye(4) if matrix is None else matrix) @ steps)[:3]
    places[:, 2] -= onto.origin
    across, down = np.array(onto.across), np.array(onto.down)
    axes = np.stack([across / (across @ across), down / (down @ down), np.array(onto.normal)])
    return np.asarray(axes @ places)


def corner_depths(mapped: NDArray[Any], placement: Placement) -> tuple[float, float]:
    """Give the least and the largest depth at which a frame lies in a stack, by its corners."""
    import numpy as np

    columns, rows = placement.columns - 1, placement.rows - 1
    depths = mapped[2] @ np.array([[0, columns, 0, columns], [0, 0, rows, rows], [1, 1, 1, 1]])
    return float(depths.min()), float(depths.max())


def read_registration(
    registration: Header, of: Placement, of_images: Iterable[str], onto: Placement, onto_images: Iterable[str]
) -> NDArray[Any]:
    """Read how a Spatial Registration leads from the place of one set of images to that of another (PS3.3 C.20.2).

    Returns
    -------
    float array, shape (4, 4).

    Raises
    ------
    NotAcceptable: it does not say it.
    """
    import numpy as np

    own = registration.text(0x00200052) or ""
    first = _matrix_of(registration, own, of.frame_of_reference_uid, frozenset(of_images))
    second = _matrix_of(registration, own, onto.frame_of_reference_uid, frozenset(onto_images))
    try:
        return np.asarray(np.linalg.inv(second) @ first)
    except np.linalg.LinAlgError as error:
        raise NotAcceptable("a Frame of Reference Transformation Matrix (3006,00C6) cannot be inverted") from error


def _matrix_of(registration: Header, own: str, frame_of_reference_uid: str, images: frozenset[str]) -> NDArray[Any]:
    """Give the matrix that leads from a set of images into the registration's own Frame of Reference."""
    import numpy as np

    for item in registration.items(0x00700308):
        named = {reference.text(0x00081155) for reference in item.items(0x00081140)} | {
            uid for uid, _ in images_in(item)
        }
        uid = item.text(0x00200052)
        if named & images or (not named and uid and uid == frame_of_reference_uid):
            total = np.eye(4)
            for matrices in item.items(0x00700309):
                for each in matrices.items(0x0070030A):
                    values = each.numbers(0x300600C6)
                    if len(values) != 16 or not all(map(math.isfinite, values)):
                        raise NotAcceptable("Frame of Reference Transformation Matrix (3006,00C6) is not 16 numbers")
                    total = np.array(values).reshape(4, 4) @ total
            return total
    if frame_of_reference_uid and frame_of_reference_uid == own:
        return np.eye(4)
    raise NotAcceptable("the Spatial Registration that the presentation state names has no matrix for its images")
