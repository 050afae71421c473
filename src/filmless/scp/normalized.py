"""DIMSE-N requests on their way to the service that their presentation context was accepted for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from filmless.archive import Archive
from filmless.dimse import commands
from filmless.dimse.services import Idle, Outcome, Request
from filmless.routing.commitment import PUSH_MODEL
from filmless.routing.inventory import CREATION
from filmless.scp import worklist
from filmless.scp.commitment import handle_commitment, report_when_idle
from filmless.scp.inventory import handle_inventory

HANDLERS: Mapping[str, Callable[[Archive, Request], Outcome]] = {
    PUSH_MODEL: handle_commitment,
    CREATION: handle_inventory,
    **dict.fromkeys(worklist.SOP_CLASSES, worklist.handle_worklist),
}
"""Abstract syntax to what answers its requests."""

SPEAKERS: tuple[Callable[[Archive, Idle], float | None], ...] = (report_when_idle,)
"""What may have something to say on an idle association."""


def handle_normalized(archive: Archive, request: Request) -> Outcome:
    """Answer one DIMSE-N request."""
    handler = HANDLERS.get(request.context.abstract_syntax)
    if handler is None:
        return Outcome(commands.UNRECOGNIZED_OPERATION, "not an operation of this context's SOP class")
    return handler(archive, request)


def speak(archive: Archive, idle: Idle) -> float | None:
    """Let each service speak; says when to ask again, at the earliest that one wants."""
    waits = [again_s for speaker in SPEAKERS if (again_s := speaker(archive, idle)) is not None]
    return min(waits, default=None)
