"""Retrieve Capabilities (PS3.18 8.9): what can be asked of this service, in WADL or as JSON.

The table is held to the routes by a test: what is served is listed, and what is listed is served.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import quoteattr

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from filmless.archive import Archive
from filmless.dicom.rendering import GIF, JPEG, PNG
from filmless.dicomweb.answers import principal_of, service_url
from filmless.dicomweb.negotiation import DICOM, DICOM_JSON, DICOM_XML, JSON, MULTIPART, ZIP, choose, read_accept
from filmless.dicomweb.non_patient import CATEGORIES

WADL: Final = "application/vnd.sun.wadl+xml"
_NAMESPACE: Final = "http://wadl.dev.java.net/2009/02"
_PLACE = re.compile(r"\{(\w+)(?::\w+)?\}")

_MODELS: Final = (DICOM_JSON, JSON, f'{MULTIPART}; type="{DICOM_XML}"')
_PICTURES: Final = (JPEG, PNG, GIF)
_INSTANCES: Final = (f'{MULTIPART}; type="{DICOM}"', DICOM, ZIP)
_STOWED: Final = (
    *(f'{MULTIPART}; type="{kind}"' for kind in (DICOM, DICOM_JSON, DICOM_XML)),
    *(DICOM, DICOM_JSON, DICOM_XML),
)
_WORKITEM: Final = (DICOM_JSON, JSON, DICOM_XML)
_FRAMES: Final = tuple(
    f'{MULTIPART}; type="{kind}"'
    for kind in ("application/octet-stream", "image/jpeg", "image/jls", "image/jp2", "image/jphc", "image/jxl",
                 "image/dicom-rle")
)  # fmt: skip

_SEARCH: Final = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching", "includefield", "limit", "offset",
                  "cursor")  # fmt: skip
_LOOK: Final = ("annotation", "quality", "viewport", "window", "iccprofile")
_URI: Final = ("requestType", "studyUID", "seriesUID", "objectUID", "contentType", "charset", "annotation", "rows",
               "columns", "region", "windowCenter", "windowWidth", "frameNumber", "imageQuality",
               "transferSyntax")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Transaction:
    """A method of a resource: its name, what it takes in the query and as body, and what it gives."""

    path: str
    method: str
    name: str
    query: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()


_STUDY: Final = "/studies/{study}"
_SERIES: Final = f"{_STUDY}/series/{{series}}"
_INSTANCE: Final = f"{_SERIES}/instances/{{instance}}"
_FRAMES_OF: Final = f"{_INSTANCE}/frames/{{frames}}"
_SUBSCRIBER: Final = "/workitems/{workitem}/subscribers/{subscriber}"


def _retrieved() -> list[Transaction]:
    found = []
    for path, level in ((_STUDY, "Study"), (_SERIES, "Series"), (_INSTANCE, "Instance")):
        found += [
            Transaction(path, "GET", f"Retrieve{level}", ("accept",), (), _INSTANCES),
            Transaction(path, "DELETE", f"Delete{level}", ("reason",)),
            Transaction(f"{path}/metadata", "GET", f"Retrieve{level}Metadata", ("accept",), (), _MODELS),
            Transaction(f"{path}/rendered", "GET", f"RetrieveRendered{level}", ("accept", *_LOOK), (), _PICTURES),
            Transaction(f"{path}/thumbnail", "GET", f"Retrieve{level}Thumbnail", ("accept", "viewport"), (), _PICTURES),
        ]
    return found


def _of_no_patient() -> list[Transaction]:
    found = []
    for category in CATEGORIES:
        path, name = category.path, category.name
        found += [
            Transaction(path, "GET", f"Search{name}", _SEARCH[:-1], (), _MODELS),
            Transaction(path, "POST", f"Store{name}", (), _STOWED, (DICOM_JSON, DICOM_XML)),
            Transaction(f"{path}/{{uid}}", "GET", f"Retrieve{name}", ("accept",), (), (*_MODELS, DICOM_XML, DICOM)),
            Transaction(f"{path}/{{uid}}", "POST", f"StoreOneOf{name}", (), _STOWED, (DICOM_JSON, DICOM_XML)),
        ]
    return found


TRANSACTIONS: Final = (
    *(
        Transaction(path, "GET", f"SearchFor{name}", _SEARCH, (), _MODELS)
        for path, name in (
            ("/studies", "Studies"),
            (f"{_STUDY}/series", "StudySeries"),
            ("/series", "Series"),
            (f"{_STUDY}/instances", "StudyInstances"),
            (f"{_SERIES}/instances", "StudySeriesInstances"),
            ("/instances", "Instances"),
        )
    ),
    Transaction("/studies", "POST", "StoreInstances", (), _STOWED, (DICOM_JSON, DICOM_XML)),
    Transaction(_STUDY, "POST", "StoreStudyInstances", (), _STOWED, (DICOM_JSON, DICOM_XML)),
    *_retrieved(),
    Transaction(_FRAMES_OF, "GET", "RetrieveFrames", ("accept",), (), _FRAMES),
    Transaction(f"{_FRAMES_OF}/rendered", "GET", "RetrieveRenderedFrames", ("accept", *_LOOK), (), _PICTURES),
    Transaction(f"{_FRAMES_OF}/thumbnail", "GET", "RetrieveFrameThumbnail", ("accept", "viewport"), (), _PICTURES),
    Transaction(f"{_INSTANCE}/bulkdata/{{path}}", "GET", "RetrieveBulkdata", ("accept",), (),
                ("application/octet-stream", *_FRAMES)),
    Transaction("/wado", "GET", "RetrieveByUri", _URI, (), (DICOM, *_PICTURES)),
    *_of_no_patient(),
    Transaction("/workitems", "GET", "SearchForUPS", _SEARCH, (), _MODELS),
    Transaction("/workitems", "POST", "CreateUPS", ("workitem",), _WORKITEM),
    Transaction("/workitems/{workitem}", "GET", "RetrieveUPS", (), (), _WORKITEM),
    Transaction("/workitems/{workitem}", "POST", "UpdateUPS", ("transaction-uid",), _WORKITEM),
    Transaction("/workitems/{workitem}/state", "PUT", "ChangeUPSState", (), _WORKITEM),
    Transaction("/workitems/{workitem}/cancelrequest", "POST", "RequestUPSCancellation", (), _WORKITEM),
    Transaction(_SUBSCRIBER, "POST", "CreateSubscription", ("deletionlock", "filter")),
    Transaction(_SUBSCRIBER, "DELETE", "DeleteSubscription"),
    Transaction(f"{_SUBSCRIBER}/suspend", "POST", "SuspendGlobalSubscription"),
)  # fmt: skip


def capability_routes(archive: Archive) -> list[BaseRoute]:
    """Give the route of this transaction."""

    async def endpoint(request: Request) -> Response:
        principal_of(request)
        return await run_in_threadpool(_answer, archive, request)

    return [Route("/", endpoint, methods=["OPTIONS", "GET"])]


def _answer(archive: Archive, request: Request) -> Response:
    kind = choose(read_accept(request.headers, request.query_params), (WADL, JSON))
    base = service_url(archive, request)
    body = write_wadl(base) if kind == WADL else orjson.dumps(write_json(base))
    return Response(body, headers={"Cache-Control": "no-store", "Vary": "Accept"}, media_type=kind)


def _resources() -> dict[str, list[Transaction]]:
    found: dict[str, list[Transaction]] = {}
    for each in TRANSACTIONS:
        found.setdefault(each.path, []).append(each)
    return found


def write_json(base: str) -> dict[str, Any]:
    """Write the table as JSON: the resources with their methods."""
    return {
        "base": base,
        "resources": [
            {
                "path": path.lstrip("/"),
                "methods": [
                    {
                        "name": each.method,
                        "id": each.name,
                        "query": list(each.query),
                        "request": list(each.takes),
                        "response": list(each.gives),
                    }
                    for each in methods
                ],
            }
            for path, methods in _resources().items()
        ],
    }


def write_wadl(base: str) -> bytes:
    """Write the table in the Web Application Description Language, one resource element for each path."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<application xmlns="{_NAMESPACE}">']
    lines.append(f"<resources base={quoteattr(base + '/')}>")
    for path, methods in _resources().items():
        lines.append(f"<resource path={quoteattr(path.lstrip('/'))}>")
        lines += [f'<param name="{name}" style="template" required="true"/>' for name in _PLACE.findall(path)]
        for each in methods:
            lines.append(f'<method name="{each.method}" id="{each.name}"><request>')
            lines += [f'<param name="{name}" style="query"/>' for name in each.query]
            lines += [f"<representation mediaType={quoteattr(kind)}/>" for kind in each.takes]
            lines.append("</request><response>")
            lines += [f"<representation mediaType={quoteattr(kind)}/>" for kind in each.gives]
            lines.append("</response></method>")
        lines.append("</resource>")
    return "\n".join([*lines, "</resources>", "</application>", ""]).encode()
