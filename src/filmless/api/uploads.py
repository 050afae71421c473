"""Taking in files that a browser sends: one DICOM file or one ZIP per request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from filmless.api.callers import Here, Storer
from filmless.api.errors import responses
from filmless.api.models import reading as models
from filmless.api.spool import import_spooled, spool

router = APIRouter(tags=["studies"])

_BODY = {
    "requestBody": {
        "required": True,
        "description": "The bytes of one file.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("/uploads", openapi_extra=_BODY, responses=responses(413))
async def upload(
    archive: Here,
    principal: Storer,
    request: Request,
    name: Annotated[str, Query(max_length=1024, description="The name of the file, for the results.")] = "upload",
) -> models.UploadResults:
    """Take in one DICOM file or one ZIP; a ZIP gives a result per file in it."""
    async with spool(archive, request) as file:
        results = await run_in_threadpool(import_spooled, archive, principal, file, name)
    return models.UploadResults(results=[models.UploadResult.model_validate(result) for result in results])
