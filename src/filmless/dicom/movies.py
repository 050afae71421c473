"""What an MP4 file says of its video: size, frames, pace, profile (ISO/IEC 14496-12, 14496-15; PS3.5 8.2.7, 8.2.8).

H.264 and H.265 as cameras and phones write them, also in fragments as browsers do. Nothing is decoded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from filmless.dicom.codestreams import ReadAt, boxes
from filmless.dicom.syntaxes import HEVC_M10P51, HEVC_MP51, MPEG4_HP41, MPEG4_HP42_2D
from filmless.errors import Refused

_TABLES_MAX_BYTES: Final = 64 << 20
_BRANDS: Final = frozenset({b"qt  "})
_AVC: Final = frozenset({b"avc1", b"avc3"})
_HEVC: Final = frozenset({b"hvc1", b"hev1"})
_H264_PROFILES: Final = {66: "Baseline", 77: "Main", 100: "High"}


@dataclass(slots=True)
class Movie:
    """One video. `frame_time_ms` is the mean time of a frame."""

    transfer_syntax_uid: str
    rows: int
    columns: int
    number_of_frames: int
    frame_time_ms: float
    bits: int
    compression_method: str
    has_sound: bool
    remarks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Track:
    number: int = 0
    kind: bytes = b""
    is_turned: bool = False
    timescale: int = 0
    entry: bytes = b""
    content: bytes = b""
    samples: int = 0
    duration: int = 0
    default_duration: int = 0


def read_movie(read_at: ReadAt, length: int) -> Movie:
    """Read the tables of an MP4 file.

    Raises
    ------
    Refused: it is no MP4, has not exactly one video of H.264 or H.265, or one beyond what DICOM has a syntax for.
    """
    head = read_at(0, 12)
    if head[4:8] != b"ftyp":
        raise Refused("the video is no MP4 file")
    if head[8:12] in _BRANDS:
        raise Refused("the video is a QuickTime file; DICOM takes MP4: have the camera or phone save as MP4")
    tracks: list[_Track] = []
    for kind, offset, size in boxes(read_at, 0, length):
        if kind == b"moov":
            if size > _TABLES_MAX_BYTES:
                raise Refused(f"the tables of the video are longer than {_TABLES_MAX_BYTES} bytes")
            tracks = _read_tracks(read_at(offset, size))
        elif kind == b"moof":
            if size > _TABLES_MAX_BYTES:
                raise Refused(f"a fragment of the video has tables longer than {_TABLES_MAX_BYTES} bytes")
            _count_fragment(read_at(offset, size), tracks)
    videos = [track for track in tracks if track.kind == b"vide"]
    if len(videos) != 1:
        raise Refused(f"the file has {len(videos)} videos; DICOM encapsulates one")
    return _described(videos[0], has_sound=any(track.kind == b"soun" for track in tracks))


def _described(video: _Track, *, has_sound: bool) -> Movie:
    if not video.samples:
        raise Refused("the video has no frames")
    columns, rows = _number(">H", video.content, 24), _number(">H", video.content, 26)
    time_ms = video.duration / video.timescale / video.samples * 1000 if video.timescale else 0.0
    if video.entry in _AVC:
        syntax, bits, remarks = _avc(_inner(video.content, b"avcC"))
        method = "ISO_14496_10"
    elif video.entry in _HEVC:
        syntax, bits, remarks = _hevc(_inner(video.content, b"hvcC"))
        method = "ISO_23008_2"
    else:
        raise Refused(f"the video is coded as {video.entry.decode('latin-1')!r}; H.264 and H.265 are taken")
    if video.is_turned:
        remarks.append("the video is to be turned when it is shown, which DICOM viewers do not know")
    return Movie(syntax, rows, columns, video.samples, time_ms, bits, method, has_sound, remarks)


def _avc(configuration: bytes) -> tuple[str, int, list[str]]:
    """Choose among PS3.5 10.5 to 10.8 by profile and level."""
    if len(configuration) < 4:
        raise Refused("the H.264 video has no configuration")
    _, profile, _, level = configuration[:4]
    if profile not in _H264_PROFILES:
        raise Refused(f"the H.264 video has profile {profile}; DICOM takes High Profile at most")
    if level > 42:
        raise Refused(f"the H.264 video has level {level / 10:g}; DICOM takes 4.2 at most")
    remarks = []
    if profile != 100:
        remarks.append(f"the H.264 video is of the {_H264_PROFILES[profile]} profile, which High Profile decoders play")
    return MPEG4_HP41 if level <= 41 else MPEG4_HP42_2D, 8, remarks


def _hevc(configuration: bytes) -> tuple[str, int, list[str]]:
    if len(configuration) < 13:
        raise Refused("the H.265 video has no configuration")
    profile, level = configuration[1] & 0x1F, configuration[12]
    if profile not in (1, 2):
        raise Refused(f"the H.265 video has profile {profile}; DICOM takes Main and Main 10")
    if level > 153:
        raise Refused(f"the H.265 video has level {level / 30:g}; DICOM takes 5.1 at most")
    return (HEVC_MP51, 8, []) if profile == 1 else (HEVC_M10P51, 10, [])


def with_tables_first(movie: bytes) -> bytes:
    """Move the tables of an MP4 file before its data, so that it plays while it comes (14496-12 6.2.3, 8.7.5)."""
    found = [(kind, offset, size) for kind, offset, size in boxes(_at(movie), 0, len(movie))]
    kinds = [kind for kind, _, _ in found]
    if b"moov" not in kinds or b"mdat" not in kinds or kinds.index(b"moov") < kinds.index(b"mdat"):
        return movie
    starts = [0, *(offset + size for _, offset, size in found)]
    at = kinds.index(b"moov")
    tables = bytearray(movie[starts[at] : starts[at + 1]])
    into = starts[kinds.index(b"mdat")]
    _shift_offsets(tables, found[at][1] - starts[at], len(tables), len(tables))
    return b"".join((movie[:into], tables, movie[into : starts[at]], movie[starts[at + 1] :]))


def _shift_offsets(tables: bytearray, start: int, end: int, by: int) -> None:
    """Add to the place of each chunk."""
    for kind, offset, size in boxes(lambda place, length: bytes(tables[place : place + length]), start, end):
        if kind in {b"trak", b"mdia", b"minf", b"stbl"}:
            _shift_offsets(tables, offset, offset + size, by)
        elif kind in {b"stco", b"co64"}:
            form = f">{_number('>L', bytes(tables[offset : offset + size]), 4)}{'L' if kind == b'stco' else 'Q'}"
            moved = (place + by for place in struct.unpack_from(form, tables, offset + 8))
            struct.pack_into(form, tables, offset + 8, *moved)


# The boxes ------------------------------------------------------------------------------------------------------------


def _at(data: bytes) -> ReadAt:
    return lambda offset, length: data[offset : offset + length]


def _children(data: bytes) -> list[tuple[bytes, bytes]]:
    return [(kind, data[offset : offset + size]) for kind, offset, size in boxes(_at(data), 0, len(data))]


def _inner(entry: bytes, wanted: bytes) -> bytes:
    """Find a box within a sample entry of video (14496-12 12.1.3), or nothing."""
    return next((content for kind, content in _children(entry[78:]) if kind == wanted), b"")


def _number(form: str, data: bytes, offset: int) -> int:
    try:
        number: int = struct.unpack_from(form, data, offset)[0]
    except struct.error as error:
        raise Refused("a table of the video is cut off") from error
    return number


def _read_tracks(movie: bytes) -> list[_Track]:
    tracks = []
    for kind, content in _children(movie):
        if kind == b"trak":
            track = _Track()
            _read_track(content, track)
            tracks.append(track)
    for kind, content in _children(movie):
        if kind != b"mvex":
            continue
        for inner, defaults in _children(content):
            for track in tracks:
                if inner == b"trex" and _number(">L", defaults, 4) == track.number:
                    track.default_duration = _number(">L", defaults, 12)
    return tracks


def _read_track(content: bytes, track: _Track) -> None:
    for kind, data in _children(content):
        if kind == b"tkhd":
            is_long = data[:1] == b"\1"
            track.number = _number(">L", data, 20 if is_long else 12)
            matrix = data[52:88] if is_long else data[40:76]
            track.is_turned = len(matrix) == 36 and struct.unpack(">9l", matrix)[1] != 0
        elif kind == b"mdia":
            _read_media(data, track)


def _read_media(content: bytes, track: _Track) -> None:
    for kind, data in _children(content):
        if kind == b"hdlr":
            track.kind = data[8:12]
        elif kind == b"mdhd":
            track.timescale = _number(">L", data, 20 if data[:1] == b"\1" else 12)
        elif kind == b"minf":
            tables = next((inner for name, inner in _children(data) if name == b"stbl"), b"")
            for name, table in _children(tables):
                if name == b"stsd":
                    entries = _children(table[8:])
                    if entries:
                        track.entry, track.content = entries[0]
                        track.content = track.content.ljust(78, b"\0")
                elif name == b"stsz":
                    track.samples += _number(">L", table, 8)
                elif name == b"stts":
                    count = min(_number(">L", table, 4), (len(table) - 8) // 8)
                    pairs = struct.unpack_from(f">{2 * count}L", table, 8)
                    track.duration += sum(a * b for a, b in zip(pairs[::2], pairs[1::2], strict=True))


def _count_fragment(content: bytes, tracks: list[_Track]) -> None:
    """Count the frames of a fragment (14496-12 8.8)."""
    for kind, data in _children(content):
        if kind != b"traf":
            continue
        track: _Track | None = None
        default = 0
        for name, table in _children(data):
            if name == b"tfhd":
                track = next((each for each in tracks if each.number == _number(">L", table, 4)), None)
                default = _fragment_duration(table) or (track.default_duration if track else 0)
            elif name == b"trun" and track is not None:
                _count_run(table, track, default)


def _fragment_duration(table: bytes) -> int:
    flags = _number(">L", table, 0) & 0xFFFFFF
    offset = 8 + 8 * bool(flags & 0x1) + 4 * bool(flags & 0x2)
    return _number(">L", table, offset) if flags & 0x8 else 0


def _count_run(table: bytes, track: _Track, default: int) -> None:
    flags, count = _number(">L", table, 0) & 0xFFFFFF, _number(">L", table, 4)
    track.samples += count
    if not flags & 0x100:
        track.duration += count * default
        return
    start = 8 + 4 * bool(flags & 0x1) + 4 * bool(flags & 0x4)
    width = sum(4 for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag)
    for i in range(min(count, (len(table) - start) // width)):
        track.duration += _number(">L", table, start + i * width)
