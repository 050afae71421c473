"""The child process that decodes pixel data: reads a task from a socket, answers, and may die of what it reads.

Its limits are set before the first byte comes: memory, processor time per task, no core file, no file written. It
holds no secret and no database. Messages both ways are a JSON object and byte strings, never pickles: a codec that was
taken over must not gain anything by its answer. The parent's side is `decoding.py`.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from filmless.dicom.compressing import encode_frame, same_samples
from filmless.dicom.pixels import Frame, PixelFormat, decode_frame, read_format, read_overlay_bits
from filmless.dicom.scanner import Header, scan
from filmless.dicom.syntaxes import EXPLICIT_LE, IMPLICIT_LE, JPEG_BASELINE
from filmless.errors import FilmlessError, Refused

if TYPE_CHECKING:
    from filmless.dicom.blending import Layer
    from filmless.retrieve.cutting import Cut
    from filmless.retrieve.filming import Film, Pictures

_HEAD: Final = struct.Struct("<II")
_HEADERS_KEPT: Final = 8
_LITTLE_ENDIAN: Final = frozenset({EXPLICIT_LE, IMPLICIT_LE})


def send_message(connection: socket.socket, info: dict[str, Any], parts: Sequence[bytes | memoryview]) -> None:
    """Send one message: lengths, a JSON object, byte strings."""
    import orjson

    encoded = orjson.dumps({**info, "parts": [len(part) for part in parts]})
    connection.sendall(_HEAD.pack(len(encoded), sum(len(part) for part in parts)) + encoded)
    for part in parts:
        connection.sendall(part)


def receive_message(connection: socket.socket, *, length_max: int) -> tuple[dict[str, Any], list[memoryview]]:
    """Receive one message.

    Raises
    ------
    EOFError: the other side is gone. ValueError: the message is longer than `length_max` or makes no sense.
    """
    import orjson

    encoded_length, parts_length = _HEAD.unpack(_receive(connection, _HEAD.size))
    if encoded_length + parts_length > length_max:
        raise ValueError(f"a message of {encoded_length + parts_length} bytes, over {length_max}")
    info = orjson.loads(_receive(connection, encoded_length))
    if not isinstance(info, dict) or sum(info["parts"]) != parts_length:
        raise ValueError("a message whose parts do not add up")
    view = memoryview(_receive(connection, parts_length))
    parts, position = [], 0
    for length in info.pop("parts"):
        parts.append(view[position : position + length])
        position += length
    return info, parts


def _receive(connection: socket.socket, length: int) -> bytearray:
    buffer = bytearray(length)
    view, done = memoryview(buffer), 0
    while done < length:
        count = connection.recv_into(view[done:])
        if count == 0:
            raise EOFError
        done += count
    return buffer


class Tasks:
    """What the child can do, each by the name that the parent asks for."""

    def __init__(self, samples_max: int) -> None:
        self._samples_max = samples_max
        self._headers: OrderedDict[str, Header] = OrderedDict()
        self._film: Film | None = None
        self._pictures: Pictures | None = None
        self._cut: Cut | None = None

    def run(self, task: dict[str, Any], parts: list[memoryview]) -> tuple[dict[str, Any], bytes]:
        """Do one task: `parts` are the header and the frame."""
        name = task["task"]
        if name == "sheet":
            return self._sheet(task)
        if name == "strip":
            return _strip(task, parts[0])
        if name == "typeset":
            from filmless.dicom.report_pdf import to_pdf

            return {}, to_pdf(json.loads(bytes(parts[0])))
        if name.startswith("film"):
            return self._filmed(task, parts)
        if name.startswith("cut"):
            return self._cut_out(task, parts)
        if name == "present":
            return self._present(self._header(task, parts[0]), parts[1:], task)
        work: Callable[[Header, memoryview, dict[str, Any]], tuple[dict[str, Any], bytes]]
        work = {"decode": self._decode, "encode": self._encode, "exact": self._exact, "render": self._render}[name]
        return work(self._header(task, parts[0]), parts[1], task)

    def _header(self, task: dict[str, Any], data: memoryview) -> Header:
        """Read the header, or find the one of the same instance read before."""
        key = task["key"]
        header = self._headers.pop(key, None)
        if header is None:
            header = scan(bytes(data), transfer_syntax_uid=task["bare_syntax"], total_length=task["total_length"])
        self._headers[key] = header
        while len(self._headers) > _HEADERS_KEPT:
            self._headers.popitem(last=False)
        return header

    def _frame(self, header: Header, data: memoryview, task: dict[str, Any]) -> Frame:
        return decode_frame(
            data,
            read_format(header),
            skip_bits=task["skip_bits"],
            as_rgb=task["as_rgb"],
            is_lenient=task["is_lenient"],
            samples_max=self._samples_max,
        )

    def _decode(self, header: Header, data: memoryview, task: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        frame = self._frame(header, data, task)
        return _describe(frame.format), frame.to_bytes()

    def _encode(self, header: Header, data: memoryview, task: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        encoded, form = encode_frame(self._frame(header, data, task), task["transfer_syntax_uid"])
        return _describe(form), encoded

    def _exact(self, header: Header, data: memoryview, task: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Encode a frame, decode that again, and give it only if nothing of what is stored was lost."""
        form = read_format(header)
        frame = self._frame(header, data, task)
        if form.transfer_syntax_uid in _LITTLE_ENDIAN and frame.to_bytes() != data:
            raise Refused("the unused bits of its samples hold something")
        encoded, encoded_form = encode_frame(frame, task["transfer_syntax_uid"])
        again = decode_frame(encoded, encoded_form, as_rgb=False, samples_max=self._samples_max)
        if not same_samples(again, frame):
            raise Refused("what was encoded does not decode to the same samples")
        return _describe(encoded_form), encoded

    def _render(self, header: Header, data: memoryview, task: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        from filmless.dicom.rendering import Viewport, to_viewport
        from filmless.dicom.windowing import Window, read_display, to_display

        frame = self._frame(header, data, task)
        window = Window(**task["window"]) if task["window"] else None
        shown = to_display(frame.pixels, read_display(header, task["frame_number"]), window)
        if task["viewport"]:
            viewport = Viewport(**task["viewport"])
            shown = to_viewport(shown, viewport, aspect=pixel_aspect(header), may_grow=task["may_grow"])
        return _picture(shown, task, header, data)

    def _present(self, header: Header, parts: list[memoryview], task: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Show a frame as a presentation state says.

        The parts are the frame, the state, a header by itself, and a header and a frame of each of `others`.
        """
        from filmless.dicom.faces import faces_in
        from filmless.dicom.presentation_state import read_presentation_state
        from filmless.dicom.presenting import present

        data, state, rest = parts[0], parts[1], parts[2:]
        state_header = scan(bytes(state), transfer_syntax_uid=task["state_syntax"])
        read = read_presentation_state(
            state_header,
            header,
            task["sop_instance_uid"],
            task["frame_number"],
            number_of_frames=task["number_of_frames"],
            marks_max=task["marks_max"],
            overlay_bits=lambda position: read_overlay_bits(data, read_format(header), position),
        )
        pixels = self._frame(header, data, task).pixels
        others, layer = {task["frame_number"]: pixels}, None
        if task["layer"]:
            layer = self._layer(state_header, rest, task, pixels.shape[:2])
        else:
            for words, of_frame, frame in zip(task["others"], rest[::2], rest[1::2], strict=True):
                others[words["frame_number"]] = self._frame(self._header(words, of_frame), frame, words).pixels
        fit = (task["fit"][0], task["fit"][1]) if task["fit"] else None
        shown = present(pixels, read, others=others, layer=layer, fit=fit, faces=faces_in(task["faces"]))
        return _picture(shown, task, header, data)

    def _layer(
        self, state: Header, parts: list[memoryview], task: dict[str, Any], size: tuple[int, int]
    ) -> Layer | None:
        """Interpolate the frames that lie over another one at its pixels; None where there are none."""
        import numpy as np

        from filmless.dicom.blending import Layer, read_blend, resample, values_of

        where, how, values = task["layer"], None, []
        for uid, words, of_frame, frame in zip(where["uids"], task["others"], parts[::2], parts[1::2], strict=True):
            header = self._header(words, of_frame)
            how = how or read_blend(state, header, uid, words["frame_number"])
            values.append(values_of(self._frame(header, frame, words).pixels, header, how.display))
        if how is None:
            return None
        mapped = np.array(where["mapped"])
        found, is_there = resample(
            np.stack(values), where["depths"], mapped, size, (where["ends"][0], where["ends"][1])
        )
        return Layer(found, is_there, how)

    def _filmed(self, task: dict[str, Any], parts: list[memoryview]) -> tuple[dict[str, Any], bytes]:
        """Begin a video, add a picture or a piece of JPEG pictures to it, or end it: tasks of one lease."""
        import numpy as np

        from filmless.retrieve.filming import Film, Pictures

        if task["task"] == "film":
            self._film = Film(task["frame_time_ms"], task["bytes_max"])
            self._pictures = None
        elif self._film is None:
            raise Refused("no video was begun")
        elif task["task"] == "film_picture":
            self._film.add(np.frombuffer(parts[0], np.uint8).reshape(task["shape"]), task["duration_ms"])
        elif task["task"] == "film_jpegs":
            self._pictures = self._pictures or Pictures(task["side_max"])
            count = 0
            for picture in self._pictures.read(parts[0]):
                self._film.add(picture, task["duration_ms"])
                count += 1
            return {"count": count}, b""
        else:
            film, self._film = self._film, None
            return {}, film.end()
        return {}, b""

    def _cut_out(self, task: dict[str, Any], parts: list[memoryview]) -> tuple[dict[str, Any], bytes]:
        """Begin a video that is to be cut, add a piece to it, or cut it: three tasks of one lease."""
        from filmless.retrieve.cutting import Cut

        if task["task"] == "cut":
            self._cut = Cut(task["bytes_max"])
        elif self._cut is None:
            raise Refused("no video was begun")
        elif task["task"] == "cut_piece":
            self._cut.add(parts[0])
        else:
            cut, self._cut = self._cut, None
            first, last, made = cut.end(task["first"], task["last"], task["count"], is_exact=task["is_exact"])
            return {"first": first, "last": last}, made
        return {}, b""

    def _sheet(self, task: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        from filmless.dicom.rendering import draw_sheet, encode_picture, resize

        side = task["side"]
        sheet = resize(draw_sheet(task["label"]), side, side)
        return {}, encode_picture(sheet, task["media_type"], quality=task["quality"])


def _strip(task: dict[str, Any], samples: memoryview) -> tuple[dict[str, Any], bytes]:
    import numpy as np

    from filmless.dicom.rendering import encode_picture
    from filmless.dicom.waveform_picture import draw_strip

    drawn = draw_strip(np.frombuffer(samples, np.float32), task["per_mv"], task["duration_s"], task["side"])
    return {}, encode_picture(drawn, task["media_type"], quality=task["quality"])


def _picture(shown: Any, task: dict[str, Any], header: Header, data: memoryview) -> tuple[dict[str, Any], bytes]:
    """Write what is shown as a picture of the kind asked for, or as bare samples that the answer gives the shape of."""
    from filmless.dicom.rendering import RAW, encode_picture

    profile = None
    if task["space"]:
        shown, profile = _in_space(shown, task, header, data)
    if task["annotation"]:
        shown = _annotated(shown, task, header)
    if task["media_type"] == RAW:
        return {"shape": list(shown.shape)}, shown.tobytes()
    picture = encode_picture(shown, task["media_type"], quality=task["quality"])
    if profile is None:
        return {}, picture
    from filmless.dicom.colour import with_profile

    return {}, with_profile(picture, profile)


def _in_space(shown: Any, task: dict[str, Any], header: Header, data: memoryview) -> tuple[Any, bytes]:
    from filmless.dicom.colour import in_space, read_embedded_profile, read_profile

    profile = read_profile(header, task["frame_number"])
    if profile is None and header.transfer_syntax_uid == JPEG_BASELINE:
        profile = read_embedded_profile(data)
    return in_space(shown, profile, task["space"])


def _annotated(shown: Any, task: dict[str, Any], header: Header) -> Any:
    from filmless.dicom.annotating import annotate, han_of_patient, patient_lines, technique_lines
    from filmless.dicom.faces import faces_in

    words = task["annotation"]
    patient = patient_lines(header) if "patient" in words else []
    technique = technique_lines(header, task["frame_number"]) if "technique" in words else []
    return annotate(shown, patient, technique, faces_in(task["faces"]), han_of_patient(header))


def pixel_aspect(header: Header) -> float:
    """Give the height of a pixel divided by its width: Pixel Aspect Ratio, else a spacing (PS3.3 10.7, C.7.6.3.1.7)."""
    for tag in (0x00280034, 0x00280030, 0x00181164):
        values = header.numbers(tag)[:2]
        if len(values) == 2 and values[0] > 0 and values[1] > 0 and 0.05 < values[0] / values[1] < 20:
            return values[0] / values[1]
    return 1.0


def _describe(form: PixelFormat) -> dict[str, Any]:
    return {
        "photometric_interpretation": form.photometric_interpretation,
        "planar_configuration": form.planar_configuration,
        "samples_per_pixel": form.samples_per_pixel,
        "bits_allocated": form.bits_allocated,
    }


def _limit(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _limit_time(seconds: float) -> None:
    """Let the kernel end a task that hangs, also when the parent is no longer there to do it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 2, hard))


