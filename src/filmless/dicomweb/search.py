"""QIDO-RS: the Search transaction of the Studies Service (PS3.18 8.3.4, 10.6)."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from filmless.access.principal import Principal
from filmless.dicom.dictionary import tag_of, vr_of
from filmless.dicom.xml import to_xml
from filmless.dicomweb.answers import principal_of, service_url
from filmless.dicomweb.multipart import content_type, documents, new_boundary
from filmless.dicomweb.negotiation import DICOM_XML, ModelForm, choose_model_form, read_accept
from filmless.errors import Refused
from filmless.query import attributes as at
from filmless.query.search import JsonDataset, Level, Options, Position, Query, Wanted, find_page, read_query

if TYPE_CHECKING:
    from filmless.archive import Archive

_GZIP_FROM_BYTES: Final = 1400  # below, the answer is one packet either way
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_PATH_DEPTH_MAX: Final = 8
_PARAMETERS_MAX: Final = 200

# What is returned unasked: tables 10.6.3-3, -4 and -5. In the second set what is only there when it is known.
_STUDY = (
    at.STUDY_DATE, at.STUDY_TIME, at.ACCESSION_NUMBER, at.AVAILABILITY, at.MODALITIES_IN_STUDY, at.REFERRING_PHYSICIAN,
    at.TIMEZONE, at.RETRIEVE_URL, at.PATIENT_NAME, at.PATIENT_ID, at.PATIENT_BIRTH_DATE, at.PATIENT_SEX, at.STUDY_UID,
    at.STUDY_ID, at.STUDY_SERIES, at.STUDY_INSTANCES,
)  # fmt: skip
_SERIES = (
    at.MODALITY, at.TIMEZONE, at.SERIES_DESCRIPTION, at.RETRIEVE_URL, at.SERIES_UID, at.SERIES_NUMBER,
    at.SERIES_INSTANCES, at.AVAILABILITY, "00400244", "00400245", at.REQUEST_ATTRIBUTES,
)  # fmt: skip
_INSTANCE = (
    at.SOP_CLASS_UID, at.SOP_INSTANCE_UID, at.AVAILABILITY, at.TIMEZONE, at.RETRIEVE_URL, at.INSTANCE_NUMBER, at.ROWS,
    at.COLUMNS, at.BITS_ALLOCATED, at.NUMBER_OF_FRAMES,
)  # fmt: skip
_ONLY_IF_KNOWN: Final = frozenset(
    {at.TIMEZONE, at.SERIES_DESCRIPTION, "00400244", "00400245", at.REQUEST_ATTRIBUTES, at.ROWS, at.COLUMNS,
     at.BITS_ALLOCATED, at.NUMBER_OF_FRAMES}
)  # fmt: skip
_REQUEST_ATTRIBUTES: Final[Wanted] = {"00400009": None, "00401001": None}


@dataclass(frozen=True, slots=True)
class Resource:
    """A target resource of table 10.6.1-2: its level, and what its answers carry unasked."""

    path: str
    level: Level
    returned: tuple[str, ...]


RESOURCES: Final = (
    Resource("/studies", Level.STUDY, _STUDY),
    Resource("/studies/{study}/series", Level.SERIES, (at.STUDY_UID, *_SERIES)),
    Resource("/series", Level.SERIES, (*_STUDY, *_SERIES)),
    Resource("/studies/{study}/series/{series}/instances", Level.IMAGE, (at.STUDY_UID, at.SERIES_UID, *_INSTANCE)),
    Resource("/studies/{study}/instances", Level.IMAGE, (at.STUDY_UID, *_SERIES, *_INSTANCE)),
    Resource("/instances", Level.IMAGE, (*_STUDY, *_SERIES, *_INSTANCE)),
)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The query of a request, read: what `read_parameters` makes of it."""

    identifier: JsonDataset
    included: Wanted
    includes_all: bool
    limit: int | None
    offset: int
    options: Options
    cursor: str | None = None


def search_routes(archive: Archive) -> list[BaseRoute]:
    """Give the routes of this transaction."""
    return [Route(resource.path, _endpoint(archive, resource), methods=["GET"]) for resource in RESOURCES]


def _endpoint(archive: Archive, resource: Resource) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(search, archive, principal_of(request), resource, request)

    return endpoint


