"""Matching of keys against values (PS3.4 C.2.2.2), as pure functions over the DICOM JSON Model.

`read_keys` turns an identifier into keys, once; `matches` holds one key against one data set. `conditions` says the
same in SQL for the attributes that have columns.

PS3.4 leaves open, and here is decided: a person name is compared without case, accents and trailing delimiters; a
name key of one component group matches any group; wild cards in it do not cross the groups; a numeric string is
compared as a number; several values without Multiple Value Matching mean any of them; a lone "*" is universal in
every VR.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from filmless.dicom.names import name_keys
from filmless.errors import Refused
from filmless.query import moments
from filmless.query.modesty import TEXT_MAX, require_modest

JsonDataset = dict[str, Any]

WILDCARD_VRS: Final = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
NUMBER_VRS: Final = frozenset({"DS", "IS", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"})
TEXT_VRS: Final = frozenset({"ST", "LT", "UT", "UR"})  # of one value: a backslash is a character
BULK_VRS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})

_EVER: Final = 1 << 62

TIMEZONE: Final = "00080201"
NOT_KEYS: Final = frozenset({"00080005", "00080052", "00080053", TIMEZONE})
"""Elements that say how to search, and are never matched (PS3.4 C.2.2.2, C.4.1.1.3.1)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was negotiated (PS3.4 C.5.1.1) or asked for (PS3.18 8.3.4)."""

    relational: bool = False
    combined_date_time: bool = False
    fuzzy: bool = False
    timezone: bool = False
    empty_values: bool = False
    multiple_values: bool = False


class Kind(Enum):
    """The kind of matching that one key asks for."""

    UNIVERSAL = "universal"
    EMPTY = "empty"
    VALUES = "values"
    ITEMS = "items"


@dataclass(frozen=True, slots=True)
class Equal:
    """Single Value Matching of text, and each UID of a list."""

    text: str


@dataclass(frozen=True, slots=True)
class Number:
    """Single Value Matching of a number, also one written as a string."""

    value: float


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Wild Card Matching, with case."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Span:
    """Range Matching of dates or times, both ends within; "" is open. Compared as text."""

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Instants:
    """Range and Single Value Matching of DT, in microseconds, each end on a clock of `offset` minutes east of UTC."""

    low: int
    high: int
    low_offset: int | None
    high_offset: int | None


@dataclass(frozen=True, slots=True)
class Name:
    """Matching of a person name: folded component groups that may hold wild cards; "" is universal.

    `anywhere`: the key has one group, which may match any. `sounds`: fuzzy, each word must sound like one of the name.
    """

    groups: tuple[str, ...]
    anywhere: bool
    sounds: tuple[str, ...] = ()


Test = Equal | Number | Wildcard | Span | Instants | Name


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an identifier. `every`: all tests must hold (Multiple Value Matching), not one of them."""

    tag: str
    vr: str
    kind: Kind
    tests: tuple[Test, ...] = ()
    every: bool = False
    items: tuple[Key, ...] = ()

    @property
    def is_universal(self) -> bool:
        """Whether the key matches everything, so that it only asks for the attribute to be returned."""
        return self.kind is Kind.UNIVERSAL


