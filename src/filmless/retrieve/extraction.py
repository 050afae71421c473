"""A new instance of some frames of a kept one, for a retrieval at the FRAME level (PS3.4 Y.3.3). It is not kept here.

What speaks of frames is brought into line: their number, functional groups, times, vectors of one value a frame,
frame numbers, the places of tiles. A video is cut at its key frames, not encoded anew. What cannot be is refused
(overlays of several frames) or left out where it may be (concatenation, signatures, private attributes, whose meaning
we do not know).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any, Final

from filmless.archive import Archive
from filmless.archive.tables import Flags
from filmless.dicom.dictionary import is_private
from filmless.dicom.encode import encode
from filmless.dicom.json import JsonDataset, to_json
from filmless.dicom.pixels import DECODABLE, NATIVE, read_format
from filmless.dicom.rewriting import element_head
from filmless.dicom.scanner import PIXEL_DATA, Header
from filmless.dicom.syntaxes import EXPLICIT_LE, IMPLICIT_LE, get_syntax
from filmless.dicom.uids import IMPLEMENTATION_VERSION_NAME, new_uid
from filmless.errors import NotAcceptable, NotFound
from filmless.retrieve import transcode
from filmless.retrieve.derived import Derived
from filmless.retrieve.frame_list import KEYS, TIME_RANGE, FramesRefused, Reason, frame_times, read_frame_list
from filmless.retrieve.frames import FIX_UPS, described_frame, read_header, stored_frame
from filmless.retrieve.instances import InstanceRecord, StoredInstance, find_record
from filmless.retrieve.tiles import PER_FRAME, element, is_tiled_full, sparse
from filmless.retrieve.videos import Part, cut_video, is_video

_NUMBER_OF_FRAMES, _FRAME_INCREMENT_POINTER = "00280008", "00280009"
_FRAME_TIME, _FRAME_TIME_VECTOR, _FRAME_DELAY = "00181063", "00181065", "00181066"
_REPRESENTATIVE_FRAME, _FRAME_NUMBERS_OF_INTEREST = "00286010", "00286020"
_OF_INTEREST: Final = ("00286020", "00286022", "00286023")
_MASK_SUBTRACTION, _VIEWING_MODE = "00286100", "00281090"
_FRAME_EXTRACTION, _SOURCE_UID = "00081164", "00081167"
_CONTRIBUTING_EQUIPMENT: Final = "0018A001"
_NUMBER_OF_FRAMES_IN_OVERLAY: Final = 0x0015
_NATIVE_LENGTH_MAX: Final = 0xFFFFFFFE

# Attributes with one value a frame; those that have as many values are cut to the frames that are there.
_VECTORS: Final = (
    *(f"0018{number:04X}" for number in (0x1135, 0x1136, 0x1137, 0x1520, 0x1521)),  # increments of table and positioner
    *(f"0018{number:04X}" for number in range(0x2001, 0x2007)),  # Page Number Vector to Display Window Label Vector
    *(f"0054{number:04X}" for number in (0x10, 0x20, 0x30, 0x50, 0x60, 0x70, 0x80, 0x90, 0x100)),  # of NM
    "3004000C",  # Grid Frame Offset Vector
)
_LEFT_OUT: Final = frozenset(
    {
        "00080014",  # Instance Creator UID
        "00082142",  # Start Trim
        "00082143",  # Stop Trim
        "00180072",  # Effective Duration
        "00200242",  # SOP Instance UID of Concatenation Source
        "00209161",  # Concatenation UID
        "00209162",  # In-concatenation Number
        "00209163",  # In-concatenation Total Number
        "00209228",  # Concatenation Frame Offset Number
        "4FFE0001",  # MAC Parameters Sequence
        "7FE00001",  # Extended Offset Table
        "7FE00002",
        "7FE00003",
        "FFFAFFFA",  # Digital Signatures Sequence
        "FFFCFFFC",  # Data Set Trailing Padding
    }
)


def extract_frames(archive: Archive, instance: StoredInstance, identifier: Mapping[str, Any]) -> Derived:
    """Make the instance of the frames that an identifier selects.

    Raises
    ------
    FramesRefused: they cannot be had. NotFound: the instance, or its blob, is gone.
    """
    record = find_record(archive, instance.sop_instance_uid)
    if record is None:
        raise NotFound(f"there is no instance {instance.sop_instance_uid} any more")
    header = read_header(archive, instance)
    _check_source(record, header)
    dataset = to_json(header, bulk_uri=None, inline_max=None)
    count = instance.number_of_frames
    if is_video(instance):
        count = header.integer(int(_NUMBER_OF_FRAMES, 16)) or 0  # in the stream; in the pixel data it is one
    numbers = read_frame_list(identifier, count, dataset)
    part: Part | None = None
    if is_video(instance):
        part = _cut_out(archive, record, numbers, count, is_exact=TIME_RANGE not in identifier)
        numbers = list(range(part.first, part.last + 1))
    selected = _selected(dataset, numbers, count)
    uid = new_uid()
    _say_how_it_was_made(selected, uid, instance, identifier)
    if part is not None:
        return Derived(
            source=instance,
            sop_instance_uid=uid,
            syntaxes=(instance.transfer_syntax_uid,),
            length_bytes=len(part.stream),
            write=partial(_written_video, selected, part.stream),
        )
    native = (EXPLICIT_LE, IMPLICIT_LE) if instance.transfer_syntax_uid in DECODABLE else ()
    is_as_stored = get_syntax(instance.transfer_syntax_uid).is_encapsulated and not instance.flags & FIX_UPS
    return Derived(
        source=instance,
        sop_instance_uid=uid,
        syntaxes=(instance.transfer_syntax_uid, *native) if is_as_stored else native,
        length_bytes=(instance.pixel_length or 0) // count * len(numbers),
        write=partial(_written, archive, record, header, selected, numbers),
    )


def _check_source(record: InstanceRecord, header: Header) -> None:
    """Let pass what frames can be taken out of.

    Raises
    ------
    FramesRefused
    """
    instance = record.instance
    if int(_NUMBER_OF_FRAMES, 16) not in header:
        raise FramesRefused(Reason.NOT_OF_THIS_CLASS, "the instance is not multi-frame")
    syntax = get_syntax(instance.transfer_syntax_uid)
    if syntax.is_referenced or instance.pixel_offset is None or not instance.number_of_frames:
        raise FramesRefused(Reason.NOT_EXTRACTABLE, f"frames cannot be taken out of {syntax.name}")
    if instance.has(Flags.PIXELS_ASTRAY) or (syntax.is_encapsulated and record.frames is None):
        raise FramesRefused(Reason.NOT_EXTRACTABLE, "the frames of the instance could not be located")
    if any(tag >> 16 & 0xFF01 == 0x6000 and tag & 0xFFFF == _NUMBER_OF_FRAMES_IN_OVERLAY for tag in header):
        raise FramesRefused(Reason.NOT_EXTRACTABLE, "the instance has an overlay of several frames")


def _cut_out(archive: Archive, record: InstanceRecord, numbers: Sequence[int], count: int, *, is_exact: bool) -> Part:
    """Cut frames out of a video; those of a time may become more, those of a list may not (PS3.4 Y.3.2.1)."""
    if numbers[-1] - numbers[0] + 1 != len(numbers):
        raise FramesRefused(
            Reason.NOT_EXTRACTABLE, "frames of a video are given as they follow each other, all of them"
        )
    try:
        return cut_video(archive, record, numbers[0], numbers[-1], count, is_exact=is_exact)
    except NotAcceptable as error:
        raise FramesRefused(Reason.NOT_EXTRACTABLE, str(error)) from error


# ------------------------------------------------------------------------------------------------- attributes


def _selected(dataset: JsonDataset, numbers: Sequence[int], count: int) -> JsonDataset:
    """Bring what speaks of frames into line with those that are left."""
    dataset = _without_private(dataset)
    kept = {tag: each for tag, each in dataset.items() if tag not in _LEFT_OUT}
    kept[_NUMBER_OF_FRAMES] = element("IS", len(numbers))
    for tag in (*_VECTORS, PER_FRAME):
        values = kept.get(tag, {}).get("Value") or []
        if len(values) == count:
            kept[tag] = {**kept[tag], "Value": [values[number - 1] for number in numbers]}
    if is_tiled_full(dataset):
        kept |= sparse(dataset, numbers, count)
    _select_times(kept, numbers, count)
    _select_frame_numbers(kept, numbers)
    if _MASK_SUBTRACTION in kept and len(numbers) < count:
        del kept[_MASK_SUBTRACTION]  # its mask, or what it is taken from, may be gone
        if kept.get(_VIEWING_MODE):
            kept[_VIEWING_MODE] = element("CS", "NAT")
    return kept


def _select_times(kept: JsonDataset, numbers: Sequence[int], count: int) -> None:
    """Say the time from frame to frame anew, and that from Content Time to the first."""
    if _FRAME_TIME not in kept and _FRAME_TIME_VECTOR not in kept:
        return
    timed = {tag: each for tag, each in kept.items() if tag in (_FRAME_TIME, _FRAME_TIME_VECTOR, _FRAME_DELAY)}
    times = frame_times(timed, count)
    if times is None:
        return
    chosen_ms = [times[number - 1] * 1000 for number in numbers]
    steps_ms = [round(b - a, 6) for a, b in pairwise(chosen_ms)]
    if _FRAME_DELAY in kept or numbers[0] > 1:
        kept[_FRAME_DELAY] = element("DS", round(chosen_ms[0], 6))
    if _FRAME_TIME_VECTOR in kept:
        kept[_FRAME_TIME_VECTOR] = element("DS", 0, *steps_ms)
    elif len(set(steps_ms)) > 1:  # no longer evenly spaced
        del kept[_FRAME_TIME]
        kept[_FRAME_TIME_VECTOR] = element("DS", 0, *steps_ms)
        kept[_FRAME_INCREMENT_POINTER] = element("AT", _FRAME_TIME_VECTOR)
    elif steps_ms:
        kept[_FRAME_TIME] = element("DS", steps_ms[0])


def _select_frame_numbers(kept: JsonDataset, numbers: Sequence[int]) -> None:
    """Name frames by their new numbers, and no frame that is gone."""
    new_number = {old: new for new, old in enumerate(numbers, start=1)}
    representative = _first(kept, _REPRESENTATIVE_FRAME)
    if representative is not None:
        if representative in new_number:
            kept[_REPRESENTATIVE_FRAME] = element("US", new_number[representative])
        else:
            del kept[_REPRESENTATIVE_FRAME]
    of_interest = kept.get(_FRAME_NUMBERS_OF_INTEREST, {}).get("Value") or []
    left = [index for index, old in enumerate(of_interest) if old in new_number]
    for tag in _OF_INTEREST if of_interest else ():
        values = kept.get(tag, {}).get("Value") or []
        if not left or len(values) != len(of_interest):
            kept.pop(tag, None)
        elif tag == _FRAME_NUMBERS_OF_INTEREST:
            kept[tag] = element("US", *(new_number[values[index]] for index in left))
        else:
            kept[tag] = {**kept[tag], "Value": [values[index] for index in left]}


def _say_how_it_was_made(
    selected: JsonDataset, uid: str, source: StoredInstance, identifier: Mapping[str, Any]
) -> None:
    """Add the Frame Extraction Module and who extracted (PS3.3 C.12.3, PS3.4 Y.3.3)."""
    now = datetime.now()
    selected["00080018"] = element("UI", uid)
    selected["00080012"] = element("DA", f"{now:%Y%m%d}")
    selected["00080013"] = element("TM", f"{now:%H%M%S}")
    extraction = {tag: identifier[tag] for tag in KEYS if tag in identifier}
    extraction[_SOURCE_UID] = element("UI", source.sop_instance_uid)
    equipment = {
        "00080070": element("LO", "Filmless"),
        "00081090": element("LO", IMPLEMENTATION_VERSION_NAME),
        "0018A002": element("DT", f"{now.astimezone():%Y%m%d%H%M%S%z}"),
        "0040A170": element(
            "SQ",
            {
                "00080100": element("SH", "109105"),
                "00080102": element("SH", "DCM"),
                "00080104": element("LO", "Frame Extracting Equipment"),
            },
        ),
    }
    for tag, item in ((_FRAME_EXTRACTION, extraction), (_CONTRIBUTING_EQUIPMENT, equipment)):
        selected[tag] = element("SQ", *(selected.get(tag, {}).get("Value") or []), item)


def _without_private(dataset: JsonDataset) -> JsonDataset:
    kept: JsonDataset = {}
    for tag, each in dataset.items():
        if is_private(int(tag, 16)):
            continue
        is_sequence = each.get("vr") == "SQ"
        items = [_without_private(item or {}) for item in each.get("Value") or []] if is_sequence else []
        kept[tag] = {**each, "Value": items} if is_sequence else each
    return kept


def _first(dataset: JsonDataset, tag: str) -> Any:
    values = dataset.get(tag, {}).get("Value") or [None]
    return values[0]


# ------------------------------------------------------------------------------------------------- bytes


def _written(
    archive: Archive,
    record: InstanceRecord,
    header: Header,
    dataset: JsonDataset,
    numbers: Sequence[int],
    transfer_syntax_uid: str,
) -> Iterator[bytes]:
    """Write the data set in a transfer syntax; the first frame is read before the first piece is given."""
    native: Iterator[memoryview]
    if transfer_syntax_uid not in NATIVE:
        frames = (memoryview(stored_frame(archive, record, number).data) for number in numbers)
        pixel_data = transcode.encapsulated(frames)
        first = next(pixel_data)
        yield encode(dataset, transfer_syntax_uid)
        yield first
        yield from pixel_data
        return
    stored = record.instance.transfer_syntax_uid
    if stored in NATIVE and not record.instance.flags & FIX_UPS:
        native = (memoryview(stored_frame(archive, record, number).data) for number in numbers)
    else:
        first_frame, attributes = described_frame(archive, record, numbers[0], EXPLICIT_LE)
        dataset = dataset | _pixel_attributes(attributes)
        native = _all(first_frame, (described_frame(archive, record, n, EXPLICIT_LE)[0] for n in numbers[1:]))
    yield encode(dataset, transfer_syntax_uid)
    yield from _native(native, header, len(numbers), is_implicit=transfer_syntax_uid == IMPLICIT_LE)


def _written_video(dataset: JsonDataset, stream: memoryview, transfer_syntax_uid: str) -> Iterator[bytes]:
    yield encode(dataset, transfer_syntax_uid)
    yield from transcode.encapsulated(iter([stream]))


def _pixel_attributes(attributes: Mapping[str, Any]) -> JsonDataset:
    """Say what decoding changed."""
    changed = {"00280004": element("CS", attributes["photometric_interpretation"])}
    if attributes["samples_per_pixel"] > 1:
        changed["00280006"] = element("US", attributes["planar_configuration"])
    return changed


def _native(frames: Iterator[memoryview], header: Header, count: int, *, is_implicit: bool) -> Iterator[bytes]:
    form = read_format(header)
    pixel_tag = header.pixel_data.tag if header.pixel_data is not None else PIXEL_DATA
    first = next(frames)
    length = len(first) * count
    if form.bits_allocated == 1:
        length = (form.samples * count + 7) // 8
    if length > _NATIVE_LENGTH_MAX:
        raise FramesRefused(Reason.NOT_EXTRACTABLE, f"{length} bytes do not fit into a native transfer syntax")
    vr = {"float": "OF", "double": "OD"}.get(form.kind, "OB" if form.bits_allocated <= 8 else "OW")
    if is_implicit and vr == "OB":
        vr = "OW"
    yield element_head(pixel_tag, vr, length + length % 2, is_implicit=is_implicit)
    everything = _all(first, frames)
    if form.bits_allocated == 1:
        everything = transcode.joined_bits(everything, form.samples)
    for frame in everything:
        yield bytes(frame)
    if length % 2:
        yield b"\0"


def _all(first: memoryview, rest: Iterator[memoryview]) -> Iterator[memoryview]:
    yield first
    yield from rest
