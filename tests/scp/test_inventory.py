"""Inventories of the archive with pynetdicom as the side that asks (PS3.4 annexes JJ and KK, PS3.3 A.88)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, evt
from pynetdicom.association import Association
from sqlalchemy import func, select, update

import make
from doors import Door, add_peer, put
from filmless.access import audit
from filmless.app.worker import make_worker
from filmless.archive import Archive
from filmless.archive.jobs import JobContext
from filmless.archive.tables import jobs, studies
from filmless.archive.tables import non_patient_instances as table
from filmless.config import Settings
from filmless.errors import Unavailable
from filmless.routing import inventory
from filmless.routing.tables import inventories
from wire import IMPLICIT_LE

CREATION, INSTANCE = "1.2.840.10008.5.1.4.1.1.201.5", "1.2.840.10008.5.1.4.1.1.201.1.1"
STORAGE, FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.1.201.{number}" for number in range(1, 5))
INITIATE, STATUS, CANCEL, PAUSE, RESUME = range(11, 16)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"job_backoff_s": 0.0})


class Migrator:
    """An AE that hears how its inventory stands."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, Dataset]] = []
        self.status = 0
        ae = AE("MIGRATOR")
        ae.add_supported_context(CREATION, scu_role=False, scp_role=True)
        handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, self.hear)]
        self.server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = int(self.server.socket.getsockname()[1])

    def hear(self, event: Any) -> tuple[int, None]:
        assert event.request.AffectedSOPInstanceUID == INSTANCE
        if self.status == 0:
            self.heard.append((event.event_type, event.event_information))
        return self.status, None


@pytest.fixture
def migrator(archive: Archive) -> Iterator[Migrator]:
    listening = Migrator()
    add_peer(archive, "MIGRATOR", listening.port, "query", "retrieve")
    yield listening
    listening.server.shutdown()


@pytest.fixture
def over(serving: Callable[..., Door], migrator: Migrator) -> Iterator[Association]:
    ae = AE("MIGRATOR")
    ae.add_requested_context(CREATION)
    association = ae.associate("127.0.0.1", serving().port, ae_title="FILMLESS")
    yield association
    association.release()


def request(level: str = "INSTANCE", transaction_uid: str = "1.2.3.4", scope: Dataset | None = None) -> Dataset:
    ds = Dataset()
    ds.TransactionUID, ds.InventoryLevel, ds.InventoryPurpose = transaction_uid, level, "Migration"
    ds.ScopeOfInventorySequence = [] if scope is None else [scope]
    return ds


def act(over: Association, action: int, information: Dataset | None = None) -> int:
    if information is None:
        information = Dataset()
        information.TransactionUID = "1.2.3.4"
    status, _ = over.send_n_action(information, action, CREATION, INSTANCE)
    return int(status.Status)


def run_due(archive: Archive) -> None:
    for _ in range(2):
        with archive.transaction() as session:
            session.execute(update(jobs).values(run_at=0.0))
        make_worker(archive).run_due()


def kept(archive: Archive) -> dict[str, Dataset]:
    """All inventories in the archive, read by pydicom."""
    with archive.reading() as session:
        blobs = [bytes(row.blob).hex() for row in session.execute(select(table).order_by(table.c.id))]
    found = [dcmread(BytesIO(b"".join(archive.blobs.stream(blob)))) for blob in blobs]
    return {str(ds.SOPInstanceUID): ds for ds in found}


def fill(archive: Archive, studies: int = 3) -> list[list[Dataset]]:
    made = [make.ct_series(2, PatientID=f"P{number}", PatientName="Müller^Änne") for number in range(studies)]
    for series in made:
        for ds in series:
            put(archive, ds)
    return made


def state(archive: Archive) -> str:
    with archive.reading() as session:
        return str(session.execute(select(inventories.c.state)).scalar_one())


def test_all_that_is_kept_is_in_the_inventory_that_is_told_of(
    archive: Archive, over: Association, migrator: Migrator
) -> None:
    made = fill(archive)
    assert act(over, INITIATE, request()) == 0
    run_due(archive)
    ((event, told),) = migrator.heard
    assert (event, told.TransactionUID, told.TransactionStatus, told.TotalNumberOfStudyRecords) == (
        11,
        "1.2.3.4",
        "COMPLETE",
        3,
    )
    assert (told.RetrieveAETitle, told.ReferencedSOPClassUID) == ("FILMLESS", STORAGE)
    ds = kept(archive)[told.ReferencedSOPInstanceUID]
    assert (ds.InventoryLevel, ds.InventoryCompletionStatus, ds.InventoryPurpose) == (
        "INSTANCE",
        "COMPLETE",
        "Migration",
    )
    assert (ds.NumberOfStudyRecordsInInstance, ds.TotalNumberOfStudyRecords) == (3, 3)
    assert list(ds.IncorporatedInventoryInstanceSequence) == []
    assert ds.StudyAccessEndPointsSequence[0].RetrieveAETitle == "FILMLESS"
    listed = {
        (
            study.PatientID,
            str(study.PatientName),
            study.StudyInstanceUID,
            series.SeriesInstanceUID,
            instance.SOPInstanceUID,
        )
        for study in ds.InventoriedStudiesSequence
        for series in study.InventoriedSeriesSequence
        for instance in series.InventoriedInstancesSequence
    }
    assert listed == {
        (each.PatientID, str(each.PatientName), each.StudyInstanceUID, each.SeriesInstanceUID, each.SOPInstanceUID)
        for series in made
        for each in series
    }
    first = ds.InventoriedStudiesSequence[0].InventoriedSeriesSequence[0].InventoriedInstancesSequence[0]
    assert (first.SOPClassUID, first.StoredInstanceTransferSyntaxUID) == (make.CT, make.EXPLICIT_LE)
    rows, _ = audit.read(archive, action="inventory_request")
    assert [(row.actor, row.object) for row in rows] == [("MIGRATOR", "1.2.3.4")]


