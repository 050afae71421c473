"""C-MOVE and C-GET: what arrives, the counts, the final status, cancel and transcoding (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset

import make
from doors import Door, add_peer, put
from filmless.access import audit
from filmless.archive import Archive
from filmless.dimse import commands as c
from filmless.dimse.limits import Limits
from filmless.dimse.pdus import ContextAnswer, RoleSelection
from filmless.dimse.server import Accept, Caller
from filmless.dimse.services import Outcome, Request
from filmless.retrieve.send import SendResult
from filmless.scp.retrieving import final
from running import free_port
from wire import EXPLICIT_LE, IMPLICIT_LE, STUDY_FIND, STUDY_GET, STUDY_MOVE, Scp, Stored, run, wait_for

PATIENT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
FAILED_LIST = "00080058"


def keys(level: str, **values: Any) -> dict[str, Any]:
    tags = {"patient": ("00100020", "LO"), "study": ("0020000D", "UI"), "series": ("0020000E", "UI")}
    tags["image"] = ("00080018", "UI")
    out: dict[str, Any] = {"00080052": {"vr": "CS", "Value": [level]}}
    for name, value in values.items():
        tag, vr = tags[name]
        out[tag] = {"vr": vr, "Value": value if isinstance(value, list) else [value]}
    return out


def move(door: Door, identifier: dict[str, Any], to: str = "DEST", model: str = STUDY_MOVE) -> tuple[Any, c.Command]:
    with door.ask((model, IMPLICIT_LE)) as association:
        answers = list(association.move(model, identifier, to))
        return answers[-1], association.last_response


def counts(command: c.Command) -> tuple[int, int, int]:
    numbers = (c.COMPLETED_SUBOPERATIONS, c.FAILED_SUBOPERATIONS, c.WARNING_SUBOPERATIONS)
    return tuple(command.number(number) for number in numbers)  # type: ignore[return-value]


@pytest.fixture
def series(archive: Archive) -> list[Dataset]:
    made = make.ct_series(3, PatientID="P7")
    for ds in made:
        put(archive, ds)
    return made


@pytest.fixture
def destination(scp: Callable[..., Scp], archive: Archive) -> Scp:
    listening = scp()
    add_peer(archive, "DEST", listening.port)
    return listening


@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
def test_what_is_named_arrives_as_it_is_kept(door: Door, destination: Scp, series: list[Dataset], level: str) -> None:
    named = {"study": series[0].StudyInstanceUID}
    if level != "STUDY":
        named["series"] = series[0].SeriesInstanceUID
    wanted = series
    if level == "IMAGE":
        named["image"] = [series[0].SOPInstanceUID, series[2].SOPInstanceUID]
        wanted = [series[0], series[2]]
    (status, found), last = move(door, keys(level, **named))
    assert (status, found, counts(last)) == (c.SUCCESS, None, (len(wanted), 0, 0))
    assert [stored.data for stored in destination.stored] == [make.dataset_bytes(ds, EXPLICIT_LE) for ds in wanted]
    command = destination.stored[0].request.command
    assert command.text(c.MOVE_ORIGINATOR_AE_TITLE) == "TEST"
    assert command.number(c.MOVE_ORIGINATOR_MESSAGE_ID) == 1


def test_a_patient_is_moved_in_the_patient_root(door: Door, destination: Scp, series: list[Dataset]) -> None:
    (status, _), last = move(door, keys("PATIENT", patient="P7"), model=PATIENT_MOVE)
    assert (status, counts(last)) == (c.SUCCESS, (3, 0, 0))


@pytest.mark.parametrize(
    "identifier",
    [
        keys("STUDY"),
        keys("PATIENT", patient="P7"),
        keys("STUDY", study="1.2.*"),
        {"0020000D": {"vr": "UI", "Value": ["1.2.3"]}},
    ],
    ids=["no key", "level of another model", "wildcard", "no level"],
)
def test_an_identifier_that_names_nothing_is_a900(door: Door, destination: Scp, identifier: dict[str, Any]) -> None:
    (status, _), _ = move(door, identifier)
    assert status == 0xA900


def test_an_unknown_destination_is_a801(door: Door, series: list[Dataset]) -> None:
    (status, _), last = move(door, keys("STUDY", study=series[0].StudyInstanceUID), "NOWHERE")
    assert status == 0xA801
    assert "NOWHERE" in last.text(c.ERROR_COMMENT)


def test_nothing_found_is_a_success_of_nothing(door: Door, destination: Scp) -> None:
    (status, _), last = move(door, keys("STUDY", study="1.2.3"))
    assert (status, counts(last)) == (c.SUCCESS, (0, 0, 0))


def test_a_destination_that_is_away_is_a702_with_all_listed(
    door: Door, archive: Archive, series: list[Dataset]
) -> None:
    add_peer(archive, "DEST", free_port())
    (status, found), last = move(door, keys("STUDY", study=series[0].StudyInstanceUID))
    assert (status, counts(last)) == (0xA702, (0, 3, 0))
    assert set(found[FAILED_LIST]["Value"]) == {ds.SOPInstanceUID for ds in series}
    rows, _ = audit.read(archive, action="retrieve")
    assert {(row.outcome, row.count) for row in rows} == {("success", 0), ("failed", 3)}


def test_one_refused_instance_is_b000_and_listed(
    door: Door, archive: Archive, scp: Callable[..., Scp], series: list[Dataset]
) -> None:
    def store(request: Request) -> Stored | Outcome:
        if request.sop_instance_uid == series[1].SOPInstanceUID:
            return Outcome(0xA700, "full")
        warned = Outcome(0xB007 if request.sop_instance_uid == series[2].SOPInstanceUID else 0)
        return Stored(request, outcome=warned)

    add_peer(archive, "DEST", scp(store=store).port)
    (status, found), last = move(door, keys("STUDY", study=series[0].StudyInstanceUID))
    assert (status, counts(last)) == (0xB000, (1, 1, 1))
    assert found[FAILED_LIST]["Value"] == [series[1].SOPInstanceUID]


def only(*syntaxes: str) -> Callable[[Caller], Accept]:
    """An acceptor that takes some transfer syntaxes only."""

    def authorize(caller: Caller) -> Accept:
        return Accept(
            tuple(
                ContextAnswer(context.context_id, 0 if context.transfer_syntaxes[0] in syntaxes else 4, IMPLICIT_LE)
                if context.transfer_syntaxes[0] not in syntaxes
                else ContextAnswer(context.context_id, 0, context.transfer_syntaxes[0])
                for context in caller.request.contexts
            )
        )

    return authorize


def test_it_is_transcoded_only_when_the_peer_cannot_take_it(
    door: Door, archive: Archive, scp: Callable[..., Scp]
) -> None:
    ds = make.rle()
    put(archive, ds, make.RLE)
    taking, old = scp(authorize=only(make.RLE, EXPLICIT_LE)), scp(authorize=only(IMPLICIT_LE))
    add_peer(archive, "DEST", taking.port)
    add_peer(archive, "OLD", old.port)
    for to in ("DEST", "OLD"):
        (status, _), _ = move(door, keys("STUDY", study=ds.StudyInstanceUID), to)
        assert status == c.SUCCESS
    assert taking.stored[0].request.transfer_syntax_uid == make.RLE
    assert taking.stored[0].data == make.dataset_bytes(ds, make.RLE)
    assert old.stored[0].request.transfer_syntax_uid == IMPLICIT_LE
    given = pydicom.dcmread(pydicom.filebase.DicomBytesIO(old.stored[0].data), force=True, specific_tags=None)
    assert given.Rows == ds.Rows


def test_an_instance_without_a_usable_context_has_failed(door: Door, archive: Archive, scp: Callable[..., Scp]) -> None:
    kept, report = make.ct_slice(), make.text_report()
    report.StudyInstanceUID = kept.StudyInstanceUID
    put(archive, kept)
    put(archive, report)

    def authorize(caller: Caller) -> Accept:
        return Accept(
            tuple(
                ContextAnswer(context.context_id, 0 if context.abstract_syntax == make.CT else 3, EXPLICIT_LE)
                for context in caller.request.contexts
                if context.abstract_syntax != make.CT or context.transfer_syntaxes == (EXPLICIT_LE,)
            )
        )

    add_peer(archive, "DEST", scp(authorize=authorize).port)
    (status, found), last = move(door, keys("STUDY", study=kept.StudyInstanceUID))
    assert (status, counts(last)) == (0xB000, (1, 1, 0))
    assert found[FAILED_LIST]["Value"] == [report.SOPInstanceUID]


def test_a_big_move_goes_over_several_associations(door: Door, archive: Archive, scp: Callable[..., Scp]) -> None:
    series = make.ct_series(130)
    for ds in series:
        put(archive, ds)
    listening = scp()
    add_peer(archive, "DEST", listening.port)
    (status, _), last = move(door, keys("STUDY", study=series[0].StudyInstanceUID))
    assert (status, counts(last)) == (c.SUCCESS, (130, 0, 0))
    assert 2 <= len(listening.callers) <= 4
    assert {stored.request.sop_instance_uid for stored in listening.stored} == {ds.SOPInstanceUID for ds in series}


def test_a_peer_that_takes_one_association_gets_all_over_it(
    door: Door, archive: Archive, scp: Callable[..., Scp]
) -> None:
    series = make.ct_series(90)
    for ds in series:
        put(archive, ds)
    listening = scp(limits=Limits(associations_max=1, artim_timeout_s=2))
    add_peer(archive, "DEST", listening.port)
    (status, _), last = move(door, keys("STUDY", study=series[0].StudyInstanceUID))
    assert (status, counts(last)) == (c.SUCCESS, (90, 0, 0))


def test_an_association_that_breaks_is_opened_again(door: Door, archive: Archive, scp: Callable[..., Scp]) -> None:
    series = make.ct_series(3)
    for ds in series:
        put(archive, ds)
    broken: list[str] = []

    def store(request: Request) -> Stored:
        if not broken:
            broken.append(request.sop_instance_uid)
            request.association.abort()
        return Stored(request)

    add_peer(archive, "DEST", scp(store=store).port)
    (status, _), last = move(door, keys("STUDY", study=series[0].StudyInstanceUID))
    assert (status, counts(last)) == (c.SUCCESS, (3, 0, 0))
    assert broken


def test_a_cancelled_move_says_what_was_done_and_what_was_not(
    door: Door, archive: Archive, scp: Callable[..., Scp]
) -> None:
    series = make.ct_series(30)
    for ds in series:
        put(archive, ds)

    def store(request: Request) -> Stored:
        time.sleep(0.1)
        return Stored(request)

    add_peer(archive, "DEST", scp(store=store).port)
    with door.ask((STUDY_MOVE, IMPLICIT_LE)) as association:
        answers = association.move(STUDY_MOVE, keys("STUDY", study=series[0].StudyInstanceUID), "DEST")
        assert next(answers)[0] == c.PENDING
        answers.close()
        last = association.last_response
    assert last.status == c.CANCELLED
    completed, failed, _ = counts(last)
    assert 0 < completed < 30
    assert completed + failed + last.number(c.REMAINING_SUBOPERATIONS) == 30


def test_a_move_without_the_right_is_no_context(serving: Callable[..., Door], archive: Archive) -> None:
    add_peer(archive, "SENDER", None, "store")
    with serving().ask((STUDY_MOVE, IMPLICIT_LE), calling="SENDER") as association:
        assert association.accepted_contexts == []


# ------------------------------------------------------------------------------------------------------- C-GET


def get(door: Door, identifier: dict[str, Any], *contexts: tuple[str, str]) -> tuple[Any, c.Command, list[Stored]]:
    kept: list[Stored] = []

    def store(request: Request) -> Stored:
        kept.append(Stored(request))
        return kept[-1]

    roles = [RoleSelection(uid, scu=False, scp=True) for uid in dict.fromkeys(uid for uid, _ in contexts)]
    with door.ask((STUDY_GET, IMPLICIT_LE), *contexts, roles=roles) as association:
        answers = list(association.get(STUDY_GET, identifier, store))
        return answers[-1], association.last_response, kept


def test_a_get_gives_back_what_was_stored_to_the_byte(door: Door, series: list[Dataset]) -> None:
    (status, _), last, kept = get(door, keys("STUDY", study=series[0].StudyInstanceUID), (make.CT, EXPLICIT_LE))
    assert (status, counts(last)) == (c.SUCCESS, (3, 0, 0))
    assert [each.data for each in kept] == [make.dataset_bytes(ds, EXPLICIT_LE) for ds in series]


def test_a_get_without_a_role_for_the_class_has_failed(door: Door, series: list[Dataset]) -> None:
    study = keys("STUDY", study=series[0].StudyInstanceUID)
    (status, found), last, kept = get(door, study, (make.MR, EXPLICIT_LE))
    assert (status, counts(last), kept) == (0xA702, (0, 3, 0), [])
    assert len(found[FAILED_LIST]["Value"]) == 3


def test_a_get_transcodes_to_what_was_negotiated(door: Door, archive: Archive) -> None:
    ds = make.rle()
    put(archive, ds, make.RLE)
    study, sop_class = keys("STUDY", study=ds.StudyInstanceUID), str(ds.SOPClassUID)
    (status, _), _, kept = get(door, study, (sop_class, IMPLICIT_LE))
    assert (status, kept[0].request.transfer_syntax_uid) == (c.SUCCESS, IMPLICIT_LE)
    (status, _), _, kept = get(door, study, (sop_class, IMPLICIT_LE), (sop_class, make.RLE))
    assert (status, kept[0].data) == (c.SUCCESS, make.dataset_bytes(ds, make.RLE))


def test_a_cancelled_get_stops(door: Door, archive: Archive) -> None:
    series = make.ct_series(40)
    for ds in series:
        put(archive, ds)
    seen: list[str] = []

    def store(request: Request) -> Stored:
        seen.append(request.sop_instance_uid)
        if len(seen) == 2:
            association.cancel(1, association.get_context(STUDY_GET).context_id)
        return Stored(request)

    roles = [RoleSelection(make.CT, scu=False, scp=True)]
    with door.ask((STUDY_GET, IMPLICIT_LE), (make.CT, EXPLICIT_LE), roles=roles) as association:
        answers = list(association.get(STUDY_GET, keys("STUDY", study=series[0].StudyInstanceUID), store))
        last = association.last_response
    assert answers[-1][0] == c.CANCELLED
    assert len(seen) < 10
    assert counts(last)[0] + last.number(c.REMAINING_SUBOPERATIONS) == 40


def test_a_retrieve_is_audited_once_for_each_study(door: Door, archive: Archive, series: list[Dataset]) -> None:
    get(door, keys("STUDY", study=series[0].StudyInstanceUID), (make.CT, EXPLICIT_LE))
    rows, _ = audit.read(archive, action="retrieve")
    assert [(row.actor, row.outcome, row.study_instance_uid, row.count) for row in rows] == [
        ("TEST", "success", series[0].StudyInstanceUID, 3)
    ]


# ------------------------------------------------------------------------------------------------------- DCMTK


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """DCMTK's listener."""
    folder = tmp_path / "received"
    folder.mkdir()
    port = free_port()
    process = subprocess.Popen(["storescp", "-od", str(folder), "+xa", str(port)])
    time.sleep(0.3)
    yield port, folder
    process.terminate()
    process.wait()


