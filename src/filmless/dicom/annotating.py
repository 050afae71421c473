"""Words that are burned into a picture: whose it is and how it was made (PS3.18 8.3.5.1.1).

Comes in: a header, and 8-bit grey or RGB as it is shown. Goes out: the same with lines of text in two corners.
Not here: the faces (whoever calls has their files), texts of presentation states (presenting.py).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filmless.dicom.names import transliterate
from filmless.dicom.plain import plain_date, plain_name, plain_time
from filmless.dicom.windowing import functional_group

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filmless.dicom.scanner import Header

_SIDE_OF_LINES: Final = 32
_SIZE_MIN, _SIZE_MAX = 10, 96
_LINE_HEIGHT: Final = 1.3
_TEXT_MAX: Final = 200
_NO_GLYPH: Final = "\uffff"

Line = str
Lines = list[Line]


def patient_lines(header: Header) -> Lines:
    """Say whose image it is: name, ID, birth date and sex, and the study."""
    name = (header.text(0x00100010) or "").partition("=")[0] or (header.text(0x00100010) or "").lstrip("=")
    return _lines(
        [plain_name(name)],
        [header.text(0x00100020)],
        [plain_date(header.text(0x00100030) or ""), header.text(0x00100040)],
        [plain_date(header.text(0x00080020) or ""), plain_time((header.text(0x00080030) or "")[:6])],
        [header.text(0x00081030)],
    )


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


def annotate(shown: NDArray[Any], top: Lines, bottom: Lines, faces: Sequence[Path]) -> NDArray[Any]:
    """Write lines into the upper and the lower left corner, white with a dark rim, never over each other.

    A line too long ends with an ellipsis; what has no room at all is left out. Letters that no face has are put into
    Latin ones where that is known, and shown as a question mark where not.

    Parameters
    ----------
    shown : uint8 array, shape (rows, columns) or (rows, columns, 3).
    faces : files of fonts, each for some scripts; Pillow's own is the last.
    """
    import numpy as np
    from PIL import Image, ImageDraw

    rows, columns = shown.shape[:2]
    size = min(max(min(rows, columns) // _SIDE_OF_LINES, _SIZE_MIN), _SIZE_MAX)
    step, margin = round(size * _LINE_HEIGHT), max(size // 3, 1)
    room = max((rows - 2 * margin) // step, 0)
    top = top[:room]
    bottom = bottom[: max(room - len(top), 0)]
    fonts = _fonts(tuple(faces), size)
    picture = Image.fromarray(np.ascontiguousarray(shown))
    draw = ImageDraw.Draw(picture)
    white, dark = (255, 0) if shown.ndim == 2 else ((255, 255, 255), (0, 0, 0))
    placed = [(margin + step * number, line) for number, line in enumerate(top)]
    start = rows - margin - step * len(bottom)
    placed += [(start + step * number, line) for number, line in enumerate(bottom)]
    for y, line in placed:
        x = float(margin)
        for font, run in _fitted(_runs(line, fonts), columns - 2 * margin):
            spot = (x, y + size)
            draw.text(spot, run, fill=white, font=font, anchor="ls", stroke_width=max(size // 12, 1), stroke_fill=dark)
            x += font.getlength(run)
    return np.asarray(picture)


@functools.lru_cache(maxsize=8)
def _fonts(faces: tuple[Path, ...], size: int) -> tuple[Any, ...]:
    from PIL import ImageFont

    fonts = []
    for face in faces:
        try:
            fonts.append(ImageFont.truetype(face, size))
        except OSError:
            continue
    return (*fonts, ImageFont.load_default(size))


def _has(font: Any, letter: str) -> bool:
    """Whether a face has a letter: whether it differs from what the face draws for none."""
    return letter == " " or bytes(font.getmask(letter)) != bytes(font.getmask(_NO_GLYPH))


def _runs(line: str, fonts: tuple[Any, ...]) -> list[tuple[Any, str]]:
    """Split a line into runs of letters that one face has."""
    runs: list[tuple[Any, str]] = []
    for letter in line:
        font = next((font for font in fonts if _has(font, letter)), None)
        if font is None:
            plain = transliterate(letter)
            letter = plain if plain and all(_has(fonts[-1], one) for one in plain) else "?"  # noqa: PLW2901
            font = fonts[-1]
        elif letter == " " and runs:
            font = runs[-1][0]
        if runs and runs[-1][0] is font:
            runs[-1] = font, runs[-1][1] + letter
        else:
            runs.append((font, letter))
    return runs


def _fitted(runs: list[tuple[Any, str]], width: int) -> list[tuple[Any, str]]:
    """Cut a line where the picture ends."""
    if sum(font.getlength(run) for font, run in runs) <= width:
        return runs
    fitted: list[tuple[Any, str]] = []
    left = float(width)
    for font, run in runs:
        room = left - font.getlength("…")
        kept = ""
        while len(kept) < len(run) and font.getlength(run[: len(kept) + 1]) <= room:
            kept = run[: len(kept) + 1]
        if kept == run:
            fitted.append((font, run))
            left -= font.getlength(run)
            continue
        return [*fitted, (font, f"{kept}…")] if left >= font.getlength("…") else fitted
    return fitted
