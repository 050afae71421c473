"""Hanging protocols and other instances that belong to no patient: stored, found, given back (PS3.4 annexes GG, U)."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from sqlalchemy import func, select

import make
from doors import Door, add_peer, put
from filmless.access import audit
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.tables import instances, patients, studies
from filmless.archive.tables import non_patient_instances as table
from filmless.dimse import commands as c
from filmless.errors import Refused
from filmless.reading.hanging_protocols import Place, keep_protocol
from filmless.reading.hanging_reading import read_hanging
from filmless.reading.hanging_rules import Conditions, Cut, HungWindow, Links, Rule, Selector, Viewport
from filmless.store.non_patient import remove
from filmless.store.receive import receive
from real_servers import free_port
from waiting import until
from wire import EXPLICIT_LE, IMPLICIT_LE, Scp, run

HANGING, COLOR_PALETTE, IMPLANT = (f"1.2.840.10008.5.1.4.{arc}.1" for arc in (38, 39, 43))
CT_PROTOCOL, XA_PROTOCOL = "1.2.840.10008.5.1.4.1.1.200.1", "1.2.840.10008.5.1.4.1.1.200.7"
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.38.{number}" for number in (2, 3, 4))
PROTOCOL_FIND = "1.2.840.10008.5.1.4.20.1"


def hanging_protocol(sop_class_uid: str = HANGING, **changes: Any) -> Dataset:
    """What an instance of a hanging protocol says, in short (PS3.3 A.44)."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class_uid, make.uid()
    ds.HangingProtocolName = "Mammo"
    ds.HangingProtocolDescription = "Vorherige links"
    ds.HangingProtocolLevel = "SITE"
    ds.HangingProtocolCreator = "Müller^Änne"
    ds.HangingProtocolCreationDateTime = "20260301080000"
    item = Dataset()
    item.Modality = "MG"
    item.Laterality = "L"
    ds.HangingProtocolDefinitionSequence = [item]
    ds.NumberOfPriorsReferenced = 1
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


def find(door: Door, model: str = FIND, **keys: Any) -> list[tuple[int, dict[str, Any] | None]]:
    ds = Dataset()
    for keyword, value in keys.items():
        setattr(ds, keyword, value)
    with door.ask((model, IMPLICIT_LE)) as association:
        return list(association.find(model, ds.to_json_dict()))


def uids(answers: list[tuple[int, dict[str, Any] | None]]) -> list[str]:
    return [found["00080018"]["Value"][0] for _, found in answers if found is not None]


def naming(*sop_uids: str) -> dict[str, Any]:
    return {"00080018": {"vr": "UI", "Value": list(sop_uids)}}


def asked_by_pynetdicom(door: Door) -> tuple[Association, list[Dataset]]:
    """An association of pynetdicom for hanging protocols, and what it is given on it."""
    came: list[Dataset] = []

    def take(event: Any) -> int:
        came.append(event.dataset)
        return 0

    ae = AE("TEST")
    for uid in (HANGING, FIND, GET):
        ae.add_requested_context(uid)
    association = ae.associate(
        "127.0.0.1",
        door.port,
        ae_title="FILMLESS",
        ext_neg=[build_role(HANGING, scu_role=True, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, take)],
    )
    return association, came


def test_pynetdicom_stores_finds_and_gets_a_hanging_protocol(door: Door, archive: Archive) -> None:
    kept = hanging_protocol()
    association, came = asked_by_pynetdicom(door)
    kept.file_meta = FileMetaDataset()
    kept.file_meta.TransferSyntaxUID = UID(IMPLICIT_LE)
    assert association.send_c_store(kept).Status == 0
    keys = Dataset()
    keys.HangingProtocolName, keys.HangingProtocolCreator, keys.SOPInstanceUID = "Mam*", "", ""
    answers = list(association.send_c_find(keys, FIND))
    named = Dataset()
    named.SOPInstanceUID = answers[0][1].SOPInstanceUID
    statuses = [status.Status for status, _ in association.send_c_get(named, GET)]
    association.release()
    assert [status.Status for status, _ in answers] == [0xFF00, 0]
    assert str(answers[0][1].HangingProtocolCreator) == "Müller^Änne"
    assert statuses[-1] == 0
    assert came[0] == kept
    with archive.reading() as session:
        for other in (instances, studies, patients):
            assert session.execute(select(func.count()).select_from(other)).scalar_one() == 0
    rows, _ = audit.read(archive, action="store")
    assert [(row.actor, row.object) for row in rows] == [("TEST", kept.SOPInstanceUID)]


