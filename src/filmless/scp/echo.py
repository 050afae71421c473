"""C-ECHO (PS3.4 annex A): the association is alive. It says nothing of other services."""

from __future__ import annotations

from filmless.access import audit
from filmless.archive import Archive
from filmless.dimse.services import Outcome, Request
from filmless.errors import FilmlessError
from filmless.scp.associate import Admitted
from filmless.scp.status import normalized_outcome_of


def handle_echo(archive: Archive, request: Request) -> Outcome:
    """Answer one C-ECHO-RQ; all of one association share a row of the audit trail."""
    admitted: Admitted = request.principal
    try:
        with archive.transaction() as session:
            audit.record_repeated(session, admitted.principal, "echo", request=admitted.association, outcome="success")
    except FilmlessError as error:
        return normalized_outcome_of(error)
    return Outcome()
