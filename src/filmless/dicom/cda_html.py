"""An encapsulated CDA document as one HTML page without scripts (HL7 CDA R2: header 4.2, body and narrative 4.3.5).

Only what the narrative block knows is kept, by a list of what is allowed; every text is escaped where it is written.
Links, pictures and styles of the document are left out: the page loads nothing and leads nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any, Final

from lxml import etree

from filmless.dicom.plain import plain_datetime
from filmless.dicom.report_html import STYLE
from filmless.errors import Refused

_DEPTH_MAX: Final = 48
_PLAIN: Final = {"table", "thead", "tbody", "tfoot", "tr", "th", "td", "sub", "sup"}
_STYLES: Final = {"bold": "b", "italics": "i", "underline": "u", "emphasis": "em"}
_SEXES: Final = {"M": "male", "F": "female", "UN": "other"}


def cda_to_html(document: bytes) -> bytes:
    """Write a CDA document as a page in UTF-8.

    Raises
    ------
    Refused: it is no well-formed XML, or no CDA document.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refused("the encapsulated document is no well-formed XML; it is given as text/xml as it is") from error
    if _name(root) != "ClinicalDocument":
        raise Refused(
            f"the encapsulated document is a {_name(root)[:40]}, no ClinicalDocument; it is given as text/xml"
        )
    return "".join(_page(root)).encode("utf-8", "replace")


def _name(element: Any) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _children(element: Any, *path: str) -> list[Any]:
    """Find the elements at a path of local names, whatever their namespace."""
    level = [element]
    for name in path:
        level = [child for each in level for child in each if _name(child) == name]
    return level


def _text(element: Any, *path: str) -> str:
    return next((" ".join("".join(each.itertext()).split()) for each in _children(element, *path)), "")


def _attribute(element: Any, name: str, *path: str) -> str:
    return next((each.get(name, "") for each in _children(element, *path)), "")


def _person(name: Any) -> str:
    """Write a name as the screen does: the family name first."""
    family, given = (
        " ".join(" ".join(part.itertext()).strip() for part in _children(name, kind)) for kind in ("family", "given")
    )
    return ", ".join(part for part in (family, given) if part) or " ".join("".join(name.itertext()).split())


def _facts(root: Any) -> Iterator[tuple[str, str]]:
    role = next(iter(_children(root, "recordTarget", "patientRole")), None)
    if role is not None:
        for name in _children(role, "patient", "name")[:1]:
            yield "Patient", _person(name)
        yield "Patient ID", _attribute(role, "extension", "id")
        yield "Born", plain_datetime(_attribute(role, "value", "patient", "birthTime"))
        sex = _attribute(role, "code", "patient", "administrativeGenderCode")
        yield "Sex", _SEXES.get(sex, sex)
    yield "Written", plain_datetime(_attribute(root, "value", "effectiveTime"))
    for name in _children(root, "author", "assignedAuthor", "assignedPerson", "name")[:10]:
        yield "Author", _person(name)
    for name in _children(root, "legalAuthenticator", "assignedEntity", "assignedPerson", "name")[:5]:
        yield "Signed by", _person(name)
    yield "Kept by", _text(root, "custodian", "assignedCustodian", "representedCustodianOrganization", "name")


def _page(root: Any) -> Iterator[str]:
    title = escape(_text(root, "title") or _attribute(root, "displayName", "code") or "Clinical document")
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<header>\n"
    yield f'<p class="kind">Clinical document (CDA)</p>\n<h1 dir="auto">{title}</h1>\n<div class="facts"><dl>\n'
    for label, value in _facts(root):
        if value:
            yield f'<dt>{escape(label)}</dt><dd dir="auto">{escape(value)}</dd>\n'
    yield "</dl></div>\n</header>\n"
    for section in _children(root, "component", "structuredBody", "component", "section"):
        yield from _section(section, 2)
    for body in _children(root, "component", "nonXMLBody", "text"):
        kind = escape(body.get("mediaType", "another kind")[:60])
        yield f'<p class="note">The body of this document is a file of {kind}, which is not shown here.</p>\n'
    yield "</main>\n</body>\n</html>\n"


def _section(section: Any, level: int) -> Iterator[str]:
    title = _text(section, "title")
    yield "<section>\n"
    if title:
        head = f"h{min(level, 6)}"
        yield f'<{head} dir="auto">{escape(title)}</{head}>\n'
    for text in _children(section, "text"):
        yield f'<div dir="auto">{"".join(_narrative(text, level))}</div>\n'
    if level < _DEPTH_MAX:
        for inner in _children(section, "component", "section"):
            yield from _section(inner, level + 1)
    yield "</section>\n"


def _narrative(element: Any, depth: int) -> Iterator[str]:
    """Write what is in an element of the narrative block, its own text included."""
    yield escape(element.text or "")
    for child in element:
        if depth < _DEPTH_MAX:
            before, after = _tags(child)
            yield before
            yield from _narrative(child, depth + 1)
            yield after
        yield escape(child.tail or "")


def _tags(element: Any) -> tuple[str, str]:
    name = _name(element)
    if name in _PLAIN:
        return f"<{name}{_span(element)}>", f"</{name}>"
    if name == "paragraph":
        return "<p>", "</p>"
    if name == "list":
        kind = "ol" if element.get("listType") == "ordered" else "ul"
        return f"<{kind}>", f"</{kind}>"
    if name == "item":
        return "<li>", "</li>"
    if name == "br":
        return "<br>", ""
    if name == "caption":
        return '<b class="name">', "</b> "
    if name == "content":
        styles = (element.get("styleCode") or "").lower().split()
        kind = next((_STYLES[style] for style in styles if style in _STYLES), "span")
        return f"<{kind}>", f"</{kind}>"
    if name == "renderMultiMedia":
        return '<span class="context">(a picture, which is not shown here) ', "</span>"
    return "", ""


def _span(element: Any) -> str:
    spans = ""
    for attribute in ("colspan", "rowspan"):
        value = element.get(attribute, "")
        if value.isascii() and value.isdigit() and 1 < int(value) <= 1000:
            spans += f' {attribute}="{int(value)}"'
    return spans