@dataclass(frozen=True, slots=True)
class Moments:
    """A date and a time key, matched as one moment (PS3.4 C.2.2.2.5.4): both ends as (date, time); "" is open."""

    date_tag: str
    time_tag: str
    low: tuple[str, str] | None
    high: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys of one identifier."""

    keys: tuple[Key, ...]
    moments: tuple[Moments, ...] = ()
    offset: int | None = None
    requested: frozenset[str] = field(default_factory=frozenset)

    @property
    def matching(self) -> tuple[Key, ...]:
        """The keys that leave something out."""
        return tuple(key for key in self.keys if not key.is_universal)


def read_keys(identifier: Mapping[str, Any], options: Options) -> Keys:
    """Read the keys of an identifier.

    Raises
    ------
    Refused: a value that its VR cannot be matched with (a date that is none, wild cards in a UID, two items).
    """
    keys = tuple(
        read_key(tag, element, options)
        for tag, element in identifier.items()
        if tag not in NOT_KEYS and not _is_meta(tag)
    )
    require_modest(keys)
    offset = _read_timezone(identifier) if options.timezone else None
    pairs: list[Moments] = []
    if options.combined_date_time:
        keys, pairs = _combine(keys)
    requested = frozenset(tag for tag in identifier if not _is_meta(tag))
    return Keys(keys, tuple(pairs), offset, requested)


def _is_meta(tag: str) -> bool:
    """Whether the tag is a group length or of a command or file; none of them is a key."""
    return tag.endswith("0000") or tag < "0008"


def _read_timezone(identifier: Mapping[str, Any]) -> int | None:
    values = [str(value) for value in identifier.get(TIMEZONE, {}).get("Value", ()) if value]
    if not values:
        return None
    offset = moments.read_offset(values[0])
    if offset is None:
        raise Refused(f"Timezone Offset From UTC {values[0]!r} is not +HHMM or -HHMM")
    return offset


def read_key(tag: str, element: Mapping[str, Any], options: Options) -> Key:
    """Read one key; see `read_keys`."""
    vr = str(element.get("vr", "UN"))
    values = list(element.get("Value", ()))
    if vr == "SQ":
        return _read_items(tag, [item for item in values if item], options)
    texts = [text for text in (text_of(value, vr) for value in values) if text]
    if not texts or all(text.strip("*") == "" for text in texts) or vr in BULK_VRS:
        return Key(tag, vr, Kind.UNIVERSAL)
    if options.empty_values and texts == ['""']:
        return Key(tag, vr, Kind.EMPTY)
    if max(map(len, texts)) > TEXT_MAX:
        raise Refused(f"the key ({tag[:4]},{tag[4:]}) has a value of more than {TEXT_MAX} characters")
    tests = tuple(_read_test(tag, vr, text, options) for text in texts)
    return Key(tag, vr, Kind.VALUES, tests, every=options.multiple_values and vr != "UI" and len(tests) > 1)


def _read_items(tag: str, items: list[Mapping[str, Any]], options: Options) -> Key:
    if len(items) > 1:
        raise Refused(f"the key ({tag[:4]},{tag[4:]}) has {len(items)} items; Sequence Matching takes one")
    keys = tuple(read_key(inner, element, options) for item in items for inner, element in item.items())
    if all(key.is_universal for key in keys):
        return Key(tag, "SQ", Kind.UNIVERSAL, items=keys)
    return Key(tag, "SQ", Kind.ITEMS, items=keys)


def text_of(value: Any, vr: str) -> str:
    """Write one value of the JSON Model as text without insignificant blanks; a person name with '='."""
    if isinstance(value, Mapping):
        groups = [str(value.get(group, "") or "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(group.strip() for group in groups).rstrip("=")
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    return text.rstrip() if vr in TEXT_VRS else text.strip().strip("\0")


def _read_test(tag: str, vr: str, text: str, options: Options) -> Test:
    name = f"({tag[:4]},{tag[4:]})"
    if vr == "PN":
        return read_name(text, fuzzy=options.fuzzy)
    if vr in WILDCARD_VRS:
        return Wildcard(text) if "*" in text or "?" in text else Equal(text)
    if vr in NUMBER_VRS:
        try:
            return Number(float(text))
        except ValueError:
            raise Refused(f"the key {name} is {text!r}; its VR {vr} takes a number") from None
    if vr in {"DA", "TM", "DT"}:
        return _read_moment(name, vr, text)
    if "*" in text or "?" in text:
        raise Refused(f"the key {name} is {text!r}; its VR {vr} takes no wild cards (PS3.4 C.2.2.2.4)")
    return Equal(text.upper() if vr == "AT" else text)


def read_name(text: str, *, fuzzy: bool = False) -> Name:
    """Read a person name key."""
    folded = name_keys(text).folded
    groups = tuple(group.strip() for group in folded.split("="))[:3]
    sounds = name_keys(re.sub(r"[*?]", " ", text)).sound.split() if fuzzy else ()
    return Name(groups, anywhere="=" not in text, sounds=tuple(dict.fromkeys(sounds)))


def _read_moment(name: str, vr: str, text: str) -> Test:
    ends = moments.split_range(text, vr)
    low, high = ends if ends is not None else (text, text)
    if not low and not high:
        raise Refused(f"the key {name} is {text!r}; a range needs at least one end")
    test: Span | Instants
    if vr == "DA":
        test = Span(_date(name, low), _date(name, high))
    elif vr == "TM":
        test = Span(_time(name, low)[0], _time(name, high)[1])
    else:
        first, last = _date_time(name, low), _date_time(name, high)
        test = Instants(first[0] if low else -_EVER, last[1] if high else _EVER, first[2], last[2])
        if test.low > test.high and test.low_offset == test.high_offset:
            raise Refused(f"the range {text!r} of {name} ends before it begins")
        return test
    if test.low and test.high and test.low > test.high:
        raise Refused(f"the range {text!r} of {name} ends before it begins")
    return test


def _date(name: str, text: str) -> str:
    if not text:
        return ""
    date = moments.read_date(text)
    if date is None:
        raise Refused(f"the key {name} is {text!r}; a date is YYYYMMDD, a range YYYYMMDD-YYYYMMDD, without wild cards")
    return date


def _time(name: str, text: str) -> tuple[str, str]:
    if not text:
        return "", ""
    span = moments.read_time(text)
    if span is None:
        raise Refused(f"the key {name} is {text!r}; a time is HHMMSS.FFFFFF or its beginning, a range TIME-TIME")
    return span


def _date_time(name: str, text: str) -> tuple[int, int, int | None]:
    if not text:
        return 0, 0, None
    span = moments.read_date_time(text)
    if span is None:
        raise Refused(f"the key {name} is {text!r}; a date-time is YYYYMMDDHHMMSS.FFFFFF+ZZZZ or its beginning")
    return span


def _combine(keys: tuple[Key, ...]) -> tuple[tuple[Key, ...], list[Moments]]:
    """Take out the pairs of a date and a time that are ranges of the same form, and make each one range."""
    spans = {
        key.tag: key.tests[0]
        for key in keys
        if key.kind is Kind.VALUES and len(key.tests) == 1 and isinstance(key.tests[0], Span)
    }
    pairs: list[Moments] = []
    for date_tag, time_tag in moments.DATE_TIME_PAIRS.items():
        date, time = spans.get(date_tag), spans.get(time_tag)
        if not isinstance(date, Span) or not isinstance(time, Span):
            continue
        if bool(date.low) != bool(time.low) or bool(date.high) != bool(time.high):
            continue
        low = (date.low, time.low) if date.low else None
        high = (date.high, time.high) if date.high else None
        pairs.append(Moments(date_tag, time_tag, low, high))
    taken = {tag for pair in pairs for tag in (pair.date_tag, pair.time_tag)}
    rest = tuple(Key(key.tag, key.vr, Kind.UNIVERSAL) if key.tag in taken else key for key in keys)
    return rest, pairs


def matches(keys: Keys, dataset: Mapping[str, Any]) -> bool:
    """Tell whether a data set matches all keys."""
    if keys.offset is not None:
        dataset = on_clock(dataset, keys.offset)
    return all(matches_key(key, dataset) for key in keys.keys) and all(
        matches_moments(pair, dataset) for pair in keys.moments
    )


def matches_key(key: Key, dataset: Mapping[str, Any]) -> bool:
    """Tell whether a data set matches one key."""
    if key.kind is Kind.UNIVERSAL:
        return True
    values = values_of(dataset, key.tag)
    if key.kind is Kind.ITEMS:
        return any(all(matches_key(inner, item) for inner in key.items) for item in values if isinstance(item, dict))
    texts = [text for text in (text_of(value, key.vr) for value in values) if text]
    if key.kind is Kind.EMPTY:
        return not texts
    offset = _offset_of(dataset) if key.vr == "DT" else None
    hold = all if key.every else any
    return hold(any(holds(test, text, offset) for text in texts) for test in key.tests)


def values_of(dataset: Mapping[str, Any], tag: str) -> list[Any]:
    """Give the values of an element, none when it is empty or absent."""
    element = dataset.get(tag)
    return list(element.get("Value") or ()) if element else []


def holds(test: Test, text: str, offset: int | None = None) -> bool:
    """Tell whether one value, as `text_of` writes it, passes one test."""
    match test:
        case Equal(wanted):
            return text == wanted
        case Number(value):
            try:
                return float(text) == value
            except ValueError:
                return False
        case Wildcard(pattern):
            return expression_of(pattern).fullmatch(text) is not None
        case Span(low, high):
            return holds_span(low, high, text)
        case Instants():
            return _holds_instants(test, text, offset)
        case Name():
            return _holds_name(test, text)


def holds_span(low: str, high: str, text: str) -> bool:
    """Compare a date with dates, or a time with times, each as text in the form of the value."""
    text = text.replace(":", "")
    return (not low or text >= low_text(low)) and (not high or text <= high)


def low_text(low: str) -> str:
    """Cut trailing zero components of a time, so that a value given in fewer digits is not below: 1800 is 180000."""
    if "." not in low:
        return low
    whole = low.rstrip("0").rstrip(".") if low.endswith("000000") else low
    if "." in whole:
        return whole.rstrip("0")
    whole = low[:6]
    while len(whole) > 2 and whole.endswith("00"):
        whole = whole[:-2]
    return whole


def _holds_instants(test: Instants, text: str, offset: int | None) -> bool:
    value = moments.read_date_time(text)
    if value is None:
        return False
    first, _, own = value
    own = own if own is not None else offset

    def moment(limit_offset: int | None) -> int:
        """Put the value on the clock of the limit, when both clocks are known."""
        return first if own is None or limit_offset is None else first + (limit_offset - own) * 60_000_000

    return test.low <= moment(test.low_offset) and moment(test.high_offset) <= test.high


def _holds_name(test: Name, text: str) -> bool:
    keys = name_keys(text)
    groups = [group.strip() for group in keys.folded.split("=")]
    if test.anywhere:
        if any(_holds_group(test.groups[0], group) for group in groups if group):
            return True
    elif all(
        not wanted.strip("*")
        or (number < len(groups) and bool(groups[number]) and _holds_group(wanted, groups[number]))
        for number, wanted in enumerate(test.groups)
    ):
        return True
    return bool(test.sounds) and set(test.sounds) <= set(keys.sound.split())


def _holds_group(pattern: str, group: str) -> bool:
    return any(expression_of(form).fullmatch(group) for form in alternatives(pattern))


def alternatives(pattern: str) -> tuple[str, ...]:
    """Give the forms of a name pattern: in "DOE^*" what follows may be absent with its delimiter."""
    short = pattern
    while short.endswith("^*"):
        short = short[:-2]
    return (pattern,) if short == pattern else (pattern, short)


@functools.lru_cache(maxsize=1024)
def expression_of(pattern: str) -> re.Pattern[str]:
    """Turn wild cards into a regular expression that takes linear time for each "*".

    The first place where what stands between two "*" fits is as good as any later one, so it is never given up
    (an atomic group): else the time would grow with the length of the value to the power of the number of "*".
    """
    first, *others = (
        "".join("." if character == "?" else re.escape(character) for character in part)
        for part in re.sub(r"\*+", "*", pattern).split("*")
    )
    if not others:
        return re.compile(first, re.DOTALL)
    between = "".join(f"(?>.*?{part})" for part in others[:-1])
    return re.compile(f"{first}{between}.*{others[-1]}", re.DOTALL)


def matches_moments(pair: Moments, dataset: Mapping[str, Any]) -> bool:
    """Tell whether date and time together lie in a range; a date without its time counts as the whole day."""
    dates = [text_of(value, "DA") for value in values_of(dataset, pair.date_tag)]
    times = [text_of(value, "TM") for value in values_of(dataset, pair.time_tag)]
    date = next((date for date in dates if date), "")
    time = next((time for time in times if time), "")
    if not date:
        return False
    return (pair.low is None or _is_after(date, time, pair.low)) and (
        pair.high is None or _is_before(date, time, pair.high)
    )


def _is_after(date: str, time: str, low: tuple[str, str]) -> bool:
    return date > low[0] or (date == low[0] and (not time or time >= low_text(low[1])))


def _is_before(date: str, time: str, high: tuple[str, str]) -> bool:
    return date < high[0] or (date == high[0] and time <= high[1])


def _offset_of(dataset: Mapping[str, Any]) -> int | None:
    for value in values_of(dataset, TIMEZONE):
        return moments.read_offset(str(value))
    return None


def on_clock(dataset: Mapping[str, Any], offset: int) -> Mapping[str, Any]:
    """Put the dates and times of a data set on another clock, when it says which is its own (PS3.4 C.4.1.1.3.1)."""
    own = _offset_of(dataset)
    if own is None or own == offset:
        return dataset
    moved = dict(dataset)
    for date_tag, time_tag in moments.DATE_TIME_PAIRS.items():
        dates, times = values_of(dataset, date_tag), values_of(dataset, time_tag)
        if not dates or not times or date_tag == "00100030":  # a birthday is no moment
            continue
        date, time = moments.shift(str(dates[0]), str(times[0]), offset - own)
        moved[date_tag] = {"vr": "DA", "Value": [date]}
        moved[time_tag] = {"vr": "TM", "Value": [time]}
    return moved


def tags_of(keys: Iterable[Key]) -> frozenset[str]:
    """Name the attributes that keys look at."""
    return frozenset(key.tag for key in keys)
