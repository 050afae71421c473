"""The Non-Patient Instance Service (PS3.18 chapter 12): search and retrieve; `store.py` stores.

Each category of resources has an address of its own and takes the instances of its SOP classes alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final
from urllib.parse import quote

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom import uids
from filmless.dicom.dictionary import tag_of
from filmless.dicom.syntaxes import EXPLICIT_LE
from filmless.dicom.xml import to_xml
from filmless.dicomweb.answers import (
    PRIVATE,
    Answer,
    Headers,
    is_fresh,
    not_modified,
    principal_of,
    service_url,
    started,
)
from filmless.dicomweb.multipart import closing, content_type, documents, new_boundary, part_head
from filmless.dicomweb.negotiation import (
    AS_STORED,
    DICOM,
    DICOM_XML,
    MediaRange,
    ModelForm,
    choose_model_form,
    read_accept,
)
from filmless.dicomweb.retrieve import Endpoint
from filmless.dicomweb.search import read_parameters, written
from filmless.errors import NotAcceptable, Refused
from filmless.query import attributes as at
from filmless.query.non_patient import find_all
from filmless.query.rows import Wanted
from filmless.query.search import JsonDataset, wanted_of
from filmless.retrieve.derived import Derived
from filmless.retrieve.non_patient import get_non_patient, model_of, part10


def _tags(*keywords: str) -> tuple[str, ...]:
    return tuple(f"{tag_of(keyword):08X}" for keyword in ("SOPClassUID", "SOPInstanceUID", *keywords))


@dataclass(frozen=True, slots=True)
class Category:
    """A category of table 12.1.1-1: its address, its storage classes, and what a search returns unasked."""

    path: str
    name: str
    sop_class_uids: frozenset[str]
    returned: tuple[str, ...]


# What is returned: the keys of the information models in PS3.4 (X.6, HH.6, U.6, BB.6, JJ.6) that tell instances apart.
CATEGORIES: Final = (
    Category(
        "/color-palettes",
        "ColorPalettes",
        frozenset({uids.COLOR_PALETTE}),
        _tags("ContentLabel", "ContentDescription", "ContentCreatorName", "AlternateContentDescriptionSequence"),
    ),
    Category(
        "/defined-procedure-protocols",
        "DefinedProcedureProtocols",
        frozenset({uids.CT_DEFINED_PROCEDURE_PROTOCOL, uids.XA_DEFINED_PROCEDURE_PROTOCOL}),
        _tags(
            "ContentCreatorName",
            "CustodialOrganizationSequence",
            "EquipmentModality",
            "ModelSpecificationSequence",
            "PotentialScheduledProtocolCodeSequence",
            "PredecessorProtocolSequence",
            "ProtocolName",
        ),
    ),
    Category(
        "/hanging-protocols",
        "HangingProtocols",
        frozenset({uids.HANGING_PROTOCOL}),
        _tags(
            "HangingProtocolName",
            "HangingProtocolDescription",
            "HangingProtocolLevel",
            "HangingProtocolCreator",
            "HangingProtocolCreationDateTime",
            "HangingProtocolDefinitionSequence",
            "NumberOfPriorsReferenced",
            "HangingProtocolUserIdentificationCodeSequence",
        ),
    ),
    Category(
        "/implant-templates",
        "ImplantTemplates",
        frozenset({uids.GENERIC_IMPLANT_TEMPLATE, uids.IMPLANT_ASSEMBLY_TEMPLATE, uids.IMPLANT_TEMPLATE_GROUP}),
        _tags(
            "EffectiveDateTime",
            "ImplantAssemblyTemplateName",
            "ImplantAssemblyTemplateVersion",
            "ImplantName",
            "ImplantPartNumber",
            "ImplantSize",
            "ImplantTemplateGroupDescription",
            "ImplantTemplateGroupName",
            "ImplantTemplateGroupVersion",
            "ImplantTemplateVersion",
            "Manufacturer",
            "ProcedureTypeCodeSequence",
        ),
    ),
    Category(
        "/inventories",
        "Inventories",
        frozenset({uids.INVENTORY}),
        _tags(
            "ContentDate",
            "ContentTime",
            "InventoryLevel",
            "InventoryPurpose",
            "InventoryCompletionStatus",
            "ItemInventoryDateTime",
            "NumberOfStudyRecordsInInstance",
            "ScopeOfInventorySequence",
            "TransactionUID",
        ),
    ),
)


def non_patient_routes(archive: Archive) -> list[BaseRoute]:
    """Give the routes of search and retrieve."""
    routes: list[BaseRoute] = []
    for category in CATEGORIES:
        routes += [
            Route(category.path, _searching(archive, category), methods=["GET"]),
            Route(f"{category.path}/{{uid}}", Endpoint(archive, _retrieving(category)), methods=["GET"]),
        ]
    return routes


# Search ---------------------------------------------------------------------------------------------------------------


def _searching(archive: Archive, category: Category) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(_search, archive, principal_of(request), category, request)

    return endpoint


def _search(archive: Archive, principal: Principal, category: Category, request: Request) -> Response:
    """Answer one search (12.6).

    Raises
    ------
    Refused: a parameter is not understood. NotAcceptable, NotAllowed.
    """
    form = choose_model_form(read_accept(request.headers, request.query_params), is_single=False)
    asked = read_parameters(request.query_params.multi_items())
    if asked.cursor is not None:
        raise Refused("this search has no cursor: name an offset")
    settings = archive.settings
    limit = min(settings.query_page_default if asked.limit is None else asked.limit, settings.query_page_max)
    named: Wanted = {**wanted_of(asked.identifier), **asked.included}
    wanted: dict[str, Wanted | None] = {**dict.fromkeys(category.returned), **named}
    found = find_all(
        archive,
        principal,
        category.sop_class_uids,
        asked.identifier,
        asked.options,
        wanted,
        wants_all=asked.includes_all,
    )
    datasets = list(islice(found, asked.offset, asked.offset + limit + 1))
    service = service_url(archive, request)
    headers = {"Cache-Control": "no-store", "Vary": "Accept, Accept-Encoding"}
    if len(datasets) > limit:
        headers["Warning"] = f'299 {service} "There are additional results that can be requested."'
    matches = [_finished(dataset, category, named, service) for dataset in datasets[:limit]]
    return written(request, form, matches, headers)


def _finished(dataset: JsonDataset, category: Category, named: Wanted, service: str) -> JsonDataset:
    """Say where to retrieve a match, and leave out what it lacks and nobody asked for by name."""
    kept = {tag: each for tag, each in dataset.items() if tag in named or each.keys() - {"vr"}}
    url = f"{service}{category.path}/{dataset[at.SOP_INSTANCE_UID]['Value'][0]}"
    return dict(sorted({**kept, at.RETRIEVE_URL: {"vr": "UR", "Value": [url]}}.items()))


# Retrieve -------------------------------------------------------------------------------------------------------------


def _retrieving(category: Category) -> Callable[[Archive, Principal, Request], Answer]:
    def retrieve(archive: Archive, principal: Principal, request: Request) -> Answer:
        return _retrieve(archive, principal, category, request)

    return retrieve


def _retrieve(archive: Archive, principal: Principal, category: Category, request: Request) -> Answer:
    """Answer with one instance (12.4): DICOM JSON unless a file or XML is asked for.

    Raises
    ------
    NotFound, NotAllowed. NotAcceptable: no media type, or not this transfer syntax.
    """
    ranges = read_accept(request.headers, request.query_params)
    found = get_non_patient(archive, principal, category.sop_class_uids, request.path_params["uid"])
    form = _choose(ranges)
    headers: Headers = [("Cache-Control", PRIVATE), ("Vary", "Accept")]
    if isinstance(form, MediaRange):
        location = f"{service_url(archive, request)}{category.path}/{quote(found.sop_instance_uid)}"
        return _file(archive, found, form, request, [*headers, ("Content-Location", location)])
    etag = f'W/"{found.source.blob[:40]}-{form.media_type[-4:]}{"p" if form.is_multipart else ""}"'
    headers.append(("ETag", etag))
    if is_fresh(request, etag):
        return not_modified(headers)
    model = model_of(archive, found)
    if not form.is_xml:
        return Answer(200, [("Content-Type", form.media_type), *headers], orjson.dumps([model]))
    if not form.is_multipart:
        return Answer(200, [("Content-Type", DICOM_XML), *headers], to_xml(model))
    boundary = new_boundary()
    headers.append(("Content-Type", content_type(boundary, DICOM_XML)))
    return Answer(200, headers, b"".join(documents(boundary, DICOM_XML, [to_xml(model)])))


def _choose(ranges: list[MediaRange]) -> ModelForm | MediaRange:
    """Choose data set or file, by what is accepted best; what takes both is given the data set (table 12.1.3-1).

    Raises
    ------
    NotAcceptable
    """
    for wanted in ranges:
        try:
            return choose_model_form([wanted], is_single=True)
        except NotAcceptable:
            if wanted.takes(DICOM):
                return wanted
    raise NotAcceptable(
        "an instance is given as application/dicom+json, application/dicom+xml or application/dicom;"
        " the request accepts none of them"
    )


def _file(archive: Archive, found: Derived, wanted: MediaRange, request: Request, headers: Headers) -> Answer:
    """Answer with the file: as it is kept, or in Explicit VR Little Endian, the default of the media type."""
    located = [each for each in headers if each[0] == "Content-Location"]
    asked = wanted.transfer_syntax_uid or EXPLICIT_LE
    syntax = found.transfer_syntax_uid if asked == AS_STORED else asked
    if syntax not in found.syntaxes:
        raise NotAcceptable(f"the instance can be given in {', '.join(found.syntaxes)}, not in {asked[:64]}")
    etag = f'"{found.source.blob[:40]}-{syntax}{"-m" if wanted.is_multipart else ""}"'
    headers.append(("ETag", etag))
    if is_fresh(request, etag):
        return not_modified(headers)
    kind = f"{DICOM}; transfer-syntax={syntax}"
    pieces = part10(archive, found, syntax)
    if not wanted.is_multipart:
        return Answer(200, [("Content-Type", kind), *headers], pieces=started(pieces))
    boundary = new_boundary()

    def parts() -> Iterator[bytes]:
        yield part_head(boundary, [("Content-Type", kind), *located])
        yield from pieces
        yield closing(boundary)

    headers.append(("Content-Type", content_type(boundary, DICOM)))
    return Answer(200, headers, pieces=started(parts()))
