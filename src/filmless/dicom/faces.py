"""Lines of text in any script, laid out for a picture: which face has a letter, which way it is read.

Comes in: text, and the folder of faces that the build of the screen makes (`web/faces.ts`): files for pieces of scripts
and `faces.json`, which says what is in which. Goes out: pieces of text in the order in which they are seen, each with
its font. Not here: where a line stands, and scripts whose letters change their order or stack (those of India).
"""

from __future__ import annotations

import functools
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

from filmless.dicom.names import transliterate

Han = Literal["sc", "jp", "kr"]

_HANS: Final[tuple[Han, ...]] = get_args(Han)
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_NO_GLYPH: Final = "\uffff"
_PROBE_SIZE: Final = 16
_REGULAR: Final = 400
_HAN_OF_CHARSET: Final[dict[str, Han]] = {"13": "jp", "87": "jp", "159": "jp", "149": "kr", "58": "sc", "GB": "sc"}


class Piece(NamedTuple):
    """Letters of one face, in the order in which they are seen."""

    font: Any
    text: str

    def width(self) -> float:
        """Give its width in pixels."""
        return float(self.font.getlength(self.text))


Line = list[Piece]


@dataclass(slots=True, eq=False)
class _Face:
    """One file; what it says it has is asked of it too."""

    family: str
    path: Path
    ranges: tuple[tuple[int, int], ...]
    _known: dict[str, bool]

    def place_for(self, han: Han) -> int:
        """Give its place in the order in which letters are looked for."""
        country = self.family.rpartition("-")[2]
        return (2 if country != han else 1) if country in _HANS else 0

    def has(self, letter: str) -> bool:
        known = self._known.get(letter)
        if known is None:
            code = ord(letter)
            known = any(first <= code <= last for first, last in self.ranges) and _draws(self.path, letter)
            self._known[letter] = known
        return known


class Faces:
    """The faces of a folder, and Pillow's own behind them."""

    def __init__(self, folder: Path | None) -> None:
        faces = list(_read_index(folder)) if folder is not None else []
        self._in_order_of = {han: sorted(faces, key=lambda face: face.place_for(han)) for han in _HANS}

    def lay_out(self, text: str, size: int, han: Han = "sc") -> Line:
        """Split a line into pieces, from the left to the right as they are seen (UAX 9).

        Letters that no face has are put into Latin ones where that is known, and shown as a question mark where not.
        A letter of Han is taken from the faces of its country first.
        """
        line: Line = []
        before: _Face | None = None
        for letter in _seen(unicodedata.normalize("NFC", text)):
            before, shown = self._choose(letter, before, han)
            font = _font(before.path if before is not None else None, size)
            if line and line[-1].font is font:
                line[-1] = line[-1]._replace(text=line[-1].text + shown)
            else:
                line.append(Piece(font, shown))
        return line

    def fit(self, text: str, size: int, width: float, han: Han = "sc") -> Line:
        """Lay a line out; one too long ends with an ellipsis where it is read last."""
        line = self.lay_out(text, size, han)
        if width_of(line) <= width:
            return line
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            if width_of(self.lay_out(f"{text[:middle]}…", size, han)) <= width:
                low = middle
            else:
                high = middle - 1
        line = self.lay_out(f"{text[:low]}…", size, han)
        return line if width_of(line) <= width else []

    def _choose(self, letter: str, before: _Face | None, han: Han) -> tuple[_Face | None, str]:
        """Choose the face of a letter: a space or mark stays with what it follows."""
        if before is not None and (letter == " " or unicodedata.combining(letter)) and before.has(letter):
            return before, letter
        found = next((face for face in self._in_order_of[han] if face.has(letter)), None)
        if found is not None:
            return found, letter
        if _draws(None, letter):
            return None, letter
        plain = transliterate(letter)
        return None, plain if plain and all(_draws(None, one) for one in plain) else "?"


def width_of(line: Line) -> float:
    """Give the width of a line in pixels."""
    return sum(piece.width() for piece in line)


def draw_line(draw: Any, spot: tuple[float, float], line: Line, **style: Any) -> None:
    """Draw a line that begins at the left end of its baseline."""
    x, y = spot
    for piece in line:
        draw.text((x, y), piece.text, font=piece.font, anchor="ls", **style)
        x += piece.width()


def han_of(charsets: list[str], text: str) -> Han:
    """Say of which country letters of Han are: by the character sets, else by the other letters of a text."""
    for charset in charsets:
        for mark, han in _HAN_OF_CHARSET.items():
            if charset.startswith("GB") if mark == "GB" else charset.split()[-1:] == [mark]:
                return han
    names = [unicodedata.name(letter, "") for letter in text]
    if any(name.startswith(("HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA")) for name in names):
        return "jp"
    return "kr" if any(name.startswith("HANGUL") for name in names) else "sc"


@functools.lru_cache(maxsize=2)
def faces_in(folder: str | None) -> Faces:
    """Give the faces of a folder; without one, Pillow's own."""
    return Faces(Path(folder) if folder else None)


def _seen(text: str) -> str:
    """Put letters into the order in which they are seen, from the left (UAX 9), Arabic ones in their joined forms.

    Pillow could do both, but only where the machine has FriBiDi. Points of vowels would stand beside their letter.
    """
    if not any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text):
        return text
    from arabic_reshaper.arabic_reshaper import reshape
    from bidi.algorithm import get_display  # which mirrors brackets; that of the package does not

    bare = "".join(letter for letter in text if unicodedata.category(letter) != "Mn")
    return str(get_display(reshape(bare)))


def _read_index(folder: Path) -> Iterator[_Face]:
    try:
        listed = json.loads((folder / "faces.json").read_text("utf-8"))
    except (OSError, ValueError):
        return
    for each in listed:
        ranges = tuple((int(first), int(last)) for first, last in each["ranges"])
        yield _Face(each["family"], folder / each["file"], ranges, {})


def _draws(path: Path | None, letter: str) -> bool:
    """Whether a face has a letter: whether it differs from what the face draws for none."""
    font = _font(path, _PROBE_SIZE)
    return letter == " " or bytes(font.getmask(letter)) != bytes(font.getmask(_NO_GLYPH))


@functools.lru_cache(maxsize=128)
def _font(path: Path | None, size: int) -> Any:
    from PIL import ImageFont

    if path is None:
        return ImageFont.load_default(size)
    try:
        font = ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        return ImageFont.load_default(size)
    axes = font.get_variation_axes()
    if axes and len(axes) == 1 and axes[0]["default"] != _REGULAR:
        font.set_variation_by_axes([_REGULAR])
    return font