def test_the_bytes_are_durable_and_given_back_as_they_came(
    door: Door, archive: Archive, scp: Callable[..., Scp]
) -> None:
    kept = hanging_protocol()
    data = put(archive, kept)
    with archive.reading() as session:
        row = session.execute(select(table)).one()
    assert archive.blobs.digest(bytes(row.blob).hex()) == bytes(row.blob).hex()
    listening = scp()
    add_peer(archive, "DEST", listening.port, ask_commitment=True)
    with door.ask((MOVE, IMPLICIT_LE)) as association:
        answers = list(association.move(MOVE, naming(kept.SOPInstanceUID), "DEST"))
    assert (answers[-1][0], [stored.data for stored in listening.stored]) == (c.SUCCESS, [data])


@pytest.mark.parametrize(
    ("keys", "is_found"),
    [
        ({"HangingProtocolLevel": "SITE"}, True),
        ({"HangingProtocolLevel": "USER"}, False),
        ({"HangingProtocolCreator": "Müller*"}, True),
        ({"HangingProtocolCreationDateTime": "20260101-20260401"}, True),
        ({"HangingProtocolCreationDateTime": "20270101-"}, False),
        ({"NumberOfPriorsReferenced": 1}, True),
        ({"NumberOfPriorsReferenced": 2}, False),
    ],
)
def test_any_attribute_is_a_key(door: Door, archive: Archive, keys: dict[str, Any], is_found: bool) -> None:
    kept = hanging_protocol()
    put(archive, kept)
    assert uids(find(door, SOPInstanceUID="", **keys)) == [kept.SOPInstanceUID] * is_found


def test_an_item_of_a_sequence_is_a_key(door: Door, archive: Archive) -> None:
    kept = hanging_protocol()
    put(archive, kept)
    for modality, laterality, is_found in (("MG", "L", True), ("MG", "R", False)):
        item = Dataset()
        item.Modality, item.Laterality = modality, laterality
        found = find(door, SOPInstanceUID="", HangingProtocolDefinitionSequence=[item])
        assert uids(found) == [kept.SOPInstanceUID] * is_found


def test_each_model_finds_its_own_classes(door: Door, archive: Archive) -> None:
    made = {uid: hanging_protocol(uid) for uid in (HANGING, COLOR_PALETTE, IMPLANT, CT_PROTOCOL, XA_PROTOCOL)}
    for ds in made.values():
        put(archive, ds)
    assert uids(find(door, SOPInstanceUID="")) == [made[HANGING].SOPInstanceUID]
    assert uids(find(door, "1.2.840.10008.5.1.4.39.2", SOPInstanceUID="")) == [made[COLOR_PALETTE].SOPInstanceUID]
    assert uids(find(door, "1.2.840.10008.5.1.4.43.2", SOPInstanceUID="")) == [made[IMPLANT].SOPInstanceUID]
    assert uids(find(door, PROTOCOL_FIND, SOPInstanceUID="")) == [
        made[CT_PROTOCOL].SOPInstanceUID,
        made[XA_PROTOCOL].SOPInstanceUID,
    ]
    with door.ask((GET, IMPLICIT_LE)) as association:
        answers = list(association.get(GET, naming(made[CT_PROTOCOL].SOPInstanceUID), lambda _: None))
        assert (answers[-1][0], association.last_response.number(c.COMPLETED_SUBOPERATIONS)) == (c.SUCCESS, 0)


def test_a_retrieve_that_names_nothing_is_a900(door: Door) -> None:
    with door.ask((GET, IMPLICIT_LE)) as association:
        assert list(association.get(GET, {}, lambda _: None))[-1][0] == 0xA900


def test_the_same_again_is_a_success_and_other_content_is_refused(door: Door, archive: Archive) -> None:
    kept = hanging_protocol()
    put(archive, kept)
    with door.ask((HANGING, EXPLICIT_LE)) as association:

        def store(ds: Dataset) -> int:
            data = make.dataset_bytes(ds, EXPLICIT_LE)
            return association.store(HANGING, str(ds.SOPInstanceUID), EXPLICIT_LE, data)

        assert store(kept) == c.SUCCESS
        kept.HangingProtocolName = "Other"
        assert store(kept) == c.DUPLICATE_SOP_INSTANCE
    with archive.reading() as session:
        assert session.execute(select(func.count()).select_from(table)).scalar_one() == 1


