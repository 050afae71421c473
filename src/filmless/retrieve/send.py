"""Sends instances to a peer by C-STORE: as stored where the peer takes it so, transcoded where not.

`send` is for jobs and the command line, `Transfer` for C-MOVE, which must report and hear of a cancel meanwhile;
`store_instance` is the one step of both, and of C-GET.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from filmless.access import audit
from filmless.access.peers import Peer
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.syntaxes import EXPLICIT_LE, IMPLICIT_LE
from filmless.dicom.uids import name_of
from filmless.dimse import client, commands
from filmless.dimse.association import Association, DataSource, FileRange
from filmless.dimse.connection import AssociationEnded
from filmless.dimse.services import await_any_response, await_response, send_store
from filmless.dimse.upper_layer import Context
from filmless.errors import FilmlessError, NotAcceptable, NotFound
from filmless.retrieve import transcode
from filmless.retrieve.calling import open_association
from filmless.retrieve.derived import Derived
from filmless.retrieve.instances import InstanceRecord, StoredInstance, find_record
from filmless.retrieve.slots import Slot, take_slot, wait_for_slot

log = structlog.get_logger()

FALLBACKS = (EXPLICIT_LE, IMPLICIT_LE)
"""Transfer syntaxes offered besides the stored one; every DICOM system takes the last (PS3.5 10.1)."""

_INSTANCES_PER_ASSOCIATION = 40  # a further association is worth its opening from so many instances on
_GATHERED_MAX_BYTES = 64 << 20  # a transcoded data set up to this is whole before its first byte is sent
_ATTEMPTS = 2  # an instance that breaks so many associations is given up
_BREAKS_MAX = 6  # after so many broken associations the rest is given up
_PROGRESS_S = 0.5

Sendable = StoredInstance | Derived
"""What can be sent: an instance as it is kept, or one made of it for this retrieval."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is."""

    remaining: int
    completed: int
    failed: int
    warning: int


@dataclass(slots=True)
class SendResult:
    """How a transfer ended. `failures` says why, by SOP Instance UID."""

    completed: int = 0
    failed: int = 0
    warning: int = 0
    cancelled: bool = False
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def failed_uids(self) -> list[str]:
        """The instances that the peer does not have from us now."""
        return list(self.failures)


# ------------------------------------------------------------------------------------------------- one instance


def choose_context(
    archive: Archive, contexts: Sequence[Context], instance: Sendable
) -> tuple[Context, DataSource | None]:
    """Choose how an instance goes over an association; with the context comes the transcoded data set, if it must be.

    Raises
    ------
    NotAcceptable: the peer takes this SOP class in no transfer syntax that we can give.
    """
    usable = [context for context in contexts if context.abstract_syntax == instance.sop_class_uid]
    if isinstance(instance, Derived):
        by_syntax = {context.transfer_syntax: context for context in usable}
        syntax = next((each for each in instance.syntaxes if each in by_syntax), None)
        if syntax is not None:
            return by_syntax[syntax], _gathered(instance.write(syntax))
        raise _not_taken(instance, usable)
    for context in usable:
        if context.transfer_syntax == instance.transfer_syntax_uid:
            return context, None
    for context in usable:
        if transcode.can_transcode(instance, context.transfer_syntax):
            record = _record(archive, instance)
            return context, _gathered(transcode.data_set(archive, record, context.transfer_syntax))
    raise _not_taken(instance, usable)


def _not_taken(instance: Sendable, usable: Sequence[Context]) -> NotAcceptable:
    if not usable:
        return NotAcceptable(f"the peer does not take {name_of(instance.sop_class_uid)}")
    return NotAcceptable(
        f"the peer does not take {name_of(instance.transfer_syntax_uid)}, and the instance cannot be given otherwise"
    )


def _record(archive: Archive, instance: StoredInstance) -> InstanceRecord:
    record = find_record(archive, instance.sop_instance_uid)
    if record is None:
        raise NotFound(f"there is no instance {instance.sop_instance_uid} any more")
    return record


def _gathered(pieces: Iterator[bytes]) -> DataSource:
    """Have a data set whole if it is not too long: a failure in its middle then breaks no association."""
    first: list[bytes] = []
    length = 0
    for piece in pieces:
        first.append(piece)
        length += len(piece)
        if length > _GATHERED_MAX_BYTES:
            return itertools.chain(first, pieces)
    return b"".join(first)


