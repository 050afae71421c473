"""Repository Query (PS3.4 C.6.4): the whole archive, in as many queries as it takes."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE

import make
from doors import Door, put
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.store.delete import Target, delete_instances

REPOSITORY_QUERY = "1.2.840.10008.5.1.4.1.1.201.6"


@pytest.fixture
def studies(archive: Archive) -> list[str]:
    """Seven studies, the later ones the older by their dates."""
    made = [make.ct_slice(StudyDate=f"202601{20 - number}", PatientID=f"P{number % 2}") for number in range(7)]
    for ds in made:
        put(archive, ds)
    return [str(ds.StudyInstanceUID) for ds in made]


def ask(door: Door, **keys: Any) -> tuple[int, list[Dataset]]:
    """Ask with our own requestor: the final status, and what pended."""
    ds = identifier(**keys)
    with door.ask((REPOSITORY_QUERY, "1.2.840.10008.1.2")) as association:
        *pending, (status, _) = association.find(REPOSITORY_QUERY, ds.to_json_dict())
    return status, [Dataset.from_json(found) for _, found in pending if found is not None]


def identifier(**keys: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in ({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "", "RecordKey": b""} | keys).items():
        setattr(ds, keyword, value)
    return ds


def limit(archive: Archive, most: int) -> None:
    archive.settings = archive.settings.model_copy(update={"find_matches_max": most})


def test_what_one_query_does_not_give_the_next_one_does(door: Door, archive: Archive, studies: list[str]) -> None:
    limit(archive, 3)
    statuses, found, prior = [], [], b""
    for _ in range(3):
        status, answers = ask(door, PriorRecordKey=prior)
        statuses.append(status)
        found += [str(ds.StudyInstanceUID) for ds in answers]
        prior = answers[-1].RecordKey
    assert statuses == [0xB001, 0xB001, 0x0000]
    assert found == studies  # in the order of their keys, whatever their dates


def test_what_comes_and_goes_meanwhile_shifts_nothing(door: Door, archive: Archive, studies: list[str]) -> None:
    limit(archive, 3)
    _, first = ask(door)
    delete_instances(archive, SYSTEM("test"), Target(studies[2], None, None), "test")
    put(archive, make.ct_slice(StudyInstanceUID=studies[0]))
    status, rest = ask(door, PriorRecordKey=first[-1].RecordKey, PatientID="P1")
    assert status == 0
    assert [str(ds.StudyInstanceUID) for ds in rest] == [studies[3], studies[5]]


def test_series_and_instances_have_keys_too(door: Door, studies: list[str]) -> None:
    status, (one,) = ask(door, QueryRetrieveLevel="SERIES", StudyInstanceUID=studies[1], SeriesInstanceUID="")
    below = {"QueryRetrieveLevel": "IMAGE", "StudyInstanceUID": studies[1], "SOPInstanceUID": ""}
    _, (instance,) = ask(door, SeriesInstanceUID=one.SeriesInstanceUID, **below)
    assert status == 0
    assert len({one.RecordKey, instance.RecordKey}) == 2
    again = ask(door, SeriesInstanceUID=one.SeriesInstanceUID, PriorRecordKey=instance.RecordKey, **below)
    assert again == (0, [])


def test_a_key_that_we_never_gave_is_a710(door: Door, studies: list[str]) -> None:
    _, found = ask(door)
    below = {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": studies[0], "SeriesInstanceUID": ""}
    assert ask(door, PriorRecordKey=b"1234") == (0xA710, [])
    assert ask(door, PriorRecordKey=found[0].RecordKey, **below) == (0xA710, [])


def test_a_key_is_given_to_whoever_asks_and_not_matched(door: Door, studies: list[str]) -> None:
    _, found = ask(door)
    assert all(len(ds.RecordKey) == 8 for ds in found)
    assert ask(door, RecordKey=found[0].RecordKey) == (0xA900, [])
    ds = identifier()
    del ds.RecordKey
    ae = AE("TEST")
    ae.add_requested_context(REPOSITORY_QUERY)
    association = ae.associate("127.0.0.1", door.port, ae_title="FILMLESS")
    answers = list(association.send_c_find(ds, REPOSITORY_QUERY))
    association.release()
    assert [str(each.StudyInstanceUID) for _, each in answers[:-1]] == studies
    assert not any("RecordKey" in each for _, each in answers[:-1])


def test_levels_are_those_of_the_study_root(door: Door) -> None:
    assert ask(door, QueryRetrieveLevel="PATIENT")[0] == 0xA900


def test_keys_of_access_by_file_come_back_empty(door: Door, studies: list[str]) -> None:
    ds = identifier(StudyInstanceUID=studies[0], FolderAccessURI="")
    with door.ask((REPOSITORY_QUERY, "1.2.840.10008.1.2")) as association:
        (status, found), (end, _) = association.find(REPOSITORY_QUERY, ds.to_json_dict())
    assert (status, end, found["00080408"]) == (0xFF01, 0, {"vr": "UR"})
