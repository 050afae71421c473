"""What a viewport plays, as a video: the browser draws the pictures, and the server encodes them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from filmless.access import audit
from filmless.access.principal import Principal
from filmless.api.callers import Here, Viewer
from filmless.api.errors import responses
from filmless.api.models import viewing as models
from filmless.api.spool import spool
from filmless.archive import Archive
from filmless.query.listing import get_study
from filmless.retrieve.cine import MP4
from filmless.retrieve.filming import JPEGS
from filmless.retrieve.films import make_film
from filmless.retrieve.videos import can_read_videos

router = APIRouter(tags=["films"])

_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "JPEG pictures of one size, one after the other.",
        "content": {JPEGS: _BINARY},
    }
}
_VIDEO: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {MP4: _BINARY}}}
_FRAME_TIME_MAX_MS: Final = 60_000


@router.get("/films")
def get_film_limits(archive: Here, principal: Viewer) -> models.FilmLimits:
    """Say whether films can be made here, and of what."""
    settings = archive.settings
    return models.FilmLimits(
        is_possible=can_read_videos(),
        pictures_max=settings.cine_frames_max,
        side_max=settings.cine_side_max,
        body_max_bytes=settings.film_body_max_bytes,
    )


@router.post(
    "/studies/{studyInstanceUid}/films",
    openapi_extra=_BODY,
    response_class=Response,
    responses={**_VIDEO, **responses(404, 406, 413)},
)
async def make(
    archive: Here,
    principal: Viewer,
    request: Request,
    study_instance_uid: Annotated[str, Path(alias="studyInstanceUid", min_length=1, max_length=64)],
    frame_time_ms: Annotated[
        float, Query(alias="frameTimeMs", gt=1, le=_FRAME_TIME_MAX_MS, description="How long each picture stays.")
    ],
) -> Response:
    """Make an MP4 (H.264, no sound) of pictures that a viewport showed. Nothing of them is kept."""
    await run_in_threadpool(get_study, archive, principal, study_instance_uid)
    async with spool(archive, request, "film_body_max_bytes") as pictures:
        count, video = await run_in_threadpool(make_film, archive, pictures, frame_time_ms)
    await run_in_threadpool(_record, archive, principal, study_instance_uid, count)
    return Response(video, media_type=MP4, headers={"Cache-Control": "no-store"})


def _record(archive: Archive, principal: Principal, study_instance_uid: str, count: int) -> None:
    with archive.transaction() as session:
        audit.record(
            session,
            principal,
            "download",
            study_instance_uid=study_instance_uid,
            object="film",
            detail={"pictures": count},
        )