def test_dcmtks_movescu_moves_to_its_storescp(
    door: Door, archive: Archive, series: list[Dataset], storescp: tuple[int, Path]
) -> None:
    port, folder = storescp
    add_peer(archive, "DEST", port)
    done = run(
        "movescu", "-v", "-S", "-aet", "TEST", "-aec", "FILMLESS", "-aem", "DEST", "127.0.0.1", door.port,
        "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={series[0].StudyInstanceUID}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wait_for(lambda: len(list(folder.iterdir())) == 3)
    got = {pydicom.dcmread(path).SOPInstanceUID for path in folder.iterdir()}
    assert got == {ds.SOPInstanceUID for ds in series}


def test_dcmtks_getscu_gets(door: Door, series: list[Dataset], tmp_path: Path) -> None:
    done = run(
        "getscu", "-v", "-S", "-aet", "TEST", "-aec", "FILMLESS", "-od", tmp_path, "127.0.0.1", door.port,
        "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={series[0].StudyInstanceUID}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    got = {pydicom.dcmread(path, force=True).SOPInstanceUID for path in tmp_path.glob("CT*")}
    assert got == {ds.SOPInstanceUID for ds in series}


def test_dcmtks_findscu_finds_and_echoscu_echoes(door: Door, series: list[Dataset]) -> None:
    peer = ("-aet", "TEST", "-aec", "FILMLESS", "127.0.0.1", door.port)
    done = run(
        "findscu", "-v", "-S", *peer, "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=P7", "-k", "StudyInstanceUID"
    )
    assert done.returncode == 0
    assert series[0].StudyInstanceUID in done.stdout + done.stderr
    assert run("echoscu", *peer).returncode == 0


def test_a_search_over_our_requestor_ends_in_success(door: Door, series: list[Dataset]) -> None:
    with door.ask((STUDY_FIND, IMPLICIT_LE)) as association:
        answers = list(association.find(STUDY_FIND, keys("STUDY") | {"00100020": {"vr": "LO", "Value": ["P7"]}}))
    assert [status for status, _ in answers] == [c.PENDING, c.SUCCESS]


def test_every_instance_that_failed_is_listed() -> None:
    """The list is longer than the VR UI has room for in explicit VR; DCMTK reads it (dimse/test_dcmtk)."""
    uids = [f"1.2.826.0.1.3680043.8.498.{number:038d}" for number in range(3000)]
    outcome = final(SendResult(failed=3000, failures=dict.fromkeys(uids, "no context")), 0)
    assert outcome.identifier == {FAILED_LIST: {"vr": "UI", "Value": uids}}