def search(archive: Archive, principal: Principal, resource: Resource, request: Request) -> Response:
    """Answer one search.

    Raises
    ------
    Refused: a parameter is not understood. NotAcceptable: the caller takes neither DICOM JSON nor XML.
    """
    form = choose_model_form(read_accept(request.headers, request.query_params), is_single=False)
    asked = read_parameters(request.query_params.multi_items())
    for name, tag in (("study", at.STUDY_UID), ("series", at.SERIES_UID)):
        if name in request.path_params:
            asked.identifier[tag] = {"vr": "UI", "Value": [request.path_params[name]]}
    wanted: dict[str, Wanted | None] = dict.fromkeys(resource.returned)
    if at.REQUEST_ATTRIBUTES in wanted:
        wanted[at.REQUEST_ATTRIBUTES] = _REQUEST_ATTRIBUTES
    named = {**dict.fromkeys(asked.identifier), **asked.included}
    wanted |= {tag: inner for tag, inner in named.items() if at.is_supported(resource.level, tag)}
    wanted.pop(at.CHARACTER_SET, None)  # JSON is UTF-8
    query = read_query(resource.level, asked.identifier, asked.options, wanted=wanted, wants_all=asked.includes_all)
    limit = _limit(archive, request, asked)
    after = None if asked.cursor is None else _read_cursor(asked.cursor, resource)
    page = find_page(archive, principal, query, limit=limit, offset=asked.offset, after=after)
    service = service_url(archive, request)
    for dataset in page.datasets:
        _finish(dataset, resource, named, service)
    headers = {"Cache-Control": "no-store", "Vary": "Accept, Accept-Encoding"}
    warnings = _warnings(query, named, has_more=page.has_more)
    if warnings:
        headers["Warning"] = ", ".join(f'299 {service} "{warning}"' for warning in warnings)
    if page.has_more and page.position is not None:
        headers["Link"] = f'<{_next_address(request, service, resource, page.position)}>; rel="next"'
    return written(request, form, page.datasets, headers)


def written(request: Request, form: ModelForm, datasets: list[JsonDataset], headers: dict[str, str]) -> Response:
    """Answer with matches in the form that was chosen, in gzip where the caller takes it and it saves a packet."""
    media_type, body = _write(form, datasets)
    if len(body) >= _GZIP_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    headers["Content-Type"] = media_type
    return Response(body, headers=headers)


