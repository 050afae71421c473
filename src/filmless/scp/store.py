"""C-STORE (PS3.4 annex B): the data set goes to `store.receive` as it arrives; Success is answered after its commit."""

from __future__ import annotations

import structlog

from filmless.archive import Archive
from filmless.dimse.services import Outcome, Request, Sink
from filmless.errors import FilmlessError
from filmless.scp.associate import Admitted
from filmless.scp.status import outcome_of
from filmless.store import receive
from filmless.store.receive import Reception

log = structlog.get_logger()


class StoreSink:
    """One instance on its way in. After a failure the rest of the data set is let pass, so that it can be answered."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._failure: Outcome | None = None

    def write(self, piece: memoryview) -> None:
        """Pass a piece on."""
        if self._failure is not None:
            return
        try:
            self._reception.write(piece)
        except FilmlessError as error:
            self._failure = outcome_of(error)
            self._reception.abort()

    def finish(self) -> Outcome:
        """Commit, and only then say Success."""
        if self._failure is not None:
            return self._failure
        try:
            self._reception.finish()
        except FilmlessError as error:
            return outcome_of(error)
        return Outcome()

    def abort(self) -> None:
        """Forget what came: the peer did not hear that it was kept."""
        if self._failure is None:
            self._reception.abort()


def handle_store(archive: Archive, request: Request) -> Sink | Outcome:
    """Begin to answer one C-STORE-RQ (PS3.7 9.1.1)."""
    admitted: Admitted = request.principal
    try:
        reception = receive.begin(
            archive,
            admitted.principal,
            sop_class_uid=request.sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            transfer_syntax_uid=request.transfer_syntax_uid,
            request=admitted.association,
        )
    except FilmlessError as error:
        return outcome_of(error)
    return StoreSink(reception)
