"""Live events for the screens: names and keys, to those who may see what they are about."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from filmless.api.callers import Caller, Here

router = APIRouter(tags=["events"])


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_events(
    archive: Here,
    principal: Caller,
    request: Request,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^\d{1,18}$")] = None,
) -> StreamingResponse:
    """Stream what happens (`event: study`, `data: {"name": "study", "key": "<uid>"}`), from Last-Event-ID on."""
    from filmless.api.streams import stream

    start = None if last_event_id is None else int(last_event_id)
    return StreamingResponse(
        stream(archive, principal, request, start),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
