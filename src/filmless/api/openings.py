"""How soon readers saw their images: each opening of the viewer tells its phases, `/metrics` has them."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from prometheus_client import Histogram

from filmless.api.callers import Caller
from filmless.api.models.reading import Opening

router = APIRouter(tags=["openings"])

SECONDS: Final = Histogram(
    "filmless_viewer_opening_seconds",
    "Time from asking for a study to a phase of its opening in the viewer, as browsers tell it.",
    ["phase"],
    buckets=(0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 10, 30, 60),
)


@router.post("/openings", status_code=204)
def record_opening(principal: Caller, body: Opening) -> None:
    """Record when each phase of an opening was reached, in ms since the reader asked for the study."""
    for phase, reached_ms in body.model_dump(exclude_none=True).items():
        SECONDS.labels(phase.removesuffix("_ms")).observe(reached_ms / 1e3)
