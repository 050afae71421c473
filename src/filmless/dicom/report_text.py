"""A structured report as plain text."""

from __future__ import annotations

import re
from typing import Final

from filmless.dicom.report import ContentItem, Report

_SYMBOLS: Final = {"[hnsf'U]": "HU", "mm2": "mm²", "cm2": "cm²", "mm3": "mm³", "cm3": "cm³", "Cel": "°C", "um": "µm"}


_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # not TAB, LF and CR


def printable(text: str) -> str:
    """Put U+FFFD in the place of control characters: an escape sequence would be obeyed by a terminal."""
    return _CONTROL.sub("\ufffd", text)


def value_of(item: ContentItem) -> str:
    """The value of an item in one string: a measurement with its unit, a code by its meaning."""
    if item.code is not None:
        return str(item.code)
    return f"{item.text} {unit_of(item)}".strip()


def unit_of(item: ContentItem) -> str:
    """The unit as people write it: the UCUM code, which mostly is the symbol; nothing for a bare number."""
    unit = item.unit
    if unit is None or unit.value in {"1", "{unity}"}:
        return ""
    if unit.scheme == "UCUM" and not unit.value.startswith("{"):
        return _SYMBOLS.get(unit.value, unit.value)
    return str(unit)


def to_text(report: Report) -> str:
    """Write a report: head, then items indented by their depth."""
    lines = [report.title, f"{report.kind}. {report.completion}. {report.verification}.", ""]
    lines += [f"{label}: {value}" for label, value in (*report.facts, *report.study_facts)]
    lines += ["", *(f"NOTE: {cut}" for cut in report.cuts)]
    _write(report.root, 0, lines)
    return printable("\n".join(lines).rstrip()) + "\n"


def _write(item: ContentItem, depth: int, lines: list[str]) -> None:
    for child in item.children:
        indent = "  " * depth
        name = str(child.name) if child.name else "Content" if child.is_container else child.value_type.capitalize()
        if child.target:
            value = f"see item {child.target}"
        elif child.references:
            value = ", ".join(f"{child.value_type.lower()} {each.sop_instance_uid}" for each in child.references)
        else:
            value = value_of(child).replace("\r\n", "\n").replace("\r", "\n").replace("\n", f"\n{indent}  ")
        lines.append(f"{indent}{name}: {value}".rstrip() if value else f"{indent}{name}")
        _write(child, depth + 1, lines)
