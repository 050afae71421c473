"""Words that are burned into a picture: whose it is and how it was made (PS3.18 8.3.5.1.1).

Comes in: a header, and 8-bit grey or RGB as it is shown. Goes out: the same with lines of text in two corners.
Not here: which letters are in which face (faces.py), texts of presentation states (presenting.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from filmless.dicom.faces import Faces, Han, draw_line, han_of
from filmless.dicom.plain import plain_date, plain_name, plain_time
from filmless.dicom.windowing import functional_group

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filmless.dicom.scanner import Header

_SIDE_OF_LINES: Final = 32
_SIZE_MIN, _SIZE_MAX = 10, 96
_LINE_HEIGHT: Final = 1.3
_TEXT_MAX: Final = 200

Line = str
Lines = list[Line]


def patient_lines(header: Header) -> Lines:
    """Say whose image it is: name, ID, birth date and sex, and the study."""
    name = header.text(0x00100010) or ""
    alphabetic, ideographic = (*name.split("="), "")[:2]
    names = [plain_name(each) for each in (alphabetic, ideographic) if each.strip("^ ")]
    return _lines(
        names or [plain_name(name.lstrip("="))],
        [header.text(0x00100020)],
        [plain_date(header.text(0x00100030) or ""), header.text(0x00100040)],
        [plain_date(header.text(0x00080020) or ""), plain_time((header.text(0x00080030) or "")[:6])],
        [header.text(0x00081030)],
    )


def han_of_patient(header: Header) -> Han:
    """Say of which country the Chinese letters of an image are: by its character sets, else by the patient's name."""
    return han_of(header.texts(0x00080005), header.text(0x00100010) or "")


def technique_lines(header: Header, frame_number: int) -> Lines:
    """Say how it was made: kind and part of the body, place in its series, exposure or sequence, slice."""
    measures = functional_group(header, 0x00289110, frame_number) or header  # Pixel Measures Sequence
    return _lines(
        [header.text(0x00080060), header.text(0x00180015), header.text(0x00200060)],
        [header.text(0x0008103E)],
        [_said("Se ", header.text(0x00200011)), _said("Im ", header.text(0x00200013)), _frame(header, frame_number)],
        [
            _number("", header, 0x00180060, " kV"),
            _number("", header, 0x00181151, " mA"),
            _number("", header, 0x00181152, " mAs"),
            _number("TR ", header, 0x00180080, " ms"),
            _number("TE ", header, 0x00180081, " ms"),
        ],
        [_number("", measures, 0x00180050, " mm"), _number("SL ", header, 0x00201041, " mm")],
    )


def _lines(*rows: Iterable[str | None]) -> Lines:
    joined = ("  ".join(" ".join(part.split()) for part in row if part and part.strip()) for row in rows)
    return [line[:_TEXT_MAX] for line in joined if line]


def _said(before: str, text: str | None) -> str | None:
    return f"{before}{text}" if text else None


def _frame(header: Header, frame_number: int) -> str | None:
    count = header.integer(0x00280008) or 1
    return f"Fr {frame_number}/{count}" if count > 1 else None


def _number(before: str, header: Header, tag: int, unit: str) -> str | None:
    value = header.number(tag)
    return None if value is None else f"{before}{value:g}{unit}"


def annotate(shown: NDArray[Any], top: Lines, bottom: Lines, faces: Faces, han: Han = "sc") -> NDArray[Any]:
    """Write lines into the upper and the lower left corner, white with a dark rim, never over each other.

    A line too long ends with an ellipsis; what has no room at all is left out.

    Parameters
    ----------
    shown : uint8 array, shape (rows, columns) or (rows, columns, 3).
    han : the country whose forms of Chinese letters are meant.
    """
    import numpy as np
    from PIL import Image, ImageDraw

    rows, columns = shown.shape[:2]
    size = min(max(min(rows, columns) // _SIDE_OF_LINES, _SIZE_MIN), _SIZE_MAX)
    step, margin = round(size * _LINE_HEIGHT), max(size // 3, 1)
    room = max((rows - 2 * margin) // step, 0)
    top = top[:room]
    bottom = bottom[: max(room - len(top), 0)]
    picture = Image.fromarray(np.ascontiguousarray(shown))
    draw = ImageDraw.Draw(picture)
    white, dark = (255, 0) if shown.ndim == 2 else ((255, 255, 255), (0, 0, 0))
    placed = [(margin + step * number, line) for number, line in enumerate(top)]
    start = rows - margin - step * len(bottom)
    placed += [(start + step * number, line) for number, line in enumerate(bottom)]
    style = {"fill": white, "stroke_width": max(size // 12, 1), "stroke_fill": dark}
    for y, line in placed:
        draw_line(draw, (float(margin), y + size), faces.fit(line, size, columns - 2 * margin, han), **style)
    return np.asarray(picture)
