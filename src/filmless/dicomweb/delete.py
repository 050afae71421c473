"""DELETE of a study, series or instance. The standard has no such transaction; others have it in this form."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicomweb.answers import Answer
from filmless.dicomweb.retrieve import INSTANCE, SERIES, STUDY, Endpoint, uids_of
from filmless.retrieve.instances import heed_deletions
from filmless.store.delete import Target, delete_instances

_NO_REASON = "none was given over DICOMweb"


def delete_routes(archive: Archive) -> list[BaseRoute]:
    """Give the routes of this transaction."""
    return [Route(path, Endpoint(archive, _delete), methods=["DELETE"]) for path in (INSTANCE, SERIES, STUDY)]


def _delete(archive: Archive, principal: Principal, request: Request) -> Answer:
    """Delete what the address names; the parameter `reason` goes into the audit trail. 204, 403, 404."""
    target = Target(*uids_of(request))
    delete_instances(archive, principal, target, request.query_params.get("reason") or _NO_REASON)
    heed_deletions(archive)
    return Answer(204, [("Cache-Control", "no-store")])