def main(descriptor: int, memory_bytes: int, timeout_s: float, samples_max: int, niceness: int) -> None:
    """Serve tasks until the parent closes the socket."""
    os.nice(niceness)
    _limit(memory_bytes)
    connection = socket.socket(fileno=descriptor)
    tasks = Tasks(samples_max)
    while True:
        try:
            task, parts = receive_message(connection, length_max=1 << 32)
        except EOFError:
            return
        _limit_time(timeout_s)
        try:
            info, data = tasks.run(task, parts)
        except FilmlessError as error:
            send_message(connection, {"refused": type(error).__name__, "message": str(error)}, [])
        except MemoryError:
            send_message(connection, {"refused": "Refused", "message": "decoding needs too much memory"}, [])
        except Exception as error:  # noqa: BLE001 - the outermost line of this process
            message = f"decoding failed: {type(error).__name__}: {str(error)[:200]}"
            send_message(connection, {"refused": "Refused", "message": message}, [])
        else:
            send_message(connection, info, [data])


def command(descriptor: int, memory_bytes: int, timeout_s: float, samples_max: int, niceness: int) -> list[str]:
    """Give the command that starts this process: isolated from the environment's Python paths."""
    import filmless

    root = os.path.dirname(os.path.dirname(os.path.abspath(filmless.__file__)))  # noqa: PTH100, PTH120
    program = (
        f"import sys; sys.path.insert(0, {root!r}); from filmless.retrieve.decoder import main; "
        f"main({descriptor}, {memory_bytes}, {timeout_s}, {samples_max}, {niceness})"
    )
    return [sys.executable, "-I", "-c", program]
