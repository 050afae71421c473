"""Finds where each frame of pixel data lies, so that it can be sent as it is stored (PS3.5 8.1.1 and A.4).

Native frames follow each other without gaps, for one bit a pixel without even byte boundaries. Encapsulated frames
are one or more fragments; a basic or extended offset table says which, or nothing does and the fragments are looked at.
"""

from __future__ import annotations

import itertools
import struct
from array import array
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from filmless.dicom.scanner import PIXEL_DATA, Element, Header
from filmless.dicom.syntaxes import get_syntax
from filmless.errors import NotFound, Refused

_NATIVE: Final = 1
_ENCAPSULATED: Final = 2
_HEAD = struct.Struct("<BBQQLL")
_ITEM_HEAD_BYTES: Final = 8

NUMBER_OF_FRAMES: Final = 0x00280008
_EXTENDED_OFFSET_TABLE: Final = 0x7FE00001
_EXTENDED_OFFSET_TABLE_LENGTHS: Final = 0x7FE00002


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Where the frames of one instance lie.

    Attributes
    ----------
    count : number of frames that can be found
    offset : of the pixel data: native, the first byte; encapsulated, the first item after the offset table
    frame_bits : length of one native frame in bits; 0 for encapsulated
    fragment_lengths : of each fragment in order (encapsulated); they follow each other, 8 bytes apart
    first_fragments : index of each frame's first fragment, and the number of fragments at the end
    flaws : in words, what is wrong with the pixel data; not packed
    """

    count: int
    offset: int
    frame_bits: int = 0
    fragment_lengths: array[int] = field(default_factory=lambda: array("L"))
    first_fragments: array[int] = field(default_factory=lambda: array("L"))
    flaws: tuple[str, ...] = ()
    _starts: array[int] = field(default_factory=lambda: array("Q"))

    @property
    def is_encapsulated(self) -> bool:
        return self.frame_bits == 0

    def _check(self, frame_number: int) -> int:
        if not 1 <= frame_number <= self.count:
            raise NotFound(f"there is no frame {frame_number}: the instance has {self.count}")
        return frame_number - 1

    def ranges(self, frame_number: int) -> list[tuple[int, int]]:
        """Offset and length of each piece of a frame, item headers excluded.

        A native frame of one bit a pixel may begin and end within a byte: see `bit_offset`.

        Raises
        ------
        NotFound: there is no such frame.
        """
        index = self._check(frame_number)
        if self.frame_bits:
            begin, end = index * self.frame_bits, (index + 1) * self.frame_bits
            return [(self.offset + begin // 8, (end + 7) // 8 - begin // 8)]
        first, last = self.first_fragments[index], self.first_fragments[index + 1]
        return [(self._starts[i], self.fragment_lengths[i]) for i in range(first, last)]

    def length(self, frame_number: int) -> int:
        return sum(length for _, length in self.ranges(frame_number))

    def bit_offset(self, frame_number: int) -> int:
        """Bits of the first byte that belong to the frame before: 0 unless a pixel has one bit."""
        index = self._check(frame_number)
        return index * self.frame_bits % 8

    def pack(self) -> bytes:
        """As few bytes as will do: 26 for native, 4 more for each fragment."""
        if self.frame_bits:
            return _HEAD.pack(1, _NATIVE, self.offset, self.frame_bits, self.count, 0)
        is_plain = len(self.first_fragments) == len(self.fragment_lengths) + 1
        head = _HEAD.pack(1, _ENCAPSULATED, self.offset, int(is_plain), self.count, len(self.fragment_lengths))
        body = _little_endian(self.fragment_lengths)
        return head + body if is_plain else head + body + _little_endian(self.first_fragments)

    @classmethod
    def unpack(cls, data: bytes) -> FrameTable:
        """Read what `pack` wrote.

        Raises
        ------
        Refused: it did not write this.
        """
        try:
            version, kind, offset, extra, count, fragments = _HEAD.unpack_from(data)
        except struct.error as error:
            raise Refused("the frame table is cut off") from error
        if version != 1 or kind not in (_NATIVE, _ENCAPSULATED):
            raise Refused(f"the frame table has the unknown form {version}.{kind}")
        if kind == _NATIVE:
            return cls(count, offset, frame_bits=extra)
        words = fragments if extra else fragments + count + 1
        if len(data) != _HEAD.size + 4 * words or (extra and count != fragments):
            raise Refused("the frame table is cut off")
        values = _u32(data[_HEAD.size :])
        firsts = array("L", range(fragments + 1)) if extra else values[fragments:]
        if not extra and (firsts[0] < 0 or firsts[-1] > fragments or any(a > b for a, b in itertools.pairwise(firsts))):
            raise Refused("the frame table contradicts itself")
        return _encapsulated(offset, values[:fragments], firsts)


def _u32(data: bytes) -> array[int]:
    """Little endian 32 bit integers as an array that holds at least 32 bits each."""
    return array("L", struct.unpack(f"<{len(data) // 4}L", data))


def _little_endian(values: array[int]) -> bytes:
    return struct.pack(f"<{len(values)}L", *values)


def _encapsulated(offset: int, lengths: array[int], firsts: array[int], flaws: tuple[str, ...] = ()) -> FrameTable:
    starts = array("Q")
    position = offset
    for length in lengths:
        starts.append(position + _ITEM_HEAD_BYTES)
        position += _ITEM_HEAD_BYTES + length
    return FrameTable(
        len(firsts) - 1, offset, fragment_lengths=lengths, first_fragments=firsts, flaws=flaws, _starts=starts
    )


def shift_bits(data: bytes, bit_offset: int, bit_count: int) -> bytes:
    """Bring a frame of one bit a pixel to a byte boundary, first pixel in the lowest bit (PS3.5 8.1.1)."""
    number = int.from_bytes(data, "little") >> bit_offset
    number &= (1 << bit_count) - 1
    return number.to_bytes((bit_count + 7) // 8, "little")


def native_frame_bytes(rows: int | None, columns: int | None, frames: int, pixel_bytes: int | None) -> int | None:
    """Length of one native frame as it follows from little; None when that little does not tell.

    The pixel data hold the frames without gaps, and a last byte of padding at most. A frame of one bit a pixel may
    begin inside a byte, and what is shorter or longer than it should be must be looked at closely.
    """
    pixels = (rows or 0) * (columns or 0) * frames
    if pixels < 2 or pixel_bytes is None:
        return None
    per_pixel, rest = divmod(pixel_bytes, pixels)
    return None if per_pixel == 0 or rest > 1 else pixels // frames * per_pixel


def frame_count(header: Header) -> int:
    """Number of Frames, 1 when it says nothing sensible (PS3.3 C.7.6.6).

    Raises
    ------
    Refused: there are more than the limit.
    """
    declared = header.integer(NUMBER_OF_FRAMES)
    if declared is not None and declared > header.limits.frames_max:
        raise Refused(f"the instance has {declared} frames, {header.limits.frames_max} are allowed")
    return declared if declared is not None and declared > 0 else 1


def native_frame_bits(header: Header, *, pixel_bytes: int | None = None) -> int:
    """Length in bits of one native frame, from Rows, Columns, samples and bits; 0 when they do not say.

    YBR_FULL_422 has two samples a pixel, not three (PS3.3 C.7.6.3.1.2). Some devices declare it over data that are not
    subsampled; when `pixel_bytes` fits that, the data are believed.
    """
    rows, columns = header.integer(0x00280010), header.integer(0x00280011)
    bits = header.integer(0x00280100)
    samples = header.integer(0x00280002) or 1
    if not rows or not columns or not bits or min(rows, columns, bits, samples) < 0:
        return 0
    full = rows * columns * samples * bits
    if samples == 3 and (header.text(0x00280004) or "").startswith(("YBR_FULL_422", "YBR_PARTIAL_422")):
        if pixel_bytes is not None:
            declared = frame_count(header)
            if pixel_bytes * 8 >= declared * full:
                return full
        return full // 3 * 2
    return full


def locate_frames(header: Header, *, read_at: Callable[[int, int], bytes] | None = None) -> FrameTable:
    """Find the frames of an instance.

    Parameters
    ----------
    read_at : gives bytes by offset and length, for a header that was scanned from the beginning of a file only

    Raises
    ------
    Refused: there are more frames than the limit. What else is wrong is told in `flaws` of the table, which then holds
        the frames that can be found.
    """
    element = header.pixel_data
    if element is None or element.length == 0:
        return FrameTable(0, element.offset if element else 0, frame_bits=8)
    if element.tag == PIXEL_DATA and _is_encapsulated(header, element):
        return _locate_encapsulated(header, element, read_at)
    return _locate_native(header, element)


def _is_encapsulated(header: Header, element: Element) -> bool:
    """Whether there are fragments: the length is undefined, or some writer computed it all the same."""
    if header.is_undefined_length(element):
        return True
    begin = bytes(header.buffer[element.offset : element.offset + 4])
    return get_syntax(header.transfer_syntax_uid).is_encapsulated and begin == b"\xfe\xff\x00\xe0"


def _locate_native(header: Header, element: Element) -> FrameTable:
    count = frame_count(header)
    bits = native_frame_bits(header, pixel_bytes=element.length)
    if not bits:
        return FrameTable(1, element.offset, element.length * 8, flaws=("Rows, Columns or Bits Allocated is missing",))
    there = element.length * 8 // bits
    if there < count:
        flaw = f"the pixel data hold {there} whole frames, {count} are declared"
        return FrameTable(there, element.offset, bits, flaws=(flaw,))
    return FrameTable(count, element.offset, bits)


def _locate_encapsulated(header: Header, element: Element, read_at: Callable[[int, int], bytes] | None) -> FrameTable:
    read = _reader(header, read_at)
    found = header.fragments(element)
    if read_at is not None or found is None:
        found = _walk(element, read, header.limits.frames_max * 4)
    offsets, lengths = found
    if not offsets:
        return FrameTable(0, element.offset, fragment_lengths=array("L"), first_fragments=array("L", [0]))
    table = read(offsets[0], min(lengths[0], header.limits.frames_max * 4))
    fragments = array("L", lengths[1:])
    count = frame_count(header)
    offset = offsets[0] + lengths[0]
    flaws: list[str] = []
    if get_syntax(header.transfer_syntax_uid).is_video:
        # A video is one stream; its frames cannot be cut out (PS3.5 8.2.5 to 8.2.7).
        return _encapsulated(offset, fragments, array("L", [0, len(fragments)]))
    firsts = _by_extended_table(header, fragments, count, flaws)
    if firsts is None and table:
        firsts = _by_basic_table(table, fragments, count, flaws, "<" if header.is_little_endian else ">")
    if firsts is None:
        firsts = _by_looking(header.transfer_syntax_uid, fragments, offset, count, read, flaws)
    return _encapsulated(offset, fragments, firsts, tuple(flaws))


def _reader(header: Header, read_at: Callable[[int, int], bytes] | None) -> Callable[[int, int], bytes]:
    if read_at is not None:
        return read_at
    buffer = header.buffer
    return lambda offset, length: bytes(buffer[offset : offset + length])


def _walk(element: Element, read: Callable[[int, int], bytes], limit: int) -> tuple[array[int], array[int]]:
    """Step from fragment to fragment by their heads."""
    offsets, lengths = array("Q"), array("Q")
    position, end = element.offset, element.offset + element.length
    while position + _ITEM_HEAD_BYTES <= end:
        head = read(position, _ITEM_HEAD_BYTES)
        if len(head) < _ITEM_HEAD_BYTES:
            break
        group, number, length = struct.unpack("<HHL", head)
        if group != 0xFFFE or number != 0xE000:
            break
        if len(offsets) > limit:
            raise Refused(f"the pixel data have more than {limit} fragments")
        position += _ITEM_HEAD_BYTES
        offsets.append(position)
        lengths.append(min(length, max(0, end - position)))
        position += length
    return offsets, lengths


def _positions(fragments: array[int]) -> list[int]:
    """Where each fragment's item begins, counted as offset tables do: from the first item after the table."""
    return [0, *itertools.accumulate(length + _ITEM_HEAD_BYTES for length in fragments)][:-1]