@pytest.mark.parametrize(("level", "has_series"), [("STUDY", False), ("SERIES", True)])
def test_the_level_says_how_deep_it_goes(
    archive: Archive, over: Association, migrator: Migrator, level: str, has_series: bool
) -> None:
    fill(archive, 1)
    assert act(over, INITIATE, request(level)) == 0
    run_due(archive)
    (ds,) = kept(archive).values()
    (study,) = ds.InventoriedStudiesSequence
    assert ("InventoriedSeriesSequence" in study) == has_series
    if has_series:
        assert "InventoriedInstancesSequence" not in study.InventoriedSeriesSequence[0]


def test_a_long_one_is_divided_and_its_root_names_the_parts(
    archive: Archive, over: Association, migrator: Migrator
) -> None:
    archive.settings = archive.settings.model_copy(update={"inventory_studies_max": 2})
    made = fill(archive, 5)
    assert act(over, INITIATE, request("STUDY")) == 0
    run_due(archive)
    all_kept = kept(archive)
    root = all_kept.pop(migrator.heard[-1][1].ReferencedSOPInstanceUID)
    assert {item.ReferencedSOPInstanceUID for item in root.IncorporatedInventoryInstanceSequence} == set(all_kept)
    assert (root.NumberOfStudyRecordsInInstance, root.TotalNumberOfStudyRecords) == (0, 5)
    assert [ds.NumberOfStudyRecordsInInstance for ds in all_kept.values()] == [2, 2, 1]
    listed = [study.StudyInstanceUID for ds in all_kept.values() for study in ds.InventoriedStudiesSequence]
    assert listed == [series[0].StudyInstanceUID for series in made]


def test_the_scope_says_which_studies(archive: Archive, over: Association, migrator: Migrator) -> None:
    made = fill(archive)
    general, dates, scope = Dataset(), Dataset(), Dataset()
    general.PatientID = "P1"
    dates.StudyDate = "20240101-20240131"
    scope.GeneralMatchingSequence, scope.RangeMatchingSequence = [general], [dates]
    assert act(over, INITIATE, request(scope=scope)) == 0
    run_due(archive)
    (ds,) = kept(archive).values()
    assert [study.StudyInstanceUID for study in ds.InventoriedStudiesSequence] == [made[1][0].StudyInstanceUID]
    assert ds.ScopeOfInventorySequence[0].GeneralMatchingSequence[0].PatientID == "P1"


def test_each_refusal_has_its_status(archive: Archive, over: Association) -> None:
    assert act(over, INITIATE, request("ROOM")) == 0x0212
    scope = Dataset()
    scope.ExtendedMatchingMechanisms = "FUZZY"
    assert act(over, INITIATE, request(scope=scope)) == 0x0212
    assert act(over, STATUS) == 0x0115
    assert act(over, 16) == 0x0123
    keys, scope = Dataset(), Dataset()
    keys.Rows = 512
    scope.GeneralMatchingSequence = [keys]
    assert act(over, INITIATE, request(scope=scope)) == 0xB010
    assert act(over, INITIATE, request()) == 0x0115  # the Transaction UID is in use
    assert act(over, RESUME) == 0x0115
    archive.settings = archive.settings.model_copy(update={"inventories_max": 1})
    assert act(over, INITIATE, request(transaction_uid="1.2.3.5")) == 0x0213


def test_it_is_paused_and_goes_on(archive: Archive, over: Association, migrator: Migrator) -> None:
    fill(archive)
    assert act(over, INITIATE, request("STUDY")) == 0
    assert act(over, PAUSE) == 0
    run_due(archive)
    assert [(event, told.TransactionStatus) for event, told in migrator.heard] == [(12, "PAUSED")]
    assert kept(archive) == {}
    assert act(over, RESUME) == 0
    run_due(archive)
    assert migrator.heard[-1][1].TransactionStatus == "COMPLETE"


