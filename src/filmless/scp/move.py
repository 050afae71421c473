"""C-MOVE (PS3.4 C.4.2): instances go to a known peer over associations of their own."""

from __future__ import annotations

from collections.abc import Iterator

from filmless.access import peers
from filmless.archive import Archive
from filmless.dimse import commands
from filmless.dimse.services import Outcome, Request
from filmless.errors import FilmlessError
from filmless.retrieve.send import Transfer, record_end, record_start
from filmless.routing.ask_commitment import enqueue_questions
from filmless.scp.associate import Admitted
from filmless.scp.retrieving import final, find_named, pending
from filmless.scp.status import MOVE_DESTINATION_UNKNOWN, retrieve_outcome_of


def handle_move(archive: Archive, request: Request) -> Iterator[Outcome]:
    """Answer one C-MOVE-RQ: pending responses while instances are sent, then the counts."""
    admitted: Admitted = request.principal
    named = request.command.text(commands.MOVE_DESTINATION)
    try:
        destination = peers.find_destination(archive, named)
        if destination is None:
            yield Outcome(MOVE_DESTINATION_UNKNOWN, f"no peer {named} with an address is known here")
            return
        instances = find_named(archive, admitted.principal, request.identifier or {}, request.context.abstract_syntax)
        audited = f"{admitted.association}:{request.command.message_id}"
        record_start(archive, admitted.principal, "retrieve", instances, audited, destination.ae_title)
    except FilmlessError as error:
        yield retrieve_outcome_of(error)
        return
    originator = (admitted.peer.ae_title, request.command.message_id)
    transfer = Transfer(archive, destination, instances, originator=originator)
    remaining = len(instances)
    try:
        for progress in transfer:
            remaining = progress.remaining
            if request.is_cancelled():
                transfer.cancel()
            elif remaining:
                yield pending(progress)
    finally:
        record_end(
            archive,
            admitted.principal,
            "retrieve",
            completed=transfer.completed_studies,
            failed=transfer.failed_studies,
            request=audited,
            to=destination.ae_title,
        )
        if destination.ask_commitment and transfer.arrived:
            with archive.transaction() as session:
                enqueue_questions(session, destination, transfer.arrived)
    yield final(transfer.result, remaining)
