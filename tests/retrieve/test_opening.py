"""No row, no answer; and one row for all that one person reads of one study within some minutes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from callers import principal_of
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.access.tables import audit
from filmless.archive import Archive
from filmless.errors import NotAllowed, Unavailable
from filmless.retrieve import opening
from filmless.retrieve.opening import open_study


def rows(archive: Archive) -> list[tuple[str, str | None]]:
    with archive.reading() as session:
        return [(row.action, row.study_instance_uid) for row in session.execute(select(audit).order_by(audit.c.id))]


def test_frames_ride_on_the_row_of_the_opening(archive: Archive, radiologist: Principal) -> None:
    for _ in range(3):
        open_study(archive, radiologist, "1.2")
    open_study(archive, radiologist, "1.3")
    assert rows(archive) == [("view", "1.2"), ("view", "1.3")]


def test_after_a_while_there_is_a_new_row(
    archive: Archive, radiologist: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(opening.time, "monotonic", lambda: now[0])
    open_study(archive, radiologist, "1.2")
    now[0] += opening.RIDE_S + 1
    open_study(archive, radiologist, "1.2")
    assert len(rows(archive)) == 2


def test_another_person_address_or_action_has_a_row_of_its_own(archive: Archive, radiologist: Principal) -> None:
    open_study(archive, radiologist, "1.2")
    open_study(archive, replace(radiologist, id=2, name="another"), "1.2")
    open_study(archive, replace(radiologist, address="198.51.100.1"), "1.2")
    open_study(archive, radiologist, "1.2", Action.RETRIEVE)
    assert len(rows(archive)) == 4


def test_without_a_row_nothing_is_opened(
    archive: Archive, radiologist: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise Unavailable("no space left")

    monkeypatch.setattr(opening.audit, "record", full)
    with pytest.raises(Unavailable):
        open_study(archive, radiologist, "1.2")
    with pytest.raises(Unavailable):
        open_study(archive, radiologist, "1.2")


def test_the_right_to_retrieve_includes_the_right_to_view(archive: Archive) -> None:
    retriever = principal_of("clinician", kind="token", rights=frozenset({"retrieve"}))
    open_study(archive, retriever, "1.2", Action.VIEW)
    viewer = principal_of("clinician", kind="token", rights=frozenset({"view"}))
    with pytest.raises(NotAllowed):
        open_study(archive, viewer, "1.2", Action.RETRIEVE)
