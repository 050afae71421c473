"""What an object says of which images: lists of images with their frames, items that hold for some of them.

Comes in: scanned headers of objects that refer to images, such as presentation states. Not here: what they say of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from filmless.dicom.dictionary import format_tag
from filmless.dicom.scanner import Header
from filmless.errors import NotAcceptable

Ranges = tuple[tuple[int, int], ...]


def images_in(item: Header) -> Iterator[tuple[str, tuple[int, ...]]]:
    """List the images of a Referenced Series Sequence, with their frames; none named means all (PS3.3 C.11.11)."""
    for series in item.items(0x00081115):
        for reference in series.items(0x00081140):
            uid = reference.text(0x00081155)
            if uid:
                yield uid, tuple(int(number) for number in reference.numbers(0x00081160))


def holding(header: Header, tag: int, sop_instance_uid: str, frame_number: int) -> Iterator[Header]:
    """List the items of a sequence that are about a frame (from 1) of an image."""
    return (item for item in header.items(tag) if _holds(item, sop_instance_uid, frame_number))


def _holds(item: Header, sop_instance_uid: str, frame_number: int) -> bool:
    """Whether an item is about an image: it names none, or this one, and no frames, or this one (C.10.4, C.10.5)."""
    named = item.items(0x00081140)
    if not named:
        return True
    for reference in named:
        if reference.text(0x00081155) == sop_instance_uid:
            frames = reference.numbers(0x00081160)
            if not frames or frame_number in frames:
                return True
    return False


def read_ranges(item: Header, tag: int, name: str) -> Ranges:
    """Read pairs of a first and a last frame, both of them within.

    Raises
    ------
    NotAcceptable: they are no such pairs.
    """
    numbers = [int(number) for number in item.numbers(tag)]
    pairs = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    if len(numbers) % 2 or any(not 1 <= first <= last for first, last in pairs):
        written = "\\".join(map(str, numbers[:8]))
        raise NotAcceptable(f"{name} {format_tag(tag)} is {written}: it is pairs of a first frame and a last one")
    return pairs


def is_within(ranges: Ranges, frame_number: int) -> bool:
    """Whether a frame lies in one of the ranges."""
    return any(first <= frame_number <= last for first, last in ranges)