def store_instance(
    archive: Archive,
    association: Association,
    contexts: Sequence[Context],
    instance: Sendable,
    message_id: int,
    originator: tuple[str, int] | None = None,
) -> commands.Command:
    """Send one instance over an association and return the response.

    Raises
    ------
    As `request_store`.
    """
    request_store(archive, association, contexts, instance, message_id, originator)
    return await_response(association, commands.C_STORE_RQ, message_id)


def request_store(
    archive: Archive,
    association: Association,
    contexts: Sequence[Context],
    instance: Sendable,
    message_id: int,
    originator: tuple[str, int] | None = None,
) -> None:
    """Send one instance over an association; the response is still to come.

    Raises
    ------
    NotAcceptable, NotFound, Damaged, Unavailable: this instance cannot be sent. AssociationEnded: nor any other.
    """
    context, data_set = choose_context(archive, contexts, instance)
    uids = instance.sop_class_uid, instance.sop_instance_uid
    if data_set is not None or isinstance(instance, Derived):
        send_store(association, context, message_id, *uids, data_set or b"", originator)
        return
    descriptor = archive.blobs.open(instance.blob)
    try:
        stored = FileRange(descriptor, instance.dataset_offset, instance.length_bytes - instance.dataset_offset)
        send_store(association, context, message_id, *uids, stored, originator)
    finally:
        os.close(descriptor)


# ------------------------------------------------------------------------------------------------- many instances


def plan_contexts(instances: Iterable[Sendable]) -> list[list[tuple[str, list[str]]]]:
    """Say what to propose: a context for each (SOP class, stored syntax), and fallbacks for each class.

    Each context has one transfer syntax, so that the peer's answer says all that it takes. The outer list is of
    associations: one has at most 128 contexts (PS3.8 9.3.2.2).
    """
    syntaxes: dict[str, dict[str, None]] = {}
    for instance in instances:
        syntaxes.setdefault(instance.sop_class_uid, {})[instance.transfer_syntax_uid] = None
    plans: list[list[tuple[str, list[str]]]] = [[]]
    for sop_class, stored in syntaxes.items():
        proposed = list(dict.fromkeys([*stored, *FALLBACKS]))[: client.CONTEXTS_MAX]
        if len(plans[-1]) + len(proposed) > client.CONTEXTS_MAX:
            plans.append([])
        plans[-1] += [(sop_class, [syntax]) for syntax in proposed]
    return plans


