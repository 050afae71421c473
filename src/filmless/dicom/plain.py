"""Values of DICOM as people write them: dates, times, names."""

from __future__ import annotations

import re
from typing import Final

_DATE: Final = re.compile(r"(\d{4})(0[1-9]|1[0-2])?(0[1-9]|[12]\d|3[01])?")
_OLD_DATE: Final = re.compile(r"(\d{4})\.(\d{2})\.(\d{2})")
_TIME: Final = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(\.\d{1,6})?")
_ZONE: Final = re.compile(r"(.*?)([+-])(\d{2})(\d{2})")


def plain_date(text: str) -> str:
    """Write DA as 2024-03-05; what is none stays as it is."""
    match = _DATE.fullmatch(text.strip()) or _OLD_DATE.fullmatch(text.strip())
    return "-".join(part for part in match.groups() if part) if match else text


def plain_time(text: str) -> str:
    """Write TM as 14:02:11; what is none stays as it is."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return text
    *parts, fraction = match.groups()
    return ":".join(part for part in parts if part) + (fraction or "")


def plain_datetime(text: str) -> str:
    """Write DT as 2024-03-05 14:02:11 +01:00; what is none stays as it is."""
    rest, zone = text.strip(), ""
    if match := _ZONE.fullmatch(rest):
        rest, zone = match.group(1), f" {match.group(2)}{match.group(3)}:{match.group(4)}"
    if len(rest) <= 8:
        return plain_date(rest) + zone
    date, time = plain_date(rest[:8]), plain_time(rest[8:])
    return text if date == rest[:8] or time == rest[8:] != time[:2] else f"{date} {time}{zone}"


def plain_name(text: str) -> str:
    """Write PN as the screen does, "Müller, Hans Peter, Dr. MD"; other scripts after a dot (PS3.5 6.2.1)."""
    alphabetic, *others = text.split("=")[:3]
    forms = [_alphabetic(alphabetic), *(" ".join(_components(group)) for group in others)]
    return " · ".join(dict.fromkeys(form for form in forms if form))


def _components(group: str) -> list[str]:
    return [part for part in (" ".join(part.split()) for part in group.split("^")) if part]


def _alphabetic(group: str) -> str:
    family, given, middle, prefix, suffix = [*(part.strip() for part in group.split("^")), "", "", "", "", ""][:5]
    called = " ".join(part for part in (given, middle) if part)
    titles = " ".join(part for part in (prefix, suffix) if part)
    return ", ".join(part for part in (family, called, titles) if part)
