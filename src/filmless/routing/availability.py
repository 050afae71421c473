"""Instance Availability Notification, the role of SCU (PS3.4 annex R): peers are told what can be retrieved, and how.

When the last series of a study has been quiet the job `study_quiet` asks for a `notify_availability` for each peer
that is to be told. A study that grows later is told of again, as a whole.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import func, select

from filmless.access import audit, peers
from filmless.access.principal import SYSTEM
from filmless.archive import Archive, jobs
from filmless.archive.jobs import JobContext
from filmless.archive.tables import series, studies
from filmless.dicom.uids import new_uid
from filmless.dimse import commands
from filmless.dimse.normalized import asking
from filmless.errors import NotAcceptable, Unavailable
from filmless.retrieve.calling import IDENTIFIER_SYNTAXES, open_association
from filmless.retrieve.instances import StoredInstance, find_instances
from filmless.routing.commitment import JsonDataset, destination_of

NOTIFICATION: Final = "1.2.840.10008.5.1.4.33"


def study_quiet(archive: Archive, args: dict[str, Any], _job: JobContext) -> None:
    """The job that a quiet series asks for: if the whole study is, have peers told of it."""
    study = str(args["study_instance_uid"])
    query = (
        select(func.max(series.c.updated_at))
        .join(studies, studies.c.id == series.c.study_key)
        .where(studies.c.study_instance_uid == study)
    )
    with archive.reading() as session:
        updated_at = session.execute(query).scalar_one_or_none()
    if updated_at is None or updated_at + archive.settings.series_quiet_s > time.time():
        return  # gone, or the series that still grows asks again
    wanting = [peer for peer in peers.list_peers(archive) if peer.notify_availability]
    if not wanting:
        return
    with archive.transaction() as session:
        for peer in wanting:
            jobs.enqueue(
                session,
                "notify_availability",
                {"peer_id": peer.id, "study_instance_uid": study},
                queue="send",
                destination=peer.ae_title,
                key=f"notify_availability:{peer.id}:{study}",
            )


def notify_availability(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """The job that tells one peer of one study by N-CREATE.

    Raises
    ------
    Unavailable: the peer is away, does not offer the service, or did not take it. Refused: it has no address.
    """
    peer = destination_of(archive, int(args["peer_id"]))
    study = str(args["study_instance_uid"])
    found = list(find_instances(archive, SYSTEM("worker"), study_uids=(study,)))
    if not found:
        return
    job.check()
    notification = notification_of(study, found, archive.settings.ae_title)
    try:
        with open_association(archive.settings, peer, [(NOTIFICATION, IDENTIFIER_SYNTAXES)]) as association:
            answer = asking(association, NOTIFICATION).create(NOTIFICATION, new_uid(), notification)
    except NotAcceptable as error:
        raise Unavailable(f"{peer.ae_title} does not offer Instance Availability Notification: {error}") from error
    if answer.status != commands.SUCCESS and not commands.is_warning(answer.status):
        said = f": {answer.comment}" if answer.comment else ""
        raise Unavailable(f"{peer.ae_title} answered the notification with status 0x{answer.status:04X}{said}")
    with archive.transaction() as session:
        audit.record(
            session,
            SYSTEM("worker"),
            "availability_notify",
            study_instance_uid=study,
            object=peer.ae_title,
            detail={"instances": len(found)},
        )


def notification_of(study_instance_uid: str, found: Iterable[StoredInstance], ae_title: str) -> JsonDataset:
    """Write the attributes of table R.3-1: all instances of the study are online with us."""
    of_series: dict[str, list[JsonDataset]] = {}
    for instance in found:
        of_series.setdefault(instance.series_instance_uid, []).append(
            {
                "00080054": {"vr": "AE", "Value": [ae_title]},
                "00080056": {"vr": "CS", "Value": ["ONLINE"]},
                "00081150": {"vr": "UI", "Value": [instance.sop_class_uid]},
                "00081155": {"vr": "UI", "Value": [instance.sop_instance_uid]},
            }
        )
    return {
        "00081111": {"vr": "SQ"},  # Referenced Performed Procedure Step Sequence, type 2: we know of none
        "00081115": {
            "vr": "SQ",
            "Value": [
                {"0020000E": {"vr": "UI", "Value": [uid]}, "00081199": {"vr": "SQ", "Value": items}}
                for uid, items in of_series.items()
            ],
        },
        "0020000D": {"vr": "UI", "Value": [study_instance_uid]},
    }