def test_its_status_is_told_when_asked_for(archive: Archive, over: Association, migrator: Migrator) -> None:
    assert act(over, INITIATE, request("STUDY")) == 0
    run_due(archive)
    assert act(over, STATUS) == 0
    run_due(archive)
    assert [(event, told.TransactionStatus) for event, told in migrator.heard] == [(11, "COMPLETE")] * 2


@pytest.mark.parametrize("retained", ["YES", "NO"])
def test_a_canceled_one_leaves_what_the_peer_wants(
    archive: Archive, over: Association, migrator: Migrator, retained: str
) -> None:
    archive.settings = archive.settings.model_copy(update={"inventory_studies_max": 1})
    fill(archive)
    assert act(over, INITIATE, request("STUDY")) == 0
    produce_one_part(archive)
    information = Dataset()
    information.TransactionUID, information.RetainInstances = "1.2.3.4", retained
    assert act(over, CANCEL, information) == 0
    run_due(archive)
    event, told = migrator.heard[-1]
    assert (event, told.TransactionStatus) == ({"YES": 11, "NO": 13}[retained], "CANCELED")
    if retained == "YES":
        root = kept(archive)[told.ReferencedSOPInstanceUID]
        assert (root.InventoryCompletionStatus, root.TotalNumberOfStudyRecords) == ("PARTIAL", 1)
    else:
        assert kept(archive) == {}
    assert act(over, CANCEL, information) == 0x0115


class StopsAfterOnePart(JobContext):
    """A job whose process is killed when it has written one instance."""

    def __init__(self) -> None:
        self.parts = 0

    @property
    def is_stopping(self) -> bool:
        return False

    def check(self) -> None:
        return

    def report(self, progress: float, progress_text: str | None = None) -> None:
        raise Unavailable("killed")


def produce_one_part(archive: Archive) -> None:
    with archive.reading() as session:
        key = session.execute(select(inventories.c.id)).scalar_one()
    with pytest.raises(Unavailable):
        inventory.inventory_produce(archive, {"inventory": key}, StopsAfterOnePart())


def test_after_a_kill_it_goes_on_and_no_study_is_listed_twice(
    archive: Archive, over: Association, migrator: Migrator
) -> None:
    archive.settings = archive.settings.model_copy(update={"inventory_studies_max": 2})
    made = fill(archive, 3)
    assert act(over, INITIATE, request("STUDY")) == 0
    produce_one_part(archive)
    with archive.transaction() as session:  # killed after the bytes, before they were remembered
        session.execute(update(inventories).values(parts="[]", position=0))
    run_due(archive)
    all_kept = kept(archive)
    root = all_kept.pop(migrator.heard[-1][1].ReferencedSOPInstanceUID)
    assert {item.ReferencedSOPInstanceUID for item in root.IncorporatedInventoryInstanceSequence} == set(all_kept)
    listed = [study.StudyInstanceUID for ds in all_kept.values() for study in ds.InventoriedStudiesSequence]
    assert listed == [series[0].StudyInstanceUID for series in made]


def test_one_that_cannot_be_made_ends_in_failure_and_leaves_nothing(
    archive: Archive, over: Association, migrator: Migrator
) -> None:
    archive.settings = archive.settings.model_copy(update={"inventory_studies_max": 1})
    fill(archive, 2)
    with archive.transaction() as session:
        broken = '{"00100020": {"vr": "US", "Value": ["text"]}}'
        last = select(func.max(studies.c.id)).scalar_subquery()
        session.execute(update(studies).where(studies.c.id == last).values(attributes=broken))
    assert act(over, INITIATE, request("STUDY")) == 0
    run_due(archive)
    event, told = migrator.heard[-1]
    assert (event, told.TransactionStatus, kept(archive)) == (13, "FAILURE", {})
    assert "(0010,0020)" in told.TransactionStatusComment


def test_it_is_found_and_retrieved(archive: Archive, over: Association, serving: Callable[..., Door]) -> None:
    fill(archive, 1)
    assert act(over, INITIATE, request("STUDY")) == 0
    run_due(archive)
    (uid,) = kept(archive)
    add_peer(archive, "TEST")
    keys = Dataset()
    keys.SOPInstanceUID, keys.InventoryLevel, keys.TotalNumberOfStudyRecords = "", "STUDY", None
    with serving().ask((FIND, IMPLICIT_LE)) as association:
        answers = list(association.find(FIND, keys.to_json_dict()))
    assert [status for status, _ in answers] == [0xFF00, 0]
    assert answers[0][1]["00080018"]["Value"] == [uid]
    assert answers[0][1]["00080428"]["Value"] == [1]


def test_what_is_old_is_removed(archive: Archive, over: Association) -> None:
    fill(archive, 1)
    assert act(over, INITIATE, request("STUDY")) == 0
    run_due(archive)
    archive.settings = archive.settings.model_copy(update={"inventory_keep_s": 0.0})
    inventory.forget_inventories(archive)
    assert kept(archive) == {}
    with archive.reading() as session:
        assert session.execute(select(inventories)).first() is None
