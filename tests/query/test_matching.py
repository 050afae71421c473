"""Each kind of matching of PS3.4 C.2.2.2, on single values. The oracle for whole searches is in test_search.py."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmless.errors import Refused
from filmless.query import matching, moments
from filmless.query.matching import Options


def match(vr: str, key: str | list[str], value: Any, tag: str = "00081030", **options: bool) -> bool:
    """Whether one key matches one value (None: the attribute is absent)."""
    wanted = [key] if isinstance(key, str) else key
    values = value if isinstance(value, list) else [] if value is None else [value]
    read = matching.read_keys({tag: {"vr": vr, "Value": wanted}}, Options(**options))
    return matching.matches(read, {tag: {"vr": vr, "Value": values}} if values else {})


def person(alphabetic: str = "", ideographic: str = "", phonetic: str = "") -> dict[str, str]:
    groups = {"Alphabetic": alphabetic, "Ideographic": ideographic, "Phonetic": phonetic}
    return {name: group for name, group in groups.items() if group}


def test_a_single_value_matches_itself_and_nothing_longer():
    assert match("LO", "CT chest", "CT chest")
    assert not match("LO", "CT chest", "CT chest contrast")


def test_text_is_matched_with_its_case():
    assert not match("LO", "ct chest", "CT chest")
    assert not match("LO", "ct*", "CT chest")


def test_blanks_around_a_value_do_not_matter():
    assert match("SH", " A1 ", "A1")


@pytest.mark.parametrize("vr", ["LO", "SH", "CS", "PN", "DA", "TM", "UI", "IS"])
@pytest.mark.parametrize("key", ["", "*"])
def test_an_empty_key_and_a_lone_asterisk_match_even_what_is_absent(vr: str, key: str):
    assert match(vr, key, None)


@pytest.mark.parametrize("vr", sorted(matching.WILDCARD_VRS - {"PN"}))
def test_wild_cards_work_in_the_vrs_that_allow_them(vr: str):
    assert match(vr, "A?C*", "ABCDE")
    assert match(vr, "A?C*", "ABC")
    assert not match(vr, "A?C*", "AC")


@pytest.mark.parametrize("vr", ["UI", "AS", "AT"])
def test_wild_cards_are_refused_where_they_mean_nothing(vr: str):
    with pytest.raises(Refused, match="wild cards"):
        match(vr, "1.2.*", "1.2.3")


@pytest.mark.parametrize("key", ["2024*", "202401??", "20240230", "2024-01-02", "20241301", "x-y"])
def test_a_date_that_is_none_is_refused(key: str):
    with pytest.raises(Refused, match="date"):
        match("DA", key, "20240102")


def test_a_list_of_uids_matches_each_of_them():
    assert match("UI", ["1.2.3", "1.2.4"], "1.2.4")
    assert not match("UI", ["1.2.3", "1.2.4"], "1.2")


def test_letters_that_mean_something_to_sql_or_expressions_are_literal():
    assert match("LO", "100% [a-c]_*", "100% [a-c]_d")
    assert not match("LO", "100%", "100 mg")
    assert not match("LO", "[a-c]*", "b")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("20240101-20240131", "20240101", True),
        ("20240101-20240131", "20240131", True),
        ("20240101-20240131", "20240201", False),
        ("20240101-", "20991231", True),
        ("20240101-", "20231231", False),
        ("-20240101", "20240101", True),
        ("-20240101", "20240102", False),
        ("2024.01.02", "20240102", True),
        ("20240101-20240131", None, False),
    ],
)
def test_dates_match_by_range(key: str, value: str | None, expected: bool):
    assert match("DA", key, value) is expected


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("1000-1800", "095959", False),
        ("1000-1800", "10", True),
        ("1000-1800", "180000", True),
        ("1000-1800", "180059.999", True),
        ("1000-1800", "180100", False),
        ("100000-", "10", True),
        ("1012", "101200", True),
        ("1012", "101259.5", True),
        ("1012", "1013", False),
        ("10:12:00", "101200", True),
        ("-09", "095959.999999", True),
        ("-09", "10", False),
        ("101112.5", "101112.5", True),
        ("101112.5", "101112.6", False),
        ("101112.500000-", "101112.5", True),
    ],
)
def test_times_match_by_range_and_by_what_they_say(key: str, value: str, expected: bool):
    assert match("TM", key, value, tag="00080030") is expected


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("20240102-20240103", "20240103235959", True),
        ("20240102-20240103", "20240104", False),
        ("2024", "20241231235959", True),
        ("202402", "20240229", True),
        ("20240102-", "20240102", True),
        ("-20240102", "20240102120000", True),
        ("20240102100000+0100", "20240102090000+0000", True),
        ("20240102100000+0100", "20240102100000+0000", False),
        ("20240102100000-0500", "20240102150000+0000", True),
        ("20240102100000+0000-20240102110000+0000", "20240102053000-0500", True),
        ("20240102100000+0000-20240102110000+0000", "20240102103000", True),
    ],
)
def test_date_times_match_as_moments_whatever_their_zone(key: str, value: str, expected: bool):
    assert match("DT", key, value, tag="0008002A") is expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("20240101-0500", None),
        ("20240101-20240102", ("20240101", "20240102")),
        ("-20240101", ("", "20240101")),
        ("20240101-0500-20240102-0500", ("20240101-0500", "20240102-0500")),
        ("20240101-0500-", ("20240101-0500", "")),
        ("2024-2025", ("2024", "2025")),
    ],
)
def test_a_hyphen_in_a_date_time_is_an_offset_where_it_can_be_one(key: str, expected: tuple[str, str] | None):
    assert moments.split_range(key, "DT") == expected


@pytest.mark.parametrize("vr", ["DA", "TM"])
def test_a_range_that_ends_before_it_begins_is_refused(vr: str):
    low, high = {"DA": ("20240201", "20240101"), "TM": ("18", "10")}[vr]
    with pytest.raises(Refused, match="ends before"):
        match(vr, f"{low}-{high}", low)


def test_numbers_in_strings_are_compared_as_numbers():
    assert match("IS", "007", 7)
    assert match("DS", "1.50", 1.5)
    assert not match("IS", "7", 70)


# Person names


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("doe^jane", person("Doe^Jane"), True),
        ("DOE^JANE^^^", person("Doe^Jane"), True),
        ("doe", person("Doe^Jane"), False),
        ("doe^*", person("Doe^Jane"), True),
        ("doe^*", person("Doe"), True),
        ("do?^j*", person("Doe^Jane"), True),
        ("*jane*", person("Doe^Jane"), True),
        ("muller^jurgen", person("Müller^Jürgen"), True),
        ("MÜLLER^*", person("Muller^Jurgen"), True),
        ("山田^太郎", person("Yamada^Tarou", "山田^太郎", "やまだ^たろう"), True),
        ("山田*", person("Yamada^Tarou", "山田^太郎", "やまだ^たろう"), True),
        ("yamada*tarou", person("Yamada^Tarou", "山田^太郎"), True),
        ("y*太郎", person("Yamada^Tarou", "山田^太郎"), False),
        ("=山田*", person("Yamada^Tarou", "山田^太郎"), True),
        ("=yamada*", person("Yamada^Tarou", "山田^太郎"), False),
        ("sato*=山田*", person("Yamada^Tarou", "山田^太郎"), False),
        ("*=山田^太郎", person("Yamada^Tarou", "山田^太郎"), True),
        ("ИВАНОВ^*", person("Иванов^Пётр"), True),
        ("doe^jane", None, False),
    ],
)
def test_names_match_without_case_and_accents_in_any_group(key: str, value: dict[str, str] | None, expected: bool):
    assert match("PN", key, value, tag="00100010") is expected


def test_fuzzy_names_match_by_sound_in_any_order_and_only_when_asked_for():
    stored = person("Meyer^Stephen")

    assert match("PN", "Steven Maier", stored, tag="00100010", fuzzy=True)
    assert not match("PN", "Steven Maier", stored, tag="00100010")
    assert not match("PN", "Schulz^Steven", stored, tag="00100010", fuzzy=True)


def test_fuzzy_matching_keeps_what_literal_matching_finds():
    assert match("PN", "*eye*", person("Meyer^Stephen"), tag="00100010", fuzzy=True)


# Empty and multiple values


def test_two_quotation_marks_match_the_empty_value_when_negotiated():
    assert match("LO", '""', None, empty_values=True)
    assert not match("LO", '""', "x", empty_values=True)
    assert not match("LO", '""', None)


def test_multiple_values_must_all_be_there_when_negotiated_and_else_any_does():
    assert match("CS", ["CT", "PT"], ["CT", "PT", "SR"], multiple_values=True)
    assert not match("CS", ["CT", "PT"], ["CT"], multiple_values=True)
    assert match("CS", ["CT", "PT"], ["CT"])


# Sequences


def sequence(*items: dict[str, Any]) -> dict[str, Any]:
    return {"00400275": {"vr": "SQ", "Value": list(items)}}


def item(step: str, procedure: str) -> dict[str, Any]:
    return {"00400009": {"vr": "SH", "Value": [step]}, "00401001": {"vr": "SH", "Value": [procedure]}}


def test_one_item_of_a_sequence_must_match_all_keys():
    keys = matching.read_keys(sequence(item("S1", "P2")), Options())

    assert matching.matches(keys, sequence(item("S1", "P2"), item("S9", "P9")))
    assert not matching.matches(keys, sequence(item("S1", "P1"), item("S2", "P2")))
    assert not matching.matches(keys, {})


def test_a_sequence_without_an_item_is_universal():
    keys = matching.read_keys({"00400275": {"vr": "SQ", "Value": [{}]}}, Options())

    assert matching.matches(keys, {})


def test_a_key_of_two_items_is_refused():
    with pytest.raises(Refused, match="2 items"):
        matching.read_keys(sequence(item("1", "2"), item("3", "4")), Options())


# Date and time as one moment


def study(date: str, time: str, zone: str = "") -> dict[str, Any]:
    values = {"00080020": ("DA", date), "00080030": ("TM", time), "00080201": ("SH", zone)}
    return {tag: {"vr": vr, "Value": [value]} for tag, (vr, value) in values.items() if value}


@pytest.mark.parametrize(
    ("date", "time", "apart", "together"),
    [
        ("20060705", "1000", True, True),
        ("20060706", "0500", False, True),
        ("20060707", "1800", True, True),
        ("20060707", "1900", False, False),
        ("20060705", "0900", False, False),
        ("20060706", "", False, True),
    ],
)
def test_date_and_time_ranges_are_one_range_when_negotiated(date: str, time: str, apart: bool, together: bool):
    """The example of the note in PS3.4 C.2.2.2.5.4."""
    identifier = study("20060705-20060707", "1000-1800")

    assert matching.matches(matching.read_keys(identifier, Options()), study(date, time)) is apart
    combined = matching.read_keys(identifier, Options(combined_date_time=True))
    assert matching.matches(combined, study(date, time)) is together


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (study("20240101", "2330", "-0500"), True),
        (study("20240102", "0030", "+0900"), False),
        (study("20240102", "0030"), True),
        (study("20240102", "0400", "+0000"), True),
        (study("20240103", "0100", "+0900"), True),
    ],
)
def test_dates_are_on_the_clock_of_the_query_when_time_zones_were_negotiated(stored: dict[str, Any], expected: bool):
    keys = matching.read_keys(study("20240102", "", "+0000"), Options(timezone=True))

    assert matching.matches(keys, stored) is expected


def test_the_time_zone_of_a_key_is_ignored_unless_negotiated():
    keys = matching.read_keys(study("20240102", "", "+0000"), Options())

    assert not matching.matches(keys, study("20240101", "2330", "-0500"))


# Against other implementations of the same idea

letters = st.text(alphabet="abAB*?[]^=%_\\.- é山", max_size=12)


@given(pattern=letters, text=letters)
def test_wild_cards_match_as_a_plain_walk_over_both_strings_does(pattern: str, text: str):
    def walk(p: str, t: str) -> bool:
        if not p:
            return not t
        if p[0] == "*":
            return walk(p[1:], t) or (bool(t) and walk(p, t[1:]))
        return bool(t) and p[0] in ("?", t[0]) and walk(p[1:], t[1:])

    assert bool(matching.expression_of(pattern).fullmatch(text)) == walk(re.sub(r"\*+", "*", pattern), text)


@given(text=st.text(max_size=30), vr=st.sampled_from(["DA", "TM", "DT"]))
def test_any_text_is_a_moment_or_refused(text: str, vr: str):
    try:
        match(vr, text, "20240102", tag="00080020")
    except Refused as refusal:
        assert str(refusal)


@given(
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
    second=st.integers(0, 59),
    digits=st.sampled_from([2, 4, 6]),
)
def test_a_time_matches_its_own_beginning(hour: int, minute: int, second: int, digits: int):
    value = f"{hour:02}{minute:02}{second:02}"

    assert match("TM", value[:digits], value, tag="00080030")
    assert match("TM", f"{value[:digits]}-", value, tag="00080030")
    assert match("TM", f"-{value[:digits]}", value, tag="00080030")
