"""C-GET (PS3.4 C.4.3): instances come back over the association of the request, in roles that were negotiated."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence

import structlog

from filmless.archive import Archive
from filmless.dimse import commands
from filmless.dimse.connection import AssociationEnded
from filmless.dimse.services import Outcome, Request
from filmless.errors import FilmlessError
from filmless.retrieve.send import Progress, Sendable, SendResult, record_end, record_start, store_instance
from filmless.scp.associate import Admitted
from filmless.scp.retrieving import final, find_named, pending
from filmless.scp.status import retrieve_outcome_of

log = structlog.get_logger()

_PENDING_S = 0.5


class _Retrieval:
    """The sub-operations of one C-GET."""

    def __init__(self, archive: Archive, request: Request, instances: Sequence[Sendable]) -> None:
        admitted: Admitted = request.principal
        self.result = SendResult()
        self.completed: dict[str, list[int]] = {}
        self.failed: dict[str, int] = {}
        self.remaining = len(instances)
        self._archive = archive
        self._request = request
        self._instances = instances
        contexts = request.association.contexts.values()
        self._contexts = [context for context in contexts if context.abstract_syntax in admitted.receives]

    def run(self) -> Iterator[Progress]:
        message_ids = itertools.cycle(range(1, 0x10000))
        told = time.monotonic()
        for instance in self._instances:
            if self._request.is_cancelled():
                self.result.cancelled = True
                return
            self._send(instance, next(message_ids))
            self.remaining -= 1
            if self.remaining and time.monotonic() - told >= _PENDING_S:
                told = time.monotonic()
                result = self.result
                yield Progress(self.remaining, result.completed, result.failed, result.warning)

    def _send(self, instance: Sendable, message_id: int) -> None:
        study, association = instance.study_instance_uid, self._request.association
        try:
            response = store_instance(self._archive, association, self._contexts, instance, message_id)
        except AssociationEnded:
            raise
        except FilmlessError as error:
            self._fail(instance, str(error))
            return
        if response.status == commands.SUCCESS:
            self.result.completed += 1
        elif commands.is_warning(response.status):
            self.result.warning += 1
        else:
            self._fail(instance, f"the peer answered 0x{response.status:04X}")
            return
        counted = self.completed.setdefault(study, [0, 0])
        counted[0] += 1
        counted[1] += instance.length_bytes

    def _fail(self, instance: Sendable, reason: str) -> None:
        self.result.failed += 1
        self.result.failures[instance.sop_instance_uid] = reason
        self.failed[instance.study_instance_uid] = self.failed.get(instance.study_instance_uid, 0) + 1


def handle_get(archive: Archive, request: Request) -> Iterator[Outcome]:
    """Answer one C-GET-RQ: the instances, pending responses between them, then the counts."""
    admitted: Admitted = request.principal
    to = admitted.peer.ae_title
    try:
        instances = find_named(archive, admitted.principal, request.identifier or {}, request.context.abstract_syntax)
        audited = f"{admitted.association}:{request.command.message_id}"
        record_start(archive, admitted.principal, "retrieve", instances, audited, to)
    except FilmlessError as error:
        yield retrieve_outcome_of(error)
        return
    retrieval = _Retrieval(archive, request, instances)
    try:
        for progress in retrieval.run():
            yield pending(progress)
    finally:
        record_end(
            archive,
            admitted.principal,
            "retrieve",
            completed=retrieval.completed,
            failed=retrieval.failed,
            request=audited,
            to=to,
        )
    yield final(retrieval.result, retrieval.remaining)
