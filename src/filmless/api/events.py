"""Live events for the screens: names and keys, to those who may see what they are about."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from filmless.api.callers import Caller, Here
from filmless.api.streams import stream

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
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,18}$")] = None,
) -> StreamingResponse:
    """Stream what happens: `event: study`, `data: {"name": "study", "key": "<uid>"}`; a comment every 15 s.

    With `Last-Event-ID` it goes on after that event. `event: reset` means that too much was missed: fetch anew.
    """
    start_id = None if last_event_id is None else int(last_event_id)
    return StreamingResponse(
        stream(archive, principal, request, request.app.state.broadcaster, start_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