def test_there_are_no_more_than_the_settings_say(door: Door, archive: Archive) -> None:
    archive.settings = archive.settings.model_copy(update={"non_patient_instances_max": 1})
    put(archive, hanging_protocol())
    more = hanging_protocol()
    with door.ask((HANGING, EXPLICIT_LE)) as association:
        data = make.dataset_bytes(more, EXPLICIT_LE)
        assert association.store(HANGING, str(more.SOPInstanceUID), EXPLICIT_LE, data) == 0xA700


def test_a_door_of_studies_refuses_what_has_none(archive: Archive) -> None:
    with pytest.raises(Refused, match="belongs to no study"):
        receive(archive, SYSTEM("test"), io.BytesIO(make.part10(hanging_protocol())))


READERS_RULE = Rule(
    name="CT with prior",
    layout="1x2",
    viewports=(
        Viewport(Selector(modality="CT", plane="axial", thickness=(1, 5)), HungWindow(60, 160)),
        Viewport(Selector(prior=1, modality="CT", has_contrast=True, place=2), None, True, Cut("coronal", 5, 2, "min")),
    ),
    when=Conditions(("CT",), ("chest",), priors=1),
    links=Links(place=True),
)


def test_a_protocol_that_a_reader_made_goes_to_another_system_and_comes_back_as_the_rule_it_was(
    door: Door, archive: Archive
) -> None:
    kept = keep_protocol(archive, SYSTEM("api"), READERS_RULE, Place("site"))
    association, came = asked_by_pynetdicom(door)
    wanted = Dataset()
    wanted.SOPInstanceUID, wanted.HangingProtocolName = kept.sop_instance_uid, ""
    found = [ds for _, ds in association.send_c_find(wanted, FIND) if ds is not None]
    assert [ds.HangingProtocolName for ds in found] == ["CT with prior"]
    assert [status.Status for status, _ in association.send_c_get(wanted, GET)][-1] == 0
    association.release()
    (ds,) = came
    assert ds.HangingProtocolLevel == "SITE"
    assert read_hanging(ds).rule == READERS_RULE


@pytest.mark.skipif(shutil.which("storescp") is None, reason="DCMTK is not installed")
def test_a_protocol_that_a_reader_made_goes_through_dcmtk_byte_for_byte(
    door: Door, archive: Archive, tmp_path: Path
) -> None:
    """By storescp and storescu: dcmqrscp has no such storage class, and Orthanc asks for a Patient ID."""
    kept = keep_protocol(archive, SYSTEM("api"), READERS_RULE, Place("site"))
    with archive.reading() as session:
        row = session.execute(select(table)).one()
    stored = archive.blobs.read(bytes(row.blob).hex())
    port, received = free_port(), tmp_path / "received"
    received.mkdir()
    settings = tmp_path / "storescp.cfg"
    settings.write_text(
        "[[TransferSyntaxes]]\n[Native]\nTransferSyntax1 = LittleEndianExplicit\n"
        "TransferSyntax2 = LittleEndianImplicit\n"
        "[[PresentationContexts]]\n[Kept]\nPresentationContext1 = VerificationSOPClass\\Native\n"
        "PresentationContext2 = HangingProtocolStorage\\Native\n[[Profiles]]\n[Keep]\nPresentationContexts = Kept\n"
    )
    server = subprocess.Popen(["storescp", "-xf", settings, "Keep", "+B", "-od", received, str(port)])
    try:
        until(lambda: run("echoscu", "127.0.0.1", port).returncode == 0)
        add_peer(archive, "DCMTK", port)
        with door.ask((MOVE, IMPLICIT_LE)) as association:
            answers = list(association.move(MOVE, naming(kept.sop_instance_uid), "DCMTK"))
        assert answers[-1][0] == c.SUCCESS
    finally:
        server.terminate()
        server.wait(10)
    (back,) = received.iterdir()
    data_set = stored[row.dataset_offset :]
    assert back.read_bytes().endswith(data_set)
    assert dcmread(back) == dcmread(io.BytesIO(stored))

    # Gone from here, it comes back from there.
    remove(archive, [kept.sop_instance_uid])
    sent = run("storescu", "-R", "-aet", "TEST", "-aec", "FILMLESS", "127.0.0.1", door.port, back)
    assert sent.returncode == 0, sent.stderr
    with archive.reading() as session:
        again = session.execute(select(table)).one()
    assert archive.blobs.read(bytes(again.blob).hex())[again.dataset_offset :] == data_set
    assert read_hanging(dcmread(back)).rule == READERS_RULE
