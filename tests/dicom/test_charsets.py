"""Character sets: the examples of PS3.5 annexes H to K, every character by Python's codecs, and pydicom's files."""

from __future__ import annotations

import pytest

from filmless.dicom.charsets import character_sets, decode, encode, is_known, smallest_for
from filmless.dicom.scanner import scan
from filmless.errors import Refused
from real_files import pydicom_file

# PS3.5 annex H.3, I.2, J.1 to J.3, K.2, and the character set example files of D. Clunie
EXAMPLES = [
    (("", "ISO 2022 IR 87"), b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
     "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (("ISO 2022 IR 13", "ISO 2022 IR 87"),
     b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
     "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    (("", "ISO 2022 IR 149"),
     b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
     "Hong^Gildong=洪^吉洞=홍^길동"),
    (("ISO_IR 192",), "Wang^XiaoDong=王^小東=".encode(), "Wang^XiaoDong=王^小東="),
    (("GB18030",), b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="),
    (("GBK",), b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="),
    (("", "ISO 2022 IR 58"), b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang^XiaoDong=张^小东="),
    (("ISO_IR 127",), b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1", "قباني^لنزار"),
    (("ISO_IR 126",), b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
    (("ISO_IR 138",), b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה"),
    (("ISO_IR 144",), b"\xbb\xee\xdace\xdc\xd1yp\xd3", "Люкceмбypг"),
    (("ISO_IR 100",), b"\xc4neas^R\xfcdiger", "Äneas^Rüdiger"),
    (("ISO_IR 101",), b"W\xb3adys\xb3aw", "Władysław"),
    (("ISO_IR 148",), b"\xc7avu\xfeo\xf0lu", "Çavuşoğlu"),
    (("ISO_IR 166",), b"\xb9\xd2\xc2", "นาย"),
    (("ISO_IR 203",), b"\xa4uro \xbdil", "€uro œil"),
]  # fmt: skip


@pytest.mark.parametrize(("terms", "encoded", "text"), EXAMPLES)
def test_the_examples_of_the_standard_are_read(terms: tuple[str, ...], encoded: bytes, text: str) -> None:
    assert decode(encoded, character_sets(terms)) == text


@pytest.mark.parametrize(("terms", "encoded", "text"), EXAMPLES)
def test_the_examples_of_the_standard_are_written(terms: tuple[str, ...], encoded: bytes, text: str) -> None:
    assert encode(text, character_sets(terms)) == encoded


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chrArab.dcm", "قباني^لنزار"),
        ("chrFren.dcm", "Buc^Jérôme"),
        ("chrFrenMulti.dcm", "Buc^Jérôme"),
        ("chrGerm.dcm", "Äneas^Rüdiger"),
        ("chrGreek.dcm", "Διονυσιος"),
        ("chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("chrH32.dcm", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        ("chrHbrw.dcm", "שרון^דבורה"),
        ("chrI2.dcm", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("chrJapMulti.dcm", "やまだ^たろう"),
        ("chrJapMultiExplicitIR6.dcm", "やまだ^たろう"),
        ("chrKoreanMulti.dcm", "김희중"),
        ("chrRuss.dcm", "Люкceмбypг"),
        ("chrX1.dcm", "Wang^XiaoDong=王^小東"),
        ("chrX2.dcm", "Wang^XiaoDong=王^小东"),
    ],
)
def test_names_in_many_scripts_are_read_from_files(name: str, expected: str) -> None:
    assert (scan(pydicom_file(name).read_bytes()).text(0x00100010) or "").rstrip("=") == expected


@pytest.mark.parametrize(
    ("term", "codec"),
    [
        ("ISO_IR 100", "iso8859_1"), ("ISO_IR 101", "iso8859_2"), ("ISO_IR 109", "iso8859_3"),
        ("ISO_IR 110", "iso8859_4"), ("ISO_IR 144", "iso8859_5"), ("ISO_IR 127", "iso8859_6"),
        ("ISO_IR 126", "iso8859_7"), ("ISO_IR 138", "iso8859_8"), ("ISO_IR 148", "iso8859_9"),
        ("ISO_IR 166", "iso8859_11"), ("ISO_IR 203", "iso8859_15"),
    ],
)  # fmt: skip
def test_every_character_of_a_single_byte_set_is_read_and_written(term: str, codec: str) -> None:
    text = bytes(range(0xA0, 0x100)).decode(codec, "ignore").replace("\u00a0", "")
    second = ("ISO 2022 IR 6", term.replace("ISO_IR", "ISO 2022 IR"))

    for terms in ((term,), second):
        sets = character_sets(terms)
        assert decode(encode(text, sets), sets) == text
    assert decode(text.encode(codec), character_sets([term])) == text


@pytest.mark.parametrize(
    ("term", "codec"),
    [("ISO 2022 IR 149", "euc_kr"), ("ISO 2022 IR 58", "gb2312"), ("ISO 2022 IR 87", "iso2022_jp")],
)
def test_every_character_of_a_double_byte_set_is_read_and_written(term: str, codec: str) -> None:
    characters = [
        bytes((high, low)).decode("euc_jp" if codec == "iso2022_jp" else codec, "ignore")
        for high in range(0xA1, 0xFF)
        for low in range(0xA1, 0xFF)
    ]
    text = "".join(character for character in characters if len(character) == 1 and ord(character) > 0x7F)
    sets = character_sets(("", term))

    assert len(text) > 6000
    assert decode(encode(text, sets), sets) == text


def test_text_may_switch_between_many_sets() -> None:
    sets = character_sets(("ISO 2022 IR 100", "ISO 2022 IR 144", "ISO 2022 IR 126", "ISO 2022 IR 87"))
    text = "Äneas Лю Διον\\山田 é\r\nxyz Ж"

    assert decode(encode(text, sets), sets) == text


def test_a_set_that_is_designated_only_once_stays_in_force_when_there_is_none_to_go_back_to() -> None:
    once = b"Hong^Gildong=\x1b$)C\xfb\xf3^\xd1\xce\xd4\xd7=\xc8\xab^\xb1\xe6\xb5\xbf"

    assert decode(once, character_sets(("", "ISO 2022 IR 149"))) == "Hong^Gildong=洪^吉洞=홍^길동"


def test_a_set_is_left_before_a_delimiter_and_at_the_end() -> None:
    """PS3.5 6.1.2.5.3."""
    sets = character_sets(("", "ISO 2022 IR 87"))

    assert encode("山\\田", sets) == b"\x1b$B;3\x1b(B\\\x1b$BED\x1b(B"


def test_a_backslash_inside_a_double_byte_character_is_no_delimiter() -> None:
    sets = character_sets(("GB18030",))
    encoded = "俓".encode("gb18030")

    assert b"\\" in encoded
    assert decode(encoded, sets) == "俓"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ISO-IR 100", "ISO_IR 100"),
        ("ISO IR 144", "ISO_IR 144"),
        ("iso_ir 192", "ISO_IR 192"),
        ("UTF-8", "ISO_IR 192"),
        ("ISO2022 IR 87", "ISO 2022 IR 87"),
        ("ISO_2022_IR_149", "ISO 2022 IR 149"),
        ("ISO 2022 IR 100", "ISO_IR 100"),
        ("ISO 2022 58", "ISO 2022 IR 58"),
        ("ISO 2022 GBK", "GBK"),
        ("windows-1252", "cp1252"),
        ("nonsense", "ISO_IR 6"),
        ("ISO_IR 999", "ISO_IR 6"),
        ("zlib_codec", "ISO_IR 6"),
    ],
)
def test_misspelled_terms_are_understood(written: str, meant: str) -> None:
    assert character_sets([written]).terms == (meant,)


def test_known_terms_are_those_of_the_standard() -> None:
    assert all(is_known(term) for term in ("", "ISO_IR 192", "ISO 2022 IR 100", "ISO 2022 IR 87", "GB18030"))
    assert not any(is_known(term) for term in ("ISO-IR 100", "UTF-8", "latin1"))


def test_undeclared_bytes_are_read_as_latin_1() -> None:
    assert decode(b"M\xfcller", character_sets([])) == "Müller"


@pytest.mark.parametrize("value", [b"\x1b", b"\x1b$", b"\x1b$B", b"\x1b$B\x21", b"\xff\xfe\x1b$)C\xb1", b"\x1b(Z\xe4"])
@pytest.mark.parametrize("terms", [("ISO_IR 192",), ("", "ISO 2022 IR 87"), ("GB18030",), ("ISO_IR 13",)])
def test_broken_text_is_read_as_far_as_it_goes(value: bytes, terms: tuple[str, ...]) -> None:
    assert isinstance(decode(value, character_sets(terms)), str)


def test_text_outside_of_its_sets_is_refused_or_replaced() -> None:
    for terms in (("ISO_IR 100",), ("ISO_IR 6",), ("", "ISO 2022 IR 149"), ("cp1252",)):
        sets = character_sets(terms)
        with pytest.raises(Refused, match="characters outside of"):
            encode("A😀", sets)
        assert encode("A😀", sets, errors="replace") == b"A?"


def test_text_of_our_own_is_declared_as_little_as_needed() -> None:
    assert smallest_for(["A^B", "x"]) == "ISO_IR 6"
    assert smallest_for(["A^B", "é"]) == "ISO_IR 192"