class Transfer:
    """Sends instances to a peer over one or several associations; iterate it to run it, then read `result`."""

    def __init__(
        self,
        archive: Archive,
        peer: Peer,
        instances: Sequence[Sendable],
        *,
        originator: tuple[str, int] | None = None,
        on_arrived: Callable[[StoredInstance], None] = lambda _: None,
    ) -> None:
        self.result = SendResult()
        self.arrived: list[StoredInstance] = []  # of those that are kept
        self.completed_studies: dict[str, list[int]] = {}  # study: instances and bytes that arrived
        self.failed_studies: dict[str, int] = {}
        self._archive = archive
        self._peer = peer
        self._originator = originator
        self._on_arrived = on_arrived
        self._total = len(instances)
        self._done = threading.Condition()
        self._active = 0  # workers that have not finished
        self._slots: list[Slot] = []  # of those that send
        self._stopping = False
        self._reason = ""  # why the association that failed last did
        self._attempts: dict[str, int] = {}  # associations that an instance has broken
        self._message_ids = itertools.cycle(range(1, 0x10000))
        self._batches: deque[tuple[list[tuple[str, list[str]]], deque[Sendable]]] = deque()
        for plan in plan_contexts(instances):
            classes = {sop_class for sop_class, _ in plan}
            batch = deque(instance for instance in instances if instance.sop_class_uid in classes)
            if batch:
                self._batches.append((plan, batch))

    def cancel(self) -> None:
        """Send no more after what is under way."""
        self._stopping = True

    def __iter__(self) -> Generator[Progress]:
        """Run, and tell the progress at least twice a second. Leaving early cancels."""
        try:
            while self._batches and not self._stopping:
                plan, waiting = self._batches.popleft()
                yield from self._run_batch(plan, waiting)
        finally:
            self._stopping = True
        self.result.cancelled = self._progress().remaining > 0

    def _run_batch(self, plan: list[tuple[str, list[str]]], waiting: deque[Sendable]) -> Iterator[Progress]:
        settings = self._archive.settings
        wanted = min(settings.send_associations_max, 1 + len(waiting) // _INSTANCES_PER_ASSOCIATION)
        workers = [
            threading.Thread(target=self._run_worker, args=(plan, waiting, n == 0), name=f"send-{n}", daemon=True)
            for n in range(wanted)
        ]
        self._active = wanted
        for worker in workers:
            worker.start()
        try:
            while not self._wait(_PROGRESS_S):
                for slot in list(self._slots):
                    slot.renew()
                yield self._progress()
        finally:
            self._stopping = self._stopping or self._active > 0
            for worker in workers:
                worker.join()
        while not self._stopping and (instance := _next(waiting)) is not None:
            self._failed(instance, self._reason)
        yield self._progress()

    def _wait(self, seconds: float) -> bool:
        with self._done:
            return self._done.wait_for(lambda: self._active == 0, seconds)

    def _progress(self) -> Progress:
        result = self.result
        with self._done:
            finished = result.completed + result.failed + result.warning
            return Progress(self._total - finished, result.completed, result.failed, result.warning)

    def _run_worker(self, plan: list[tuple[str, list[str]]], waiting: deque[Sendable], is_first: bool) -> None:
        """Send what is waiting over one association. The first waits for its slot; others leave one to who comes."""
        slot: Slot | None = None
        try:
            if is_first:
                slot = wait_for_slot(self._archive, self._peer, lambda: self._stopping)
            else:
                slot = take_slot(self._archive, self._peer, leaves=1)
            if slot is not None:
                self._slots.append(slot)
                self._work(plan, waiting)
        except FilmlessError as error:
            self._reason = str(error)
            log.info("send_association_failed", peer=self._peer.ae_title, reason=str(error))
        except Exception:  # the thread's outermost line: what waits must be answered for
            self._reason = "internal error"
            log.exception("send_failed", peer=self._peer.ae_title)
        if slot is not None:
            self._slots.remove(slot)
            slot.free()
        with self._done:
            self._active -= 1
            self._done.notify_all()

    def _work(self, plan: list[tuple[str, list[str]]], waiting: deque[Sendable]) -> None:
        """Send what is waiting until nothing is, or the peer cannot be reached."""
        breaks = 0
        while waiting and not self._stopping:
            association = open_association(self._archive.settings, self._peer, plan)
            try:
                with association:
                    self._use(association, waiting)
            except AssociationEnded as error:
                breaks += 1
                if breaks == _BREAKS_MAX:
                    raise
                log.info("send_association_broke", peer=self._peer.ae_title, reason=str(error))

    def _use(self, association: client.Requestor, waiting: deque[Sendable]) -> None:
        """Send what is waiting; up to the window that was negotiated is under way before the first is answered."""
        window = association.operations_window
        under_way: OrderedDict[int, Sendable] = OrderedDict()
        try:
            while True:
                while len(under_way) < window and not self._stopping and (instance := _next(waiting)) is not None:
                    message_id = next(self._message_ids)
                    under_way[message_id] = instance
                    if not self._send_one(association, instance, message_id):
                        del under_way[message_id]
                if not under_way:
                    return
                response = await_any_response(association, commands.C_STORE_RQ, under_way)
                self._answered(under_way.pop(response.number(commands.MESSAGE_ID_BEING_RESPONDED_TO)), response)
        except AssociationEnded as error:
            self._lost(under_way, waiting, error)
            raise

    def _lost(self, under_way: OrderedDict[int, Sendable], waiting: deque[Sendable], error: AssociationEnded) -> None:
        """Put back what was under way when the association broke. The first of it may be what breaks them."""
        for number, instance in reversed(list(enumerate(under_way.values()))):
            uid = instance.sop_instance_uid
            if number == 0:
                self._attempts[uid] = self._attempts.get(uid, 0) + 1
            if self._attempts.get(uid) == _ATTEMPTS:
                self._failed(instance, str(error))
            else:
                waiting.appendleft(instance)

    def _send_one(self, association: Association, instance: Sendable, message_id: int) -> bool:
        """Send a request; says whether it will be answered."""
        contexts = list(association.contexts.values())
        try:
            request_store(self._archive, association, contexts, instance, message_id, self._originator)
        except AssociationEnded:
            raise
        except FilmlessError as error:
            self._failed(instance, str(error))
            return False
        return True

    def _answered(self, instance: Sendable, response: commands.Command) -> None:
        status = response.status
        if status == commands.SUCCESS or commands.is_warning(status):
            self._arrived(instance, is_warning=status != commands.SUCCESS)
        else:
            said = response.text(commands.ERROR_COMMENT)
            self._failed(instance, f"the peer answered 0x{status:04X}" + (f": {said}" if said else ""))

    def _arrived(self, instance: Sendable, *, is_warning: bool) -> None:
        with self._done:
            if is_warning:
                self.result.warning += 1
            else:
                self.result.completed += 1
            if isinstance(instance, StoredInstance):
                self.arrived.append(instance)
            counted = self.completed_studies.setdefault(instance.study_instance_uid, [0, 0])
            counted[0] += 1
            counted[1] += instance.length_bytes
        if isinstance(instance, StoredInstance):
            self._on_arrived(instance)

    def _failed(self, instance: Sendable, reason: str) -> None:
        with self._done:
            self.result.failed += 1
            self.result.failures[instance.sop_instance_uid] = reason
            study = instance.study_instance_uid
            self.failed_studies[study] = self.failed_studies.get(study, 0) + 1


def _next(waiting: deque[Sendable]) -> Sendable | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def record_start(
    archive: Archive, principal: Principal, action: str, instances: Sequence[Sendable], request: str, to: str
) -> None:
    """Leave an audit row for each study before the first byte of it is sent: no row, no answer."""
    with archive.transaction() as session:
        for study in dict.fromkeys(instance.study_instance_uid for instance in instances):
            audit.record_transfer(session, principal, action, study, request=request, instances=0, object=to)


def record_end(
    archive: Archive,
    principal: Principal,
    action: str,
    *,
    completed: dict[str, list[int]],
    failed: dict[str, int],
    request: str,
    to: str,
) -> None:
    """Count on the rows of `record_start` what was sent, and on others what was not."""
    with archive.transaction() as session:
        for study, (count, size_bytes) in completed.items():
            audit.record_transfer(
                session, principal, action, study, request=request, instances=count, size_bytes=size_bytes, object=to
            )
        for study, count in failed.items():
            audit.record_transfer(
                session, principal, action, study, request=request, instances=count, outcome="failed", object=to
            )


def send(
    archive: Archive,
    principal: Principal,
    peer: Peer,
    instances: Iterable[StoredInstance],
    *,
    on_progress: Callable[[Progress], None] | None = None,
    on_arrived: Callable[[StoredInstance], None] = lambda _: None,
    is_cancelled: Callable[[], bool] | None = None,
    action: str = "send",
) -> SendResult:
    """Send instances to a peer and wait until all were answered.

    One that the peer refuses, or that no negotiated context can carry, counts as failed and does not stop the rest.
    The caller has asked the policy; the audit rows are recorded here, one a study. `on_arrived` is called from the
    sending threads; `on_progress` may raise to stop.

    Raises
    ------
    Refused: the peer has no address to connect to, or TLS is not set up.
    """
    chosen = list(instances)
    request = f"send:{os.getpid()}:{time.time_ns()}"
    record_start(archive, principal, action, chosen, request, peer.ae_title)
    transfer = Transfer(archive, peer, chosen, on_arrived=on_arrived)
    try:
        with contextlib.closing(iter(transfer)) as progresses:
            for progress in progresses:
                if on_progress is not None:
                    on_progress(progress)
                if is_cancelled is not None and is_cancelled():
                    transfer.cancel()
    finally:
        record_end(
            archive,
            principal,
            action,
            completed=transfer.completed_studies,
            failed=transfer.failed_studies,
            request=request,
            to=peer.ae_title,
        )
    return transfer.result