def _next_address(request: Request, service: str, resource: Resource, position: Position) -> str:
    """Where the next page is (RFC 8288): behind the last match of this one, whatever comes or goes meanwhile."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("cursor", "offset")]
    written = base64.urlsafe_b64encode(orjson.dumps([int(resource.level), *position])).decode().rstrip("=")
    return f"{service}{quote(path)}?{urlencode([*kept, ('cursor', written)])}"


def _read_cursor(text: str, resource: Resource) -> Position:
    """Read the place that an earlier answer named.

    Raises
    ------
    Refused
    """
    try:
        found = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except ValueError as error:
        raise Refused(f"cursor is {text[:40]!r}; take the address in the Link header of an earlier answer") from error
    if not isinstance(found, list) or not found or found[0] != int(resource.level) or len(text) > 1024:
        raise Refused("this cursor is of another search")
    return tuple(found[1:])


def _limit(archive: Archive, request: Request, asked: Parameters) -> int:
    """Within one study the whole answer is expected; across studies a page is, unless the caller names a limit."""
    settings = archive.settings
    default = settings.query_page_max if request.path_params else settings.query_page_default
    return min(default if asked.limit is None else asked.limit, settings.query_page_max)


def _write(form: ModelForm, datasets: list[JsonDataset]) -> tuple[str, bytes]:
    """Write matches: the Content-Type and the body."""
    if not form.is_xml:
        return form.media_type, orjson.dumps(datasets)
    boundary = new_boundary()
    body = b"".join(documents(boundary, DICOM_XML, map(to_xml, datasets)))
    return content_type(boundary, DICOM_XML), body


def read_parameters(items: Iterable[tuple[str, str]]) -> Parameters:
    """Read the query parameters of table 8.3.4-1.

    Raises
    ------
    Refused: a name is neither a parameter nor an attribute, or a value is not one that it takes.
    """
    identifier: JsonDataset = {}
    included: dict[str, Any] = {}
    includes_all = False
    numbers: dict[str, int] = {}
    cursor: str | None = None
    flags = {"fuzzymatching": False, "emptyvaluematching": False, "multiplevaluematching": False}
    matched: list[tuple[str, str]] = []
    for count, (name, value) in enumerate(items):
        if count >= _PARAMETERS_MAX:
            raise Refused(f"a search takes at most {_PARAMETERS_MAX} parameters")
        if name in flags:
            flags[name] = _flag(name, value)
        elif name in ("limit", "offset"):
            numbers[name] = _number(name, value)
        elif name == "cursor":
            cursor = value
        elif name == "includefield":
            for part in filter(None, (part.strip() for part in value.split(","))):
                if part.lower() == "all":
                    includes_all = True
                else:
                    _include(included, read_path(part))
        elif name not in ("accept", "charset"):
            matched.append((name, value))
    for name, value in matched:
        path = read_path(name)
        _match(identifier, path, _values(path[-1], value, splits=flags["multiplevaluematching"]))
    options = Options(
        relational=True,
        combined_date_time=True,
        fuzzy=flags["fuzzymatching"],
        timezone=at.TIMEZONE in identifier,
        empty_values=flags["emptyvaluematching"],
        multiple_values=flags["multiplevaluematching"],
    )
    if cursor is not None and numbers.get("offset"):
        raise Refused("a cursor says where to go on: offset is not for it")
    return Parameters(
        identifier, included, includes_all, numbers.get("limit"), numbers.get("offset", 0), options, cursor
    )


def _flag(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise Refused(f"{name} is {value!r}; it takes true or false")
    return value.lower() == "true"


def _number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise Refused(f"{name} is {value!r}; it takes a number from 0 to 999999999")
    return int(value)


def read_path(text: str) -> list[str]:
    """Read an attribute: a keyword or eight hexadecimal digits, in sequences with dots between (8.3.4.1).

    Raises
    ------
    Refused: there is no such attribute, or something other than a sequence stands before a dot.
    """
    path: list[str] = []
    for name in text.split("."):
        tag = int(name, 16) if _TAG.fullmatch(name) else tag_of(name)
        if tag is None:
            raise Refused(f"{name!r} is no search parameter, DICOM keyword or tag of eight hexadecimal digits")
        path.append(f"{tag:08X}")
    if len(path) > _PATH_DEPTH_MAX:
        raise Refused(f"{text!r} is nested deeper than {_PATH_DEPTH_MAX}")
    for tag_text in path[:-1]:
        if _vr(tag_text) not in ("SQ", "UN"):
            raise Refused(f"{tag_text} in {text!r} is not a sequence")
    return path


def _vr(tag: str) -> str:
    vr = vr_of(int(tag, 16))
    if vr is None:
        return "UN"
    return vr.split(" or ")[0]


def _values(tag: str, value: str, *, splits: bool) -> list[str]:
    """Split a value where several are allowed: UIDs and codes by comma, all by backslash."""
    vr = _vr(tag)
    if vr in ("LT", "ST", "UT", "UR"):
        return [value] if value else []
    separators = r"[,\\]" if splits or vr in ("UI", "CS") else r"\\"
    return [part.strip() for part in re.split(separators, value) if part.strip()]


def _match(identifier: JsonDataset, path: list[str], values: list[str]) -> None:
    """Put a key in its place; the same attribute twice is one key of several values."""
    for tag in path[:-1]:
        element = identifier.setdefault(tag, {"vr": "SQ", "Value": [{}]})
        if element["vr"] != "SQ":
            raise Refused(f"{tag} is given both as a sequence and as a value")
        if not element.get("Value"):
            element["Value"] = [{}]
        identifier = element["Value"][0]
    element = identifier.setdefault(path[-1], {"vr": _vr(path[-1])})
    if element["vr"] == "SQ":
        if values:
            raise Refused(f"{path[-1]} is a sequence; name the attribute within it, with a dot between")
        return
    if values:
        element.setdefault("Value", []).extend(values)


def _include(included: dict[str, Any], path: list[str]) -> None:
    """Put an attribute to return in its place; the whole of a sequence wins over parts of it."""
    for tag in path[:-1]:
        inner = included.setdefault(tag, {})
        if inner is None:
            return
        included = inner
    included[path[-1]] = None


def _finish(dataset: JsonDataset, resource: Resource, named: Mapping[str, Any], service: str) -> None:
    """Say where to retrieve the match, and take out what is not known and was not asked for by name."""
    url = f"{service}/studies/{_uid(dataset, at.STUDY_UID)}"
    if resource.level >= Level.SERIES:
        url += f"/series/{_uid(dataset, at.SERIES_UID)}"
    if resource.level is Level.IMAGE:
        url += f"/instances/{_uid(dataset, at.SOP_INSTANCE_UID)}"
    dataset[at.RETRIEVE_URL] = {"vr": "UR", "Value": [url]}
    for tag in _ONLY_IF_KNOWN:
        if tag in dataset and tag not in named and not dataset[tag].get("Value"):
            del dataset[tag]


def _uid(dataset: JsonDataset, tag: str) -> str:
    uid: str = dataset[tag]["Value"][0]
    return uid


def _warnings(query: Query, named: Mapping[str, Any], *, has_more: bool) -> list[str]:
    warnings = []
    if has_more:
        warnings.append("There are additional results that can be requested.")
    ignored = sorted(query.unsupported - {at.CHARACTER_SET})
    ignored += sorted(tag for tag in named if not at.is_supported(query.level, tag) and tag not in query.unsupported
                      and not any(key.tag == tag and not key.is_universal for key in query.keys.keys))  # fmt: skip
    if ignored:
        warnings.append(f"These attributes are not supported at this level and were ignored: {' '.join(ignored)}.")
    return warnings
