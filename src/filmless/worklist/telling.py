"""The job that gives a subscriber its event reports over DIMSE, in their order (PS3.4 CC.2.4).

One at a time for each subscriber, over an association that we open in the role of SCP of the UPS Event class. What the
peer took is struck as it goes; what it cannot take now stays, and is tried again for `workitem_report_keep_s`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import select

from filmless.access import audit, peers
from filmless.access.peers import Peer
from filmless.access.principal import SYSTEM
from filmless.archive.processes import list_processes
from filmless.dimse import commands
from filmless.dimse.normalized import Asking, asking
from filmless.dimse.pdus import RoleSelection
from filmless.errors import NotAcceptable, Unavailable
from filmless.query.matching import JsonDataset
from filmless.retrieve.calling import IDENTIFIER_SYNTAXES, open_association
from filmless.worklist import attributes as at
from filmless.worklist import datasets, reports
from filmless.worklist.reports import EventType, Report, Subscriber
from filmless.worklist.tables import workitem_subscribers, workitem_subscriptions, worklist_subscriptions

if TYPE_CHECKING:
    from filmless.archive import Archive
    from filmless.archive.jobs import JobContext

log = structlog.get_logger()

_AT_ONCE: Final = 100
_NEVER_TAKEN: Final = frozenset(
    {
        commands.NO_SUCH_SOP_INSTANCE,
        commands.NO_SUCH_EVENT_TYPE,
        commands.INVALID_ARGUMENT_VALUE,
        commands.INVALID_SOP_INSTANCE,
        commands.NO_SUCH_SOP_CLASS,
        commands.CLASS_INSTANCE_CONFLICT,
        0x0114,  # no such argument
    }
)
"""Failures that concern the report itself: it would hold up those behind it for ever, and is struck."""


def send_workitem_reports(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """The job that sends what waits for a subscriber.

    Raises
    ------
    Unavailable: the peer is away, does not offer the service, or did not take a report; it is tried again.
    """
    key = int(args["subscriber_key"])
    with archive.reading() as session:
        query = select(workitem_subscribers.c.ae_title).where(workitem_subscribers.c.id == key)
        ae_title = session.execute(query).scalar_one_or_none()
        waiting = reports.pending(session, key, 1)
    if ae_title is None or not waiting:
        return
    peer = peers.find_destination(archive, ae_title)
    if peer is None:  # it may be entered again; until then the reports wait
        raise Unavailable(f"no peer {ae_title} with an address to call is known; enter it, with its port")
    job.check()
    role = RoleSelection(at.EVENT_SOP_CLASS, scu=False, scp=True)
    try:
        association = open_association(
            archive.settings, peer, [(at.EVENT_SOP_CLASS, IDENTIFIER_SYNTAXES)], roles=[role]
        )
        with association:
            over = asking(association, at.EVENT_SOP_CLASS)
            while not job.is_stopping and (waiting := _read(archive, key)):
                for report in waiting:
                    _tell(archive, peer, over, report)
    except NotAcceptable as error:
        raise Unavailable(f"{peer.ae_title} takes no event reports of workitems: {error}") from error
    job.check()


def _read(archive: Archive, subscriber_key: int) -> list[Report]:
    with archive.reading() as session:
        return reports.pending(session, subscriber_key, _AT_ONCE)


def _tell(archive: Archive, peer: Peer, over: Asking, report: Report) -> None:
    answer = over.event_report(at.PUSH_SOP_CLASS, report.workitem_uid, report.event_type, report.information)
    status = answer.status
    is_taken = status == commands.SUCCESS or commands.is_warning(status)
    if not is_taken and status not in _NEVER_TAKEN:
        said = f": {answer.comment}" if answer.comment else ""
        raise Unavailable(f"{peer.ae_title} answered an event report with status 0x{status:04X}{said}")
    if not is_taken:
        log.warning("workitem_report_refused", peer=peer.ae_title, event_type=report.event_type, status=status)
    with archive.transaction() as session:
        reports.forget(session, [report.id])
        audit.record(
            session,
            SYSTEM("worker"),
            "workitem_report",
            outcome="success" if is_taken else "failed",
            object=report.workitem_uid,
            detail={"receiver": peer.ae_title, "event_type": report.event_type},
        )


def tell_restarted(archive: Archive, own_process: int) -> None:
    """Tell all subscribers that the service is back, its lists as they were, if no other listener kept it up."""
    information: JsonDataset = {
        at.SCP_STATUS: datasets.text("CS", "RESTARTED"),
        at.SUBSCRIPTION_LIST_STATUS: datasets.text("CS", "WARM START"),
        at.WORKITEM_LIST_STATUS: datasets.text("CS", "WARM START"),
    }
    with archive.transaction() as session:
        now = time.time()
        others = [each for each in list_processes(session) if each.role == "dicom" and each.id != own_process]
        if any(each.is_alive(now) for each in others):
            return
        key = workitem_subscribers.c.id
        subscribed = key.in_(select(workitem_subscriptions.c.subscriber_key)) | key.in_(
            select(worklist_subscriptions.c.subscriber_key)
        )
        rows = session.execute(
            select(key, workitem_subscribers.c.ae_title, workitem_subscribers.c.transport)
            .where(subscribed)
            .order_by(key)
        )
        told = [Subscriber(*row) for row in rows]
        reports.record(session, at.GLOBAL, EventType.SCP_STATUS, information, told)
