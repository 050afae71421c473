"""Presentation states, rendered on the images that they are for (PS3.18 8.3.5.1, PS3.4 annex N)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.angiography import read_frame_display, read_subtraction
from filmless.dicom.presentation_state import BLENDING, PRESENTABLE, presented_images
from filmless.dicom.scanner import Header
from filmless.dicom.uids import name_of
from filmless.errors import NotAcceptable, NotFound, Refused
from filmless.retrieve.blended import Superimposed, open_superimposed, read_layer
from filmless.retrieve.decoding import decoders
from filmless.retrieve.frames import FrameTask, read_frame_task, read_header, read_header_bytes
from filmless.retrieve.instances import InstanceRecord, find_instances, find_record
from filmless.retrieve.rendered import Look, finish, is_image


@dataclass(frozen=True, slots=True)
class OpenedState:
    """A presentation state that is read, with the images that it lays over others."""

    record: InstanceRecord
    header: Header
    superimposed: Superimposed | None

    @property
    def records(self) -> list[InstanceRecord]:
        """Give the instances that are read besides the images that it is for."""
        return self.superimposed.records if self.superimposed else []


@dataclass(frozen=True, slots=True)
class Presented:
    """A frame (from 1) of an image that a presentation state is for."""

    record: InstanceRecord
    frame_number: int
    duration_ms: float | None = None


def open_state(archive: Archive, principal: Principal, record: InstanceRecord) -> OpenedState:
    """Read a presentation state.

    Raises
    ------
    NotAcceptable: states of this class are not rendered, or not what it superimposes.
    NotFound: none of the images that it superimposes is here.
    """
    uid = record.instance.sop_class_uid
    if uid not in PRESENTABLE:
        raise NotAcceptable(f"an instance of {name_of(uid)} is not rendered here; its thumbnail stands for it")
    header = read_header(archive, record.instance)
    superimposed = open_superimposed(archive, principal, header) if uid == BLENDING else None
    return OpenedState(record, header, superimposed)


def presented_frames(archive: Archive, principal: Principal, state: OpenedState) -> list[Presented]:
    """List the frames that a state is for, in its order: those that are here and that `principal` may see.

    Raises
    ------
    NotAcceptable: it is for more than `cine_frames_max` frames. NotFound: none of its images is here.
    """
    frames_of = dict(presented_images(state.header))
    visible = {each.sop_instance_uid for each in find_instances(archive, principal, sop_uids=frames_of)}
    found: list[Presented] = []
    allowed = archive.settings.cine_frames_max
    for image_uid, numbers in frames_of.items():
        record = find_record(archive, image_uid) if image_uid in visible else None
        if record is None or not is_image(record.instance):
            continue
        count = record.instance.number_of_frames
        chosen = [number for number in numbers if 1 <= number <= count] if numbers else range(1, count + 1)
        if len(found) + len(chosen) > allowed:
            raise NotAcceptable(f"the presentation state is for more than {allowed} frames")
        for number in chosen:
            display = read_frame_display(state.header, image_uid, number)
            if not display.is_skipped:
                found.append(Presented(record, number, 1000 / display.rate_hz if display.rate_hz else None))
    if not found:
        raise NotFound(f"none of the {len(frames_of)} images that the presentation state is for is here")
    return found


def presented_frame(state: OpenedState, record: InstanceRecord, frame_number: int | None) -> Presented:
    """Give the frame of an image that is wanted as a state shows it; without a number the middle one that it is for.

    Raises
    ------
    Refused: it is not for this image, or frame.
    """
    named = dict(presented_images(state.header)).get(record.instance.sop_instance_uid)
    allowed = list(named or range(1, max(record.instance.number_of_frames, 1) + 1))
    if named is None or (frame_number is not None and frame_number not in allowed):
        raise Refused("the presentation state is not for this image, or not for this frame of it")
    return Presented(record, frame_number or allowed[len(allowed) // 2])


def render_presented(archive: Archive, state: OpenedState, shown: Presented, look: Look) -> bytes:
    """Draw one frame as a presentation state says; of `look` the kind, the quality and the size of the viewport count.

    Raises
    ------
    NotAcceptable: the frame cannot be decoded, or the state says what is not rendered here, or what makes no sense.
    Unavailable: too many wait.
    """
    header, bare_syntax = read_header_bytes(archive, state.record.instance)
    own = read_frame_task(archive, shown.record, shown.frame_number, is_lenient=True)
    others, layer = _others(archive, state, shown), None
    if state.superimposed is not None:
        others, layer = read_layer(archive, state.superimposed, shown.record, shown.frame_number)
    task: dict[str, Any] = {
        **own.words,
        "task": "present",
        "media_type": look.media_type,
        **finish(look),
        "sop_instance_uid": shown.record.instance.sop_instance_uid,
        "number_of_frames": max(shown.record.instance.number_of_frames, 1),
        "state_syntax": bare_syntax,
        "marks_max": archive.settings.presentation_marks_max,
        "fit": [look.viewport.width, look.viewport.height] if look.viewport else None,
        "others": [each.words for each in others],
        "layer": layer,
    }
    parts = [own.header, own.data, memoryview(header), *(part for each in others for part in (each.header, each.data))]
    return bytes(decoders(archive).run(task, parts)[1])


def _others(archive: Archive, state: OpenedState, shown: Presented) -> list[FrameTask]:
    """Read the other frames of the image that a mask takes.

    Raises
    ------
    NotAcceptable: they are more than `presentation_frames_max`.
    """
    record, number = shown.record, shown.frame_number
    count = max(record.instance.number_of_frames, 1)
    subtraction = read_subtraction(state.header, record.instance.sop_instance_uid, number, count)
    if subtraction is None:
        return []
    numbers = sorted({*subtraction.contrast, *subtraction.mask} - {number})
    allowed = archive.settings.presentation_frames_max
    if len(numbers) >= allowed:
        raise NotAcceptable(f"frame {number} and its mask are {len(numbers) + 1} frames; up to {allowed} are combined")
    # The decoder has their header by then: it is that of the frame itself.
    return [replace(read_frame_task(archive, record, each), header=b"") for each in numbers]