def _firsts(starts: list[int], fragments: array[int]) -> array[int] | None:
    """The index of the fragment that begins at each offset; None if an offset is not where a fragment begins."""
    positions = _positions(fragments)
    firsts = array("L")
    for start in starts:
        index = bisect_left(positions, start)
        if index == len(positions) or positions[index] != start:
            return None
        firsts.append(index)
    if any(a >= b for a, b in itertools.pairwise(firsts)) or (firsts and firsts[0] != 0):
        return None
    firsts.append(len(fragments))
    return firsts


def _by_extended_table(header: Header, fragments: array[int], count: int, flaws: list[str]) -> array[int] | None:
    """Use (7FE0,0001), which counts as the basic table does, in 64 bits (PS3.3 C.7.6.3.1.8)."""
    element = header.element(_EXTENDED_OFFSET_TABLE)
    if element is None or element.length < 8 * count:
        return None
    data = header.value(Element(element.tag, element.vr, element.offset, 8 * count))
    order = "<" if header.is_little_endian else ">"
    firsts = _firsts(list(struct.unpack(f"{order}{count}Q", data)), fragments)
    if firsts is None:
        flaws.append("the extended offset table does not fit the fragments")
    return firsts


def _by_basic_table(table: bytes, fragments: array[int], count: int, flaws: list[str], order: str) -> array[int] | None:
    if len(table) % 4:
        flaws.append("the basic offset table is cut off")
        return None
    starts = list(struct.unpack(f"{order}{len(table) // 4}L", table))
    if len(starts) != count:
        flaws.append(f"the basic offset table has {len(starts)} entries for {count} frames")
        return None
    # Tables that passed 4 GiB have wrapped around.
    for i in range(1, len(starts)):
        while starts[i] < starts[i - 1] and starts[i - 1] - starts[i] >= 1 << 31:
            starts[i] += 1 << 32
    firsts = _firsts(starts, fragments)
    if firsts is None:
        flaws.append("the basic offset table does not fit the fragments")
    return firsts


