"""A structured report as PDF, set by Typst (the extra `pdf`): archival (PDF/A-2a) and tagged for screen readers (UA-1).

Texts of the data set reach the typesetter as data and never as its markup: nothing in a report can become a command.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from filmless.dicom.report import ContentItem, Report
from filmless.dicom.report_text import unit_of, value_of
from filmless.dicom.uids import name_of
from filmless.errors import NotAcceptable

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_STANDARDS: Final = ["a-2a", "ua-1"]

_TEMPLATE: Final = r"""
#let report = json("report.json")
#set document(title: report.title, date: auto)
#set page(
  paper: "a4", margin: (x: 20mm, top: 18mm, bottom: 20mm),
  footer: context [
    #set text(8pt, fill: luma(40%))
    #grid(columns: (1fr, auto), report.footer, [#counter(page).display() / #counter(page).final().first()])
  ],
)
#set text(font: ("Noto Sans", "DejaVu Sans", "Libertinus Serif"), size: 10pt, lang: "en", hyphenate: false)
#set par(justify: false)
#show heading: set block(above: 1.2em, below: 0.6em)
#show heading.where(level: 1): set text(12pt)
#show heading.where(level: 2): set text(11pt)
#show heading: set text(10pt)
#show title: set text(16pt)
#let dim(it) = text(fill: luma(35%), it)
#text(9pt, dim(report.kind))
#title()
#strong(report.state)
#for cut in report.cuts [#block(stroke: 0.6pt + luma(30%), inset: 6pt, radius: 3pt, cut)]
#let facts(rows) = grid(
  columns: (auto, 1fr), column-gutter: 8pt, row-gutter: 5pt,
  ..rows.map(row => (dim(row.at(0)), row.at(1))).flatten()
)
#block(above: 1em, below: 1em, grid(columns: (1fr, 1fr), column-gutter: 12pt, facts(report.facts), facts(report.study)))
#for row in report.rows {
  let inset = calc.min(row.depth, 12) * 9pt
  if row.form == "heading" {
    pad(left: inset, heading(level: calc.min(row.depth + 1, 6), row.name))
  } else if row.form == "table" {
    pad(left: inset, table(
      columns: (1fr, auto, auto), align: (left, right, left), stroke: (x, y) => (bottom: 0.4pt + luma(70%)),
      table.header("Measurement", "Value", "Unit"),
      ..row.cells.flatten()
    ))
  } else {
    pad(left: inset, par[#dim(row.name) #row.value])
  }
}
"""


def to_pdf(model: dict[str, Any]) -> bytes:
    """Typeset a report from its `to_model`. The same model gives the same bytes.

    Raises
    ------
    NotAcceptable: Typst is not installed, or the fonts of this machine lack letters of the report.
    """
    try:
        import typst
    except ImportError as error:
        raise NotAcceptable(
            "PDF of a report needs the optional typesetter, which is not installed here: pip install 'filmless[pdf]'"
        ) from error
    files = {"main": _TEMPLATE.encode(), "report.json": json.dumps(_printable(model)).encode()}
    typeset: Any = typst.compile  # its types know no files in memory
    try:
        made = typeset(files, format="pdf", pdf_standards=_STANDARDS, timestamp=_timestamp(model))
    except typst.TypstError as error:
        # What Typst says quotes the report, which an error must not.
        raise NotAcceptable(
            "the report cannot be set as PDF, mostly because the fonts of this machine lack letters of it; "
            "it is given as text/html"
        ) from error
    return bytes(made)


def _printable(value: Any) -> Any:
    """Leave out control characters, for which no font has a glyph."""
    if isinstance(value, str):
        return _CONTROL.sub("", value)
    if isinstance(value, dict):
        return {key: _printable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(each) for each in value]
    return value


def _timestamp(model: dict[str, Any]) -> int:
    """Give the day of the report, which PDF/A wants: when it was written, else of the study, in seconds since 1970."""
    for label, value in reversed(model["study"]):
        if label in {"Written", "Study date"}:
            try:
                return int(datetime.fromisoformat(f"{value[:10]}T00:00:00+00:00").timestamp())
            except ValueError:
                continue
    return 0


def to_model(report: Report) -> dict[str, Any]:
    """Lay a report out as rows for the typesetter: no nesting, so that its depth costs nothing."""
    facts = dict(report.facts)
    return {
        "kind": report.kind,
        "title": report.title,
        "state": f"{report.completion}. {report.verification}.",
        "cuts": [f"{cut} The instance itself holds all of it." for cut in report.cuts],
        "facts": report.facts,
        "study": report.study_facts,
        "footer": " · ".join(text for text in (facts.get("Patient", ""), facts.get("Patient ID", "")) if text),
        "rows": list(_rows(report.root, 0)),
    }


def _rows(item: ContentItem, depth: int) -> Iterator[dict[str, Any]]:
    for is_table, group in groupby(item.children, _is_bare_number):
        children = list(group)
        if is_table and len(children) > 1:
            cells = [[_name(child), child.text, unit_of(child)] for child in children]
            yield {"form": "table", "depth": depth, "cells": cells}
            continue
        for child in children:
            form = "heading" if child.is_container else "line"
            yield {"form": form, "depth": depth, "name": _name(child), "value": _value(child)}
            yield from _rows(child, depth + 1)


def _is_bare_number(item: ContentItem) -> bool:
    return item.value_type == "NUM" and not item.children and not item.target


def _name(item: ContentItem) -> str:
    return str(item.name) if item.name else "Content" if item.is_container else item.value_type.capitalize()


def _value(item: ContentItem) -> str:
    if item.target:
        return f"see item {item.target}"
    if item.references:
        return ", ".join(
            name_of(each.sop_class_uid).removesuffix(" Storage")
            + (f" frame {', '.join(map(str, each.frame_numbers[:24]))}" if each.frame_numbers else "")
            for each in item.references
        )
    when = f" (observed {item.observed_at})" if item.observed_at else ""
    return value_of(item).replace("\r\n", "\n").replace("\r", "\n").rstrip() + when
