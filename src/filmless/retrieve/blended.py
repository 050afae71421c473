"""The images that a Blending Softcopy Presentation State lays over others (PS3.3 A.33.4): found, and put in order.

Comes in: a scanned state and who asks. Goes out: `Superimposed`, and what of it a decoder needs for one picture.
Not here: interpolation and blending, which the decoder does (dicom/blending.py).
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any, Final

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.blending import read_blended_sets, superimposed_images
from filmless.dicom.placing import Placement, corner_depths, depths_of, mapping, read_placements, read_registration
from filmless.dicom.references import images_in
from filmless.dicom.scanner import Header
from filmless.errors import NotAcceptable, NotFound
from filmless.retrieve.frames import FrameTask, read_frame_task, read_header
from filmless.retrieve.instances import InstanceRecord, find_instances, find_record

_SPATIAL_REGISTRATION: Final = "1.2.840.10008.5.1.4.1.1.66.1"
_SEGMENTATIONS: Final = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_THINNEST_MM: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Superimposed:
    """A stack of frames, in the order of their depth along the normal of the first, which is at 0."""

    frames: tuple[tuple[InstanceRecord, int], ...]
    depths: tuple[float, ...]
    first: Placement
    ends: tuple[float, float]
    underlying_images: frozenset[str]
    registration: InstanceRecord | None

    @property
    def records(self) -> list[InstanceRecord]:
        """Give the instances that are read besides the image itself."""
        return [*(record for record, _ in self.frames), *([self.registration] if self.registration else [])]


def open_superimposed(archive: Archive, principal: Principal, state: Header) -> Superimposed:
    """Find the images that a state lays over others: those that are here and that `principal` may see.

    Raises
    ------
    NotFound: none of them is here, or not the registration. NotAcceptable: they are no stack of frames.
    """
    sets = read_blended_sets(state)
    wanted = dict(superimposed_images(sets))
    allowed = archive.settings.cine_frames_max
    if sum(len(numbers) or 1 for numbers in wanted.values()) > allowed:
        raise NotAcceptable(f"the presentation state superimposes more than {allowed} frames")
    found: list[tuple[InstanceRecord, int, Placement]] = []
    for instance in find_instances(archive, principal, sop_uids=wanted):
        record = find_record(archive, instance.sop_instance_uid)
        if record is None:
            continue
        if instance.sop_class_uid in _SEGMENTATIONS:
            raise NotAcceptable("the presentation state superimposes a segmentation, which is not rendered here")
        numbers = wanted[instance.sop_instance_uid] or range(1, max(instance.number_of_frames, 1) + 1)
        if len(found) + len(numbers) > allowed:
            raise NotAcceptable(f"the presentation state superimposes more than {allowed} frames")
        placements = read_placements(read_header(archive, instance), numbers)
        if len(placements) < len(set(numbers)):
            raise NotAcceptable(
                "a superimposed image does not say where it lies (Image Position (Patient), its spacing)"
            )
        found += [(record, number, placement) for number, placement in placements.items()]
    if not found:
        raise NotFound(f"none of the {len(wanted)} images that the presentation state superimposes is here")
    if len({placement.frame_of_reference_uid for *_, placement in found}) > 1:
        raise NotAcceptable("the superimposed images have several Frames of Reference")
    # From the lowest on, so that depths grow; which is the lowest is not known before they are measured from any.
    order = sorted(zip(depths_of([placement for *_, placement in found]), range(len(found)), strict=True))
    ordered = [found[index] for _, index in order]
    depths = depths_of([placement for *_, placement in ordered])
    if any(after - before < _THINNEST_MM for before, after in itertools.pairwise(depths)):
        raise NotAcceptable("several of the superimposed images lie in one place")
    half = max(ordered[0][2].thickness_mm or 0, _THINNEST_MM) / 2
    ends = (-half, half)
    if len(depths) > 1:
        ends = (-(depths[1] - depths[0]) / 2, depths[-1] + (depths[-1] - depths[-2]) / 2)
    return Superimposed(
        frames=tuple((record, number) for record, number, _ in ordered),
        depths=tuple(depths),
        first=ordered[0][2],
        ends=ends,
        underlying_images=frozenset(uid for uid, _ in images_in(sets.underlying)),
        registration=_registration(archive, principal, state),
    )


def _registration(archive: Archive, principal: Principal, state: Header) -> InstanceRecord | None:
    named = [
        reference.text(0x00081155) or ""
        for study in state.items(0x00700404)
        for series in study.items(0x00081115)
        for reference in series.items(0x00081199)
    ]
    if not named:
        return None
    instance = next(find_instances(archive, principal, sop_uids=named[:1]), None)
    record = find_record(archive, instance.sop_instance_uid) if instance is not None else None
    if record is None:
        raise NotFound("the Spatial Registration that the presentation state names is not here")
    if record.instance.sop_class_uid != _SPATIAL_REGISTRATION:
        raise NotAcceptable("the presentation state names a registration that is no Spatial Registration by matrices")
    return record


def read_layer(
    archive: Archive, over: Superimposed, record: InstanceRecord, frame_number: int
) -> tuple[list[FrameTask], dict[str, Any]]:
    """Read what lies over one frame (from 1) of an image, and say where, in the words of a decoder's task.

    Raises
    ------
    NotAcceptable: it cannot be said where the frame lies, or too many frames lie over it.
    """
    placement = read_placements(read_header(archive, record.instance), [frame_number]).get(frame_number)
    if placement is None:
        raise NotAcceptable("the underlying image does not say where it lies (Image Position (Patient), its spacing)")
    mapped = mapping(placement, over.first, _matrix(archive, over, placement))
    low, high = corner_depths(mapped, placement)
    begin = max(bisect_right(over.depths, low) - 1, 0)
    end = min(bisect_left(over.depths, high) + 1, len(over.depths))
    if high < over.ends[0] or low > over.ends[1]:
        begin = end = 0
    allowed = archive.settings.presentation_frames_max
    if end - begin > allowed:
        raise NotAcceptable(
            f"{end - begin} superimposed images lie over frame {frame_number}; up to {allowed} are combined"
        )
    words = {
        "mapped": mapped.tolist(),
        "depths": over.depths[begin:end],
        "ends": over.ends,
        "uids": [each.instance.sop_instance_uid for each, _ in over.frames[begin:end]],
    }
    return [read_frame_task(archive, each, number) for each, number in over.frames[begin:end]], words


def _matrix(archive: Archive, over: Superimposed, placement: Placement) -> Any:
    if over.registration is not None:
        registration = read_header(archive, over.registration.instance)
        above = {record.instance.sop_instance_uid for record, _ in over.frames}
        return read_registration(registration, placement, over.underlying_images, over.first, above)
    if not placement.frame_of_reference_uid or placement.frame_of_reference_uid != over.first.frame_of_reference_uid:
        raise NotAcceptable(
            "the two sets of images have not one Frame of Reference, and the presentation state names no registration"
        )
    return None
