"""What each tag is called and how its value is represented (PS3.6 chapter 6, and what vendors say of private tags).

The tables are pydicom's, generated from the standard. They are loaded without importing pydicom itself, which costs
0.3 s and numpy; the three table modules together cost 0.02 s.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast

Entry = tuple[str, str, str, str, str]
"""VR ("US or SS" when it depends on other elements), VM, name, "Retired" or "", keyword."""


def load_table(name: str) -> ModuleType:
    """Import one of pydicom's table modules, without the package around it."""
    qualified = f"pydicom.{name}"
    if qualified in sys.modules:
        return sys.modules[qualified]
    package = importlib.util.find_spec("pydicom")
    if package is None or not package.submodule_search_locations:
        raise ImportError("pydicom is not installed")
    path = Path(package.submodule_search_locations[0]) / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"filmless.dicom._pydicom{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"pydicom has no module {name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_tables = load_table("_dicom_dict")
ENTRIES: dict[int, Entry] = _tables.DicomDictionary


def _masks(repeaters: dict[str, Entry]) -> list[tuple[int, int, Entry]]:
    """Turn '50xx0005' into (0x50000005, 0xFF00FFFF, entry)."""
    return [
        (int(mask.replace("x", "0"), 16), int("".join("0" if c == "x" else "F" for c in mask), 16), entry)
        for mask, entry in repeaters.items()
    ]


_REPEATERS = _masks(_tables.RepeatersDictionary)


@functools.lru_cache(maxsize=4096)
def _repeating_entry(tag: int) -> Entry | None:
    """Find a tag of a repeating group, such as overlays in 6000 to 60FF (PS3.5 7.6)."""
    if tag >> 16 & 1:
        return None
    for value, mask, entry in _REPEATERS:
        if (tag ^ value) & mask == 0:
            return entry
    return None


def find_entry(tag: int) -> Entry | None:
    """Everything PS3.6 says of a tag; None when it is private or unknown."""
    return ENTRIES.get(tag) or _repeating_entry(tag)


def vr_of(tag: int) -> str | None:
    """VR of a public tag; may be "OB or OW", "US or SS", "US or OW" or "US or SS or OW"."""
    entry = find_entry(tag)
    return entry[0] if entry else None


def keyword_of(tag: int) -> str | None:
    entry = find_entry(tag)
    return entry[4] or None if entry else None


@functools.cache
def _tags_by_keyword() -> dict[str, int]:
    return {entry[4]: tag for tag, entry in ENTRIES.items() if entry[4]}


def tag_of(keyword: str) -> int | None:
    return _tags_by_keyword().get(keyword)


def vm_of(tag: int) -> str | None:
    """Value multiplicity as the standard prints it: "1", "1-n", "3-3n"."""
    entry = find_entry(tag)
    return entry[1] if entry else None


def is_retired(tag: int) -> bool:
    entry = find_entry(tag)
    return bool(entry and entry[3])


def is_private(tag: int) -> bool:
    return bool(tag >> 16 & 1)


def is_private_creator(tag: int) -> bool:
    """Whether the tag reserves a block of private tags: (gggg,0010) to (gggg,00FF), PS3.5 7.8.1."""
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF


@functools.cache
def _private_tables() -> dict[str, dict[str, tuple[str, ...]]]:
    return cast(dict[str, dict[str, tuple[str, ...]]], load_table("_private_dict").private_dictionaries)


def _private_entry(tag: int, creator: str) -> tuple[str, ...] | None:
    table: dict[str, Any] | None = _private_tables().get(creator)
    if table is None:
        return None
    group, element = tag >> 16, tag & 0xFFFF
    return table.get(f"{group:04X}xx{element & 0xFF:02X}") or table.get(f"{group:04X}xxxx{element & 0xFF:02X}")


def private_vr_of(tag: int, creator: str) -> str | None:
    """VR of a private tag of a known vendor; `creator` is the value of its private creator element."""
    entry = _private_entry(tag, creator)
    return entry[0] if entry else None


def name_of_tag(tag: int, private_creator: str | None = None) -> str:
    """A name for people: "Patient's Name", "Group Length", "Private Creator", "Unknown"."""
    entry = find_entry(tag)
    if entry:
        return entry[2]
    if tag & 0xFFFF == 0:
        return "Group Length"
    if is_private(tag):
        if is_private_creator(tag):
            return "Private Creator"
        known = _private_entry(tag, private_creator) if private_creator else None
        return known[2] if known else "Private"
    return "Unknown"


def format_tag(tag: int) -> str:
    """Write a tag as the standard prints it: (0010,0020)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
