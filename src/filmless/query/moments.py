"""Dates, times and date-times of keys and values, as text or seconds that compare (PS3.5 6.2, PS3.4 C.2.2.2.5)."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta
from typing import Final

DATE_TIME_PAIRS: Final = {
    "00080012": "00080013",  # Instance Creation
    "00080020": "00080030",  # Study
    "00080021": "00080031",  # Series
    "00080022": "00080032",  # Acquisition
    "00080023": "00080033",  # Content
    "00100030": "00100032",  # Patient's Birth
    "00400002": "00400003",  # Scheduled Procedure Step Start
    "00400004": "00400005",  # Scheduled Procedure Step End
    "00400244": "00400245",  # Performed Procedure Step Start
    "00400250": "00400251",  # Performed Procedure Step End
}
"""Tags of the dates that have a time, with that time's tag."""

_DATE = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})")
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
_DATE_TIME = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?"
)
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})")
_EPOCH = datetime(1, 1, 1)
_SECOND = 1_000_000  # in microseconds: as floats, 2000 years and a microsecond do not fit together


def read_date(text: str) -> str | None:
    """Write a date as YYYYMMDD, also from ACR-NEMA's YYYY.MM.DD; None when it is no day of the calendar."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day = match.groups()
    try:
        datetime(int(year), int(month), int(day))
    except ValueError:
        return None
    return f"{year}{month}{day}"


def read_time(text: str) -> tuple[str, str] | None:
    """Give the first and last instant of a time, both as HHMMSS.FFFFFF; also from ACR-NEMA's HH:MM:SS.

    "10" is 100000.000000 to 105959.999999: what is not said may be anything (PS3.5 6.2, TM).
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    hour, minute, second, fraction = match.groups()
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        return None
    first = f"{hour}{minute or '00'}{second or '00'}.{(fraction or '').ljust(6, '0')}"
    last = f"{hour}{minute or '59'}{second or '59'}.{(fraction or '').ljust(6, '9')}"
    return first, last


def read_offset(text: str) -> int | None:
    """Minutes east of UTC of +0100; None when it is no offset between -1200 and +1400 (PS3.5 6.2, DT)."""
    match = _OFFSET.fullmatch(text.strip())
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    value = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or value > (14 * 60 if sign == "+" else 12 * 60):
        return None
    return value if sign == "+" else -value


def read_date_time(text: str) -> tuple[int, int, int | None] | None:
    """Give the first and last microsecond of a DT on its own clock, from year 1, and its offset if it names one."""
    match = _DATE_TIME.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    offset = None
    if zone is not None:
        offset = read_offset(zone)
        if offset is None:
            return None
    try:
        start = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0))
    except ValueError:
        return None
    if int(second or 0) > 60:
        return None
    first = (start - _EPOCH) // timedelta(microseconds=1) + int(second or 0) * _SECOND
    if fraction is not None:
        first += int(fraction.ljust(6, "0"))
        length = int(10 ** (6 - len(fraction)))
    elif second is not None:
        length = _SECOND
    elif minute is not None:
        length = 60 * _SECOND
    elif hour is not None:
        length = 3600 * _SECOND
    else:
        days = 1 if day is not None else _days_of(int(year), int(month) if month else None)
        length = days * 86400 * _SECOND
    return first, first + length - 1, offset


def _days_of(year: int, month: int | None) -> int:
    """Count the days of a month, or of a year when no month is given."""
    first = datetime(year, month or 1, 1)
    if month is None:
        return 366 if calendar.isleap(year) else 365
    return 31 if month == 12 else (datetime(year, month + 1, 1) - first).days


def split_range(text: str, vr: str) -> tuple[str, str] | None:
    """Split "a-b", "a-" or "-b"; None when the value is a single one.

    In a DT a hyphen may also begin an offset from UTC. A value that reads as one DT is one: 20240101-0500 is five
    hours west, not the year 500 (PS3.4 C.2.2.2.5.3).
    """
    text = text.strip()
    if "-" not in text:
        return None
    if vr != "DT":
        low, _, high = text.partition("-")
        return low.strip(), high.strip()
    if read_date_time(text) is not None:
        return None
    for at in (index for index, character in enumerate(text) if character == "-"):
        low, high = text[:at].strip(), text[at + 1 :].strip()
        if all(not side or read_date_time(side) for side in (low, high)) and (low or high):
            return low, high
    return text, ""


def shift(date: str, time: str, minutes: int) -> tuple[str, str]:
    """Move a date and time by minutes; values that are no date or time stay as they are.

    The time keeps the precision it came in.
    """
    day, span = read_date(date), read_time(time)
    if day is None or span is None or not minutes:
        return date, time
    start = span[0]
    seconds = min(int(start[4:6]), 59)
    moment = datetime(int(day[:4]), int(day[4:6]), int(day[6:8]), int(start[:2]), int(start[2:4]), seconds)
    try:
        moved = moment + timedelta(minutes=minutes)
    except OverflowError:
        return date, time
    # An offset is whole minutes, so seconds and their fraction stay. A bare hour gains minutes.
    rest = time.strip().replace(":", "")[4:]
    return f"{moved:%Y%m%d}".rjust(8, "0"), f"{moved:%H%M}{rest}"
