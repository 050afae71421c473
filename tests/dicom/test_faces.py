"""Text in pictures, in many scripts: expected forms are those of the Unicode Standard (UAX 9, blocks FB50 to FEFF)."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import filmless
from filmless.dicom.faces import Faces, Line, draw_line, faces_in, han_of, width_of

FOLDER = Path(filmless.__file__).parent / "screen" / "faces"
NO_GLYPH = "\uffff"


@pytest.fixture(scope="module")
def faces() -> Faces:
    return faces_in(str(FOLDER))


def seen(line: Line) -> str:
    return "".join(piece.text for piece in line)


def drawn(line: Line) -> bytes:
    picture = Image.new("L", (400, 60))
    draw_line(ImageDraw.Draw(picture), (4, 40), line, fill=255)
    return picture.tobytes()


@pytest.mark.parametrize(
    "text",
    [
        "山田太郎",
        "直骨曜",
        "やまだ タロウ ﾔﾏﾀﾞ",
        "王小東",
        "李國華",
        "张伟",
        "김희중",
        "קליינברגר",
        "محمد",
        "پژگچ",
        "Ağrı",
        "Ελλάδα",
        "Иван",
    ],
)
def test_every_letter_has_a_glyph_of_its_own(faces: Faces, text: str) -> None:
    line = faces.lay_out(text, 24)
    assert "?" not in seen(line)
    for piece in line:
        empty = bytes(piece.font.getmask(NO_GLYPH))
        assert all(bytes(piece.font.getmask(letter)) != empty for letter in piece.text if letter != " ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("כהן, דוד", "דוד ,ןהכ"),
        ("(אב)", "(בא)"),
        ("אב 123 גד", "דג 123 בא"),
        ("CT אבג", "CT גבא"),
        ("CT אבג MR", "CT גבא MR"),
        ("שָׁלוֹם", "םולש"),
    ],
)
def test_letters_stand_as_they_are_seen_from_the_left(faces: Faces, text: str, expected: str) -> None:
    assert seen(faces.lay_out(text, 24)) == expected


def test_arabic_letters_are_joined(faces: Faces) -> None:
    forms = [unicodedata.name(letter) for letter in seen(faces.lay_out("محمد", 24))]
    assert forms == [
        "ARABIC LETTER DAL FINAL FORM",
        "ARABIC LETTER MEEM MEDIAL FORM",
        "ARABIC LETTER HAH MEDIAL FORM",
        "ARABIC LETTER MEEM INITIAL FORM",
    ]
    assert seen(faces.lay_out("لا", 24)) == "\ufefb"  # the one ligature that all write


def test_letters_of_han_take_the_form_of_their_country(faces: Faces) -> None:
    pictures = {drawn(faces.lay_out("直", 40, han)) for han in ("sc", "jp")}
    assert len(pictures) == 2


@pytest.mark.parametrize(
    ("charsets", "text", "han"),
    [
        (["", "ISO 2022 IR 87"], "山田", "jp"),
        (["ISO 2022 IR 149"], "金", "kr"),
        (["GB18030"], "王", "sc"),
        (["ISO_IR 192"], "Yamada=山田=やまだ", "jp"),
        (["ISO_IR 192"], "Kim=金=김", "kr"),
        (["ISO_IR 192"], "Wang=王", "sc"),
    ],
)
def test_the_country_is_that_of_the_character_set_or_of_the_name(charsets: list[str], text: str, han: str) -> None:
    assert han_of(charsets, text) == han


@pytest.mark.parametrize("text", ["abcdef" * 9, "אבגדהו" * 9, "山田太郎" * 9])
def test_a_line_too_long_ends_where_it_is_read_last(faces: Faces, text: str) -> None:
    line = faces.fit(text, 20, 200)
    assert 150 < width_of(line) <= 200
    shown = seen(line)
    assert (shown[0] if text[0] == "א" else shown[-1]) == "…"
    ink = np.frombuffer(drawn(line), np.uint8).reshape(60, 400)
    assert np.flatnonzero(ink.any(axis=0))[-1] <= 4 + 200


@pytest.mark.parametrize(("name", "shown"), [("やまだ", "yamada"), ("漢字", "??"), ("김", "gim")])
def test_letters_without_a_face_are_put_into_latin_or_marked(name: str, shown: str) -> None:
    assert seen(faces_in(None).lay_out(name, 20)) == shown