# How compressed frames begin and end, to tell which fragments belong together.
_JPEG_FAMILY = ("image/jpeg", "image/jls")
_J2K_FAMILY = ("image/jp2", "image/jpx", "image/jphc")


def _by_looking(
    transfer_syntax_uid: str,
    fragments: array[int],
    offset: int,
    count: int,
    read: Callable[[int, int], bytes],
    flaws: list[str],
) -> array[int]:
    """Group fragments into frames when no offset table helps."""
    number = len(fragments)
    if number == count:
        return array("L", range(number + 1))
    if count == 1:
        return array("L", [0, number])
    media_type = get_syntax(transfer_syntax_uid).media_type
    starts = [position + offset + _ITEM_HEAD_BYTES for position in _positions(fragments)]
    if media_type in _JPEG_FAMILY or media_type in _J2K_FAMILY:
        begins = b"\xff\xd8" if media_type in _JPEG_FAMILY else b"\xff\x4f"
        firsts = [i for i in range(number) if fragments[i] >= 2 and read(starts[i], 2) == begins]
        if len(firsts) == count and firsts[0] == 0:
            return array("L", [*firsts, number])
        closed = _by_end_markers(fragments, starts, read)
        if len(closed) == count:
            return array("L", [0, *closed])
    if number > count and number % count == 0:
        flaws.append(f"no offset table: {number} fragments are dealt evenly to {count} frames")
        return array("L", range(0, number + 1, number // count))
    flaws.append(f"no offset table, and {number} fragments do not tell {count} frames apart")
    if number < count:
        return array("L", range(number + 1))
    return array("L", [*range(count), number])


def _by_end_markers(fragments: array[int], starts: list[int], read: Callable[[int, int], bytes]) -> list[int]:
    """Index after each fragment that ends with EOI or EOC (FFD9), padding aside."""
    closed = []
    for i, length in enumerate(fragments):
        tail = read(starts[i] + max(0, length - 4), min(4, length)).rstrip(b"\0")
        if tail.endswith(b"\xff\xd9"):
            closed.append(i + 1)
    return closed
