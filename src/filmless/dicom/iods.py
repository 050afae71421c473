"""What an instance of a storage class must have (PS3.3 annex A): attributes of type 1 and 2 of its mandatory modules.

`iods.json` is written by `tools/iods.py`. What stands within sequences, and what a condition requires, is not in it.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Required:
    """Tags as DICOM JSON names them: of type 1, which need a value, and of type 2, which may be empty."""

    type_1: frozenset[str]
    type_2: frozenset[str]


@functools.cache
def _tables() -> Any:
    return json.loads((resources.files("filmless.dicom") / "iods.json").read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=256)
def required_of(sop_class_uid: str) -> Required | None:
    """Give what a class requires; None for a private or unknown one."""
    tables = _tables()
    iod = tables["classes"].get(sop_class_uid)
    if iod is None:
        return None
    named = [tables["modules"][module] for module in tables["iods"][iod]]
    type_1 = frozenset(tag for first, _ in named for tag in first)
    return Required(type_1, frozenset(tag for _, second in named for tag in second) - type_1)
