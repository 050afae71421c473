"""C-FIND requests on their way to the service that answers them, and its answers on theirs to the peer."""

from __future__ import annotations

from collections.abc import Iterator

from filmless.archive import Archive
from filmless.dimse import commands
from filmless.dimse.services import Outcome, Request
from filmless.scp import find, non_patient, repository, worklist
from filmless.scp.associate import Admitted


def handle_query(archive: Archive, request: Request) -> Iterator[Outcome]:
    """Answer one C-FIND-RQ (PS3.4 C.4.1; of the worklist CC.2.8)."""
    admitted: Admitted = request.principal
    model = request.context.abstract_syntax
    handle = find.handle_find
    if model in worklist.SOP_CLASSES:
        handle = worklist.find_workitems
    elif model == find.REPOSITORY_QUERY:
        handle = repository.find_records
    elif model in non_patient.FIND_MODELS:
        handle = non_patient.find_instances
    answers = handle(
        archive,
        admitted.principal,
        request.identifier or {},
        model,
        admitted.extended.get(model),
        request.is_cancelled,
    )
    for status, identifier in answers:
        if commands.is_pending(status):
            yield Outcome(status, identifier=identifier)
        else:
            comment = (identifier or {}).get(find.ERROR_COMMENT, {}).get("Value", [""])[0]
            yield Outcome(status, comment=comment)
