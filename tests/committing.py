"""pynetdicom as the other side of storage commitment: as SCU that waits for reports, as SCP that makes them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association

from doors import Door

PUSH = "1.2.840.10008.1.20.1"
PUSH_INSTANCE = "1.2.840.10008.1.20.1.1"
TRANSACTION = "1.2.3.4.5"

Reference = tuple[str, str]


def request_of(references: Sequence[Reference], transaction_uid: str = TRANSACTION) -> Dataset:
    """The action information of a request."""
    ds = Dataset()
    ds.TransactionUID = transaction_uid
    ds.ReferencedSOPSequence = [item_of(reference) for reference in references]
    return ds


def item_of(reference: Reference, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference
    if reason is not None:
        item.FailureReason = reason
    return item


class Reports:
    """Reports that a peer heard, and over which kind of association."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, Dataset]] = []
        self.roles: list[Any] = []  # SOP class to SCU and SCP role, as the other side proposed them
        self.status = 0
        self._came = threading.Semaphore(0)

    def handler(self) -> tuple[Any, Any]:
        return evt.EVT_N_EVENT_REPORT, self.hear

    def hear(self, event: Any) -> tuple[int, None]:
        self.heard.append((event.event_type, event.event_information))
        proposed = event.assoc.requestor.role_selection
        self.roles.append({str(uid): (bool(role.scu_role), bool(role.scp_role)) for uid, role in proposed.items()})
        self._came.release()
        return self.status, None

    def wait(self) -> tuple[int, Dataset]:
        assert self._came.acquire(timeout=20)
        return self.heard[-1]


def associate(door: Door, reports: Reports, calling: str = "TEST") -> Association:
    """Open an association over which commitment can be asked for."""
    ae = AE(calling)
    ae.add_requested_context(PUSH)
    return ae.associate("127.0.0.1", door.port, ae_title="FILMLESS", evt_handlers=[reports.handler()])


def ask(association: Association, references: Sequence[Reference], transaction_uid: str = TRANSACTION) -> int:
    """Ask for commitment; returns the status."""
    status, _ = association.send_n_action(request_of(references, transaction_uid), 1, PUSH, PUSH_INSTANCE)
    return int(status.Status)


def listen(reports: Reports, port: int = 0) -> Any:
    """A peer that takes reports on associations that we open, in the role of SCU."""
    ae = AE("TEST")
    ae.add_supported_context(PUSH, scu_role=False, scp_role=True)
    return ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[reports.handler()])


def port_of(server: Any) -> int:
    return int(server.socket.getsockname()[1])


class Committer:
    """A peer that is asked for commitment: an SCP that reports at once, later by itself, or not."""

    def __init__(self, reports_at_once: bool = True, failing: dict[str, int] | None = None) -> None:
        self.asked: list[Dataset] = []
        self.statuses: list[int] = []
        self.reports_at_once = reports_at_once
        self.failing = failing or {}
        ae = AE("KEEPER")
        ae.add_supported_context(PUSH)
        ae.add_supported_context("1.2.840.10008.5.1.4.1.1.2", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
        handlers = [(evt.EVT_N_ACTION, self.take), (evt.EVT_C_STORE, lambda _: 0)]
        self.server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = port_of(self.server)

    def take(self, event: Any) -> tuple[int, None]:
        self.asked.append(event.action_information)
        if self.reports_at_once:
            threading.Timer(0.1, self.report_over, (event.assoc, event.action_information)).start()
        return 0, None

    def event_of(self, asked: Dataset) -> tuple[int, Dataset]:
        ds = Dataset()
        ds.TransactionUID = asked.TransactionUID
        references = [
            (str(i.ReferencedSOPClassUID), str(i.ReferencedSOPInstanceUID)) for i in asked.ReferencedSOPSequence
        ]
        kept = [item_of(each) for each in references if each[1] not in self.failing]
        lost = [item_of(each, self.failing[each[1]]) for each in references if each[1] in self.failing]
        if kept:
            ds.ReferencedSOPSequence = kept
        if lost:
            ds.FailedSOPSequence = lost
        return (2 if lost else 1), ds

    def report_over(self, association: Association, asked: Dataset) -> None:
        event_type, ds = self.event_of(asked)
        status, _ = association.send_n_event_report(ds, event_type, PUSH, PUSH_INSTANCE)
        self.statuses.append(int(status.Status))

    def report_anew(self, door: Door, asked: Dataset) -> None:
        """Report over an association of our own, in the role of SCP."""
        ae = AE("KEEPER")
        ae.add_requested_context(PUSH)
        role = build_role(PUSH, scu_role=False, scp_role=True)
        association = ae.associate("127.0.0.1", door.port, ae_title="FILMLESS", ext_neg=[role])
        assert association.is_established
        self.report_over(association, asked)
        association.release()
