from __future__ import annotations

import pytest

from filmless.dicom.names import fold, name_keys, sound_codes, sound_of, sounds_like


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MÜLLER", "muller"),
        ("Straße", "STRASSE"),
        ("Łukasz", "lukasz"),
        ("Ångström", "angstrom"),
        ("Ærø", "aero"),
        ("Nguyễn", "nguyen"),
        ("ΔΙΟΝΎΣΙΟΣ", "διονυσιος"),
        ("Йёлкин", "иелкин"),
        ("ﾔﾏﾀﾞ", "ヤマダ"),
        ("ＤＯＥ", "doe"),
        ("O’Brien", "o'brien"),
        ("İstanbul", "istanbul"),
    ],
)
def test_case_accents_and_width_do_not_matter(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("か", "が"), ("Müller", "Miller"), ("राम", "रम"), ("קהן", "כהן")])
def test_letters_matter(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_folding_twice_changes_nothing() -> None:
    for text in ("MÜLLER", "ﾔﾏﾀﾞ", "Straße", "홍길동", "Διονύσιος"):
        assert fold(fold(text)) == fold(text)


def test_each_component_group_is_folded() -> None:
    keys = name_keys("Yamada^Tarou=山田^太郎=やまだ^たろう")

    assert keys.folded == "yamada^tarou=山田^太郎=やまだ^たろう"
    assert (keys.alphabetic, keys.ideographic, keys.phonetic) == ("yamada^tarou", "山田^太郎", "やまだ^たろう")


def test_a_name_is_taken_as_text_or_as_json() -> None:
    assert name_keys("Doe^Jane==x") == name_keys({"Alphabetic": "Doe^Jane", "Phonetic": "x"})
    assert name_keys(None) == name_keys("") == name_keys({})
    assert name_keys("").sound == ""


def test_padding_and_empty_components_do_not_matter() -> None:
    assert name_keys(" Doe ^ Jane  Ann ^^").folded == "doe^jane ann"


@pytest.mark.parametrize(
    "alike",
    [
        ("Meyer", "Maier", "Mayer", "Meier"),
        ("Schmidt", "Schmitt", "Smith", "Smyth"),
        ("Stephen", "Steven", "Stefan"),
        ("Catherine", "Katharina", "Kathryn"),
        ("Müller", "Mueller", "Muller"),
        ("Philip", "Filip", "Phillip"),
        ("Johnson", "Jonson"),
        ("Wright", "Rite"),
        ("Иванов", "Ivanov", "Ivanoff"),
        ("Чайковский", "Tschaikowski", "Chaikovsky"),
        ("Διονύσιος", "Dionysios"),
        ("やまだ", "ヤマダ", "ﾔﾏﾀﾞ", "Yamada"),
        ("홍", "Hong"),
        ("길동", "Gildong"),
        ("כהן", "Cohen", "Kohn"),
    ],
)
def test_names_that_sound_alike_have_one_code(alike: tuple[str, ...]) -> None:
    assert len({sound_of(name) for name in alike}) == 1


@pytest.mark.parametrize(("one", "other"), [("Meyer", "Miller"), ("Doe", "Roe"), ("Anna", "Hanna"), ("山田", "田中")])
def test_names_that_sound_different_have_two_codes(one: str, other: str) -> None:
    assert sound_of(one) != sound_of(other)


def test_han_characters_stand_for_themselves() -> None:
    assert sound_of("山田") == "山田"


def test_every_word_of_a_name_has_one_code() -> None:
    assert sound_codes("Doe^Jane Doe") == ["T", "JN"]


def test_a_name_is_found_when_all_words_asked_for_sound_alike() -> None:
    stored = name_keys("Schmidt^Katharina").sound

    assert sounds_like(stored, name_keys("smith").sound)
    assert sounds_like(stored, name_keys("Kathryn Smyth").sound)
    assert not sounds_like(stored, name_keys("Smith^John").sound)


def test_signs_and_digits_have_no_sound() -> None:
    assert sound_of("123") == ""
    assert sound_of("--") == ""
