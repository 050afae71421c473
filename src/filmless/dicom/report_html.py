"""A structured report as one HTML page without scripts: headings, lists and tables that a screen reader follows.

Every text of the data set is escaped here, at the one place where it is written. Who sends the page sends
`CONTENT_SECURITY_POLICY` with it: nothing runs and nothing is loaded, even if an escape were forgotten.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape as escape_markup
from itertools import groupby
from typing import Final

from filmless.dicom.report import Code, ContentItem, Reference, Report
from filmless.dicom.report_text import printable, unit_of, value_of
from filmless.dicom.uids import name_of

_FRAMES_LINKED: Final = 24


def escape(text: str) -> str:
    """Write a text of the data set so that it is a text to a browser and to a terminal."""
    return escape_markup(printable(text))


STYLE: Final = """
:root{color-scheme:dark;--bg:#0c0f11;--surface:#13181c;--line:#262e34;--text:#d9e0e4;--soft:#b6c0c6;--dim:#94a1a9;
--accent:#34c7b3;--warn:#ffd479}
*{box-sizing:border-box}
html{background:var(--bg);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
-webkit-text-size-adjust:100%;overflow-wrap:anywhere}
body{margin:0}
main{max-width:56rem;margin:0 auto;padding:1.5rem 1.25rem 4rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem;font-weight:600}
h2,h3,h4,h5,h6,.deep{line-height:1.3;margin:1.5rem 0 .5rem;font-weight:600;font-size:1rem}
h2{font-size:1.1875rem;border-bottom:1px solid var(--line);padding-bottom:.25rem;margin-top:2rem}
h3{font-size:1.0625rem}
p{margin:.25rem 0}
.kind,.state,.context,.when{color:var(--dim);font-size:.875rem}
.state b{font-weight:600;color:var(--soft)}
.note{border:1px solid var(--warn);color:var(--warn);border-radius:6px;padding:.5rem .75rem;margin:1rem 0}
.facts{display:grid;grid-template-columns:1fr 1fr;gap:0 2rem;margin:1.25rem 0;padding:.75rem 1rem;
background:var(--surface);border:1px solid var(--line);border-radius:8px}
dl{margin:0;display:grid;grid-template-columns:max-content 1fr;gap:.125rem .75rem;align-content:start}
dt,.name{color:var(--dim)}
dd{margin:0}
ul{list-style:none;margin:.25rem 0;padding:0}
li{margin:.375rem 0}
li>ul,li>table,section section{margin-left:.25rem;padding-left:.75rem;border-left:1px solid var(--line)}
.text{white-space:pre-wrap;display:block}
.number{font-variant-numeric:tabular-nums}
table{border-collapse:collapse;margin:.5rem 0;width:100%}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{text-align:left;vertical-align:top;padding:.3125rem .75rem .3125rem 0;border-bottom:1px solid var(--line);
font-weight:400}
thead th{color:var(--dim);font-size:.875rem}
td.number{white-space:nowrap;text-align:right}
thead th:nth-child(2){text-align:right}
a{color:var(--accent)}
a:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
:target{background:rgba(31,176,160,.14)}
@media(max-width:40rem){main{padding:1rem .875rem 3rem}.facts{grid-template-columns:1fr;gap:.5rem 0}
dl{grid-template-columns:8.5rem 1fr}}
@media print{:root{color-scheme:light;--bg:#fff;--surface:#fff;--line:#bbb;--text:#000;--soft:#222;--dim:#444;
--accent:#000;--warn:#000}}
""".strip()

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)

_RELATIONS: Final = {
    "HAS PROPERTIES": "",
    "CONTAINS": "",
    "HAS OBS CONTEXT": "context",
    "HAS ACQ CONTEXT": "acquisition context",
    "HAS CONCEPT MOD": "modifier",
    "INFERRED FROM": "inferred from",
    "SELECTED FROM": "selected from",
}


def to_html(report: Report, links: Mapping[str, str]) -> bytes:
    """Write a report as a page in UTF-8.

    Parameters
    ----------
    links : for SOP Instance UIDs that the reader may see, where each is shown: the address of the instance itself,
        `/rendered` not included.
    """
    return "".join(_page(report, links)).encode("utf-8", "replace")


def _page(report: Report, links: Mapping[str, str]) -> Iterator[str]:
    title = escape(report.title)
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f'<meta name="referrer" content="no-referrer">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n'
    yield '<body>\n<main>\n<header id="item-1">\n'
    yield f'<p class="kind">{escape(report.kind)}</p>\n'
    yield f"<h1{_titled(report.root.name)} dir='auto'>{title}</h1>\n"
    yield f'<p class="state"><b>{escape(report.completion)}</b> · <b>{escape(report.verification)}</b></p>\n'
    for cut in report.cuts:
        yield f'<p class="note" role="note">{escape(cut)} The instance itself holds all of it.</p>\n'
    yield '<div class="facts">\n'
    for label, facts in (("Patient", report.facts), ("Study", report.study_facts)):
        yield f'<dl aria-label="{label}">\n'
        for name, value in facts:
            yield f'<dt>{escape(name)}</dt><dd dir="auto">{escape(value)}</dd>\n'
        yield "</dl>\n"
    yield "</div>\n</header>\n"
    yield from _content(report.root, 2, links)
    yield "</main>\n</body>\n</html>\n"


def _titled(code: Code | None) -> str:
    """The title attribute that holds a code."""
    return f' title="{escape(code.explained)}"' if code is not None and code.explained else ""


def _name(item: ContentItem) -> str:
    if item.name is not None:
        return escape(str(item.name))
    return "Content" if item.is_container else escape(item.value_type.capitalize() or "Item")


def _content(item: ContentItem, level: int, links: Mapping[str, str]) -> Iterator[str]:
    """Write the children of an item: containers as sections, measurements in a row as tables, the rest as lists."""
    for kind, group in groupby(item.children, _form):
        children = list(group)
        if kind == "section":
            for child in children:
                yield from _section(child, level, links)
        elif kind == "row" and len(children) > 1:
            yield from _table(children, item)
        else:
            yield "<ul>\n"
            for child in children:
                yield from _list_item(child, level, links)
            yield "</ul>\n"


def _form(item: ContentItem) -> str:
    if item.is_container:
        return "section"
    is_bare = item.value_type == "NUM" and not item.children and not item.target
    return "row" if is_bare else "line"


def _section(item: ContentItem, level: int, links: Mapping[str, str]) -> Iterator[str]:
    number = escape(item.number)
    head = f"h{level}" if level <= 6 else "p"
    role = f' class="deep" role="heading" aria-level="{level}"' if level > 6 else ""
    yield f'<section id="item-{number}" aria-labelledby="head-{number}">\n'
    yield f'<{head} id="head-{number}"{role}{_titled(item.name)} dir="auto">{_name(item)}</{head}>\n'
    yield _when(item)
    yield from _content(item, level + 1, links)
    yield "</section>\n"


def _table(items: list[ContentItem], parent: ContentItem) -> Iterator[str]:
    yield f"<table>\n<caption>Measurements: {_name(parent)}</caption>\n"
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Measurement", "Value", "Unit"))
    yield f"<thead><tr>{heads}</tr></thead>\n"
    yield "<tbody>\n"
    for item in items:
        yield f'<tr id="item-{escape(item.number)}"><th scope="row"{_titled(item.name)} dir="auto">{_name(item)}</th>'
        yield f'<td class="number">{escape(item.text)}</td>'
        yield f"<td{_titled(item.unit)}>{escape(unit_of(item))}</td></tr>\n"
    yield "</tbody>\n</table>\n"


def _list_item(item: ContentItem, level: int, links: Mapping[str, str]) -> Iterator[str]:
    yield f'<li id="item-{escape(item.number)}">'
    relation = _RELATIONS.get(item.relationship, item.relationship.lower())
    if item.target:
        place, relation = escape(item.target), escape(relation or "see")
        yield f'<span class="context">{relation}</span> <a href="#item-{place}">item {place}</a></li>\n'
        return
    if relation:
        yield f'<span class="context">{escape(relation)}</span> '
    yield f'<span class="name"{_titled(item.name)} dir="auto">{_name(item)}</span> '
    yield _value(item, links)
    yield _when(item)
    if item.children:
        yield "\n"
        yield from _content(item, level, links)
    yield "</li>\n"


def _when(item: ContentItem) -> str:
    return f' <span class="when">observed {escape(item.observed_at)}</span>' if item.observed_at else ""


def _value(item: ContentItem, links: Mapping[str, str]) -> str:
    if item.references:
        return ", ".join(_reference(reference, links) for reference in item.references)
    if item.value_type == "TEXT":
        return f'<span class="text" dir="auto">{escape(item.text.rstrip())}</span>'
    if item.value_type == "NUM":
        return f'<span class="number"{_titled(item.unit)}>{escape(value_of(item))}</span>'
    return f'<span{_titled(item.code)} dir="auto">{escape(value_of(item))}</span>'


def _reference(reference: Reference, links: Mapping[str, str]) -> str:
    kind = escape(name_of(reference.sop_class_uid).removesuffix(" Storage") or "instance")
    uid = escape(reference.sop_instance_uid)
    segments = reference.segment_numbers[:_FRAMES_LINKED]
    of = f", segment {', '.join(map(str, segments))}" if segments else ""
    address = links.get(reference.sop_instance_uid)
    if address is None:
        frames = f", frame {', '.join(map(str, reference.frame_numbers[:_FRAMES_LINKED]))}"
        return f'<span title="{uid}">{kind}{frames if reference.frame_numbers else ""}{of}, not available here</span>'
    address = escape(address)
    if not reference.frame_numbers:
        return f"{_link(f'{address}/rendered', kind, uid)}{of}"
    shown = [
        _link(f"{address}/frames/{number}/rendered", f"frame {number}", uid)
        for number in reference.frame_numbers[:_FRAMES_LINKED]
    ]
    rest = len(reference.frame_numbers) - len(shown)
    return f"{kind} {', '.join(shown)}{f' and {rest} more frames' if rest else ''}{of}"


def _link(address: str, text: str, title: str) -> str:
    return f'<a href="{address}" title="{title}" target="_blank" rel="noopener noreferrer">{text}</a>'
