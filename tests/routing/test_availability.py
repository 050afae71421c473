"""Peers that want to know are told of complete studies (PS3.4 annex R), with pynetdicom as the other side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from sqlalchemy import select, update

import make
from doors import add_peer, put
from filmless.access import audit
from filmless.app.worker import make_worker
from filmless.archive import Archive
from filmless.archive.tables import jobs
from filmless.config import Settings

NOTIFICATION = "1.2.840.10008.5.1.4.33"


class Told:
    """A peer that is told of studies."""

    def __init__(self) -> None:
        self.notifications: list[Dataset] = []
        self.status = 0
        ae = AE("RIS")
        ae.add_supported_context(NOTIFICATION)
        self.server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_CREATE, self.take)])
        self.port = int(self.server.socket.getsockname()[1])

    def take(self, event: Any) -> tuple[int, None]:
        self.notifications.append(event.attribute_list)
        return self.status, None


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"series_quiet_s": 0.0, "job_backoff_s": 0.0})


@pytest.fixture
def told() -> Iterator[Told]:
    peer = Told()
    yield peer
    peer.server.shutdown()


def run(archive: Archive) -> None:
    with archive.transaction() as session:
        session.execute(update(jobs).values(run_at=0.0))
    make_worker(archive).run_due()


def named(notification: Dataset) -> dict[str, list[tuple[str, str, str]]]:
    return {
        str(series.SeriesInstanceUID): [
            (str(item.ReferencedSOPInstanceUID), item.InstanceAvailability, item.RetrieveAETitle)
            for item in series.ReferencedSOPSequence
        ]
        for series in notification.ReferencedSeriesSequence
    }


def test_a_peer_is_told_of_a_complete_study_once(archive: Archive, told: Told) -> None:
    add_peer(archive, "RIS", told.port, notify_availability=True)
    add_peer(archive, "OTHER", told.port)
    series = make.ct_series(2)
    for ds in series:
        put(archive, ds)
    run(archive)
    run(archive)
    (notification,) = told.notifications
    assert notification.StudyInstanceUID == series[0].StudyInstanceUID
    assert list(notification.ReferencedPerformedProcedureStepSequence) == []
    expected = [(ds.SOPInstanceUID, "ONLINE", "FILMLESS") for ds in series]
    assert named(notification) == {series[0].SeriesInstanceUID: expected}
    rows, _ = audit.read(archive, action="availability_notify")
    assert [(row.object, row.study_instance_uid) for row in rows] == [("RIS", series[0].StudyInstanceUID)]


def test_a_study_that_grows_is_told_of_when_it_is_quiet_again(archive: Archive, told: Told) -> None:
    add_peer(archive, "RIS", told.port, notify_availability=True)
    first, second = make.ct_series(2)
    put(archive, first)
    run(archive)
    put(archive, second)
    run(archive)
    counts = [len(items) for notification in told.notifications for items in named(notification).values()]
    assert counts == [1, 2]


def test_a_notification_that_is_refused_is_tried_again(archive: Archive, told: Told) -> None:
    told.status = 0x0110
    add_peer(archive, "RIS", told.port, notify_availability=True)
    put(archive, make.ct_slice())
    run(archive)
    with archive.reading() as session:
        (job,) = session.execute(select(jobs).where(jobs.c.name == "notify_availability")).all()
    assert (job.state, "0x0110" in job.error) == ("waiting", True)
    told.status = 0
    run(archive)
    assert len(told.notifications) == 2
