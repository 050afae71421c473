"""The audit trail: there with what it tells, or neither is."""

from __future__ import annotations

import pytest

from callers import principal_of
from filmless.access import audit
from filmless.archive import Archive


class Interrupted(Exception):
    pass


def test_a_row_is_there_when_its_transaction_is(archive: Archive) -> None:
    with archive.transaction() as session:
        key = audit.record(session, principal_of("radiologist"), "view", study_instance_uid="1.2.3", detail={"a": "ü"})

    rows, _ = audit.read(archive)
    assert [(row.id, row.actor, row.action, row.outcome, row.study_instance_uid) for row in rows] == [
        (key, "some radiologist", "view", "success", "1.2.3")
    ]
    assert rows[0].detail == '{"a": "ü"}'
    assert (rows[0].address, rows[0].door) == ("192.0.2.7", "api")


def test_a_rolled_back_transaction_leaves_no_row(archive: Archive) -> None:
    with pytest.raises(Interrupted), archive.transaction() as session:
        audit.record(session, principal_of("radiologist"), "view")
        raise Interrupted

    assert audit.read(archive) == ([], None)


def test_the_instances_of_one_association_and_study_share_a_row(archive: Archive) -> None:
    for study in ("1.1", "1.2", "1.1", "1.1"):
        with archive.transaction() as session:
            audit.record_transfer(session, principal_of("technologist"), "store", study, request="a", size_bytes=10)

    rows, _ = audit.read(archive)
    assert [(row.study_instance_uid, row.count, row.size_bytes) for row in rows] == [("1.2", 1, 10), ("1.1", 3, 30)]


def test_another_association_has_a_row_of_its_own(archive: Archive) -> None:
    for request in ("a", "b"):
        with archive.transaction() as session:
            audit.record_transfer(session, principal_of("technologist"), "store", "1.1", request=request)

    rows, _ = audit.read(archive)
    assert [row.count for row in rows] == [1, 1]


def test_a_rolled_back_instance_is_not_counted(archive: Archive) -> None:
    with archive.transaction() as session:
        audit.record_transfer(session, principal_of("technologist"), "store", "1.1", request="a")

    with pytest.raises(Interrupted), archive.transaction() as session:
        audit.record_transfer(session, principal_of("technologist"), "store", "1.1", request="a")
        raise Interrupted

    rows, _ = audit.read(archive)
    assert [row.count for row in rows] == [1]


def test_refused_and_stored_instances_are_counted_apart(archive: Archive) -> None:
    with archive.transaction() as session:
        audit.record_transfer(session, principal_of("technologist"), "store", "1.1", request="a")
        audit.record_transfer(session, principal_of("technologist"), "store", "1.1", request="a", outcome="refused")

    rows, _ = audit.read(archive)
    assert [(row.outcome, row.count) for row in rows] == [("refused", 1), ("success", 1)]


def test_what_a_stranger_repeats_stays_one_row(archive: Archive) -> None:
    with archive.transaction() as session:
        for _ in range(50):
            audit.record_repeated(session, principal_of("clinician"), "request", request="r")

    rows, _ = audit.read(archive)
    assert [(row.count, row.study_instance_uid) for row in rows] == [(50, None)]


def test_pages_follow_one_another_without_gap_or_repetition(archive: Archive) -> None:
    with archive.transaction() as session:
        for number in range(7):
            audit.record(session, principal_of("radiologist"), "view", object=str(number))

    first, cursor = audit.read(archive, limit=3)
    second, cursor = audit.read(archive, limit=3, cursor=cursor)
    third, end = audit.read(archive, limit=3, cursor=cursor)

    assert [row.object for row in first + second + third] == list("6543210")
    assert end is None


def test_filters_narrow_the_trail(archive: Archive) -> None:
    with archive.transaction() as session:
        audit.record(session, principal_of("radiologist"), "view", study_instance_uid="1.1")
        audit.record(session, principal_of("radiologist"), "view", study_instance_uid="1.2")
        audit.record(session, principal_of("clinician"), "search")

    assert len(audit.read(archive, actor="some clinician")[0]) == 1
    assert len(audit.read(archive, action="view")[0]) == 2
    assert len(audit.read(archive, study_instance_uid="1.2")[0]) == 1
    assert audit.read(archive, before=1.0)[0] == []
    assert audit.read(archive, after=4e9)[0] == []


def test_control_characters_do_not_reach_the_trail(archive: Archive) -> None:
    with archive.transaction() as session:
        audit.record(session, principal_of("radiologist"), "view", object="a\x00b\x1b[2J", detail="c\x00")

    row = audit.read(archive)[0][0]
    assert (row.object, row.detail) == ("a\ufffdb\ufffd[2J", "c\ufffd")
