"""Marks of a reader on a study that are no report yet: kept as they are drawn, for this reader alone.

Several windows may draw on one study. Each sends what it has changed since the revision that it knows, and is told what
the others have changed since. Of a mark that two have changed, the later change holds and is told of. (ADR-0026)
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from filmless.access import audit
from filmless.access.preferences import lock_owner, owner_of
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.errors import Conflict, Refused, TooLarge
from filmless.reading.sources import require_study
from filmless.reading.tables import drafts

Mark = Mapping[str, Any]

_ROW_S: Final = 3600
"""Changes of one draft within this time are one row of the audit trail."""
_REMOVED_MAX: Final = 1000
"""Marks that were taken away are remembered, the latest of them, for windows that still show them."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What there is now. Revision 0: nothing is kept."""

    revision: int = 0
    document_uid: str | None = None
    marks: Sequence[Mark] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What one window has done since `revision`."""

    revision: int
    changed: Mapping[str, Mark]
    removed: Sequence[str] = ()
    document_uid: str | None = None
    """The report that a new draft goes on from."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change led to, and what other windows did since the revision it was made on."""

    revision: int
    document_uid: str | None
    changed: Sequence[Mark]
    removed: Sequence[str]
    overwritten: Sequence[str]
    """Marks of the change that another window had changed too."""


@dataclass(slots=True)
class _Content:
    marks: dict[str, tuple[int, Mark]] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)


def read_draft(archive: Archive, principal: Principal, study_instance_uid: str) -> Draft:
    """Give the caller's marks on a study.

    Raises
    ------
    NotAllowed, NotFound.
    """
    owner = owner_of(principal)
    with archive.reading() as session:
        require_study(session, principal, study_instance_uid)
        row = _row(session, owner, study_instance_uid)
    if row is None:
        return Draft()
    return Draft(row.revision, row.document_uid, [mark for _, mark in _content(row).marks.values()])


def change_draft(archive: Archive, principal: Principal, study_instance_uid: str, change: Change) -> Outcome:
    """Keep what one window has changed.

    Raises
    ------
    Conflict: the draft has become a report or was given up meanwhile; read again what there is. Refused: there are too
    many marks, or drafts. TooLarge, NotAllowed, NotFound.
    """
    owner = owner_of(principal)
    with archive.transaction() as session:
        require_study(session, principal, study_instance_uid)
        lock_owner(session, owner)
        row = _row(session, owner, study_instance_uid)
        if row is None and change.revision:
            raise Conflict("the draft that was changed is there no more: it became a report, or was given up")
        if row is None:
            _check_room(archive, session, owner)
        content = _Content() if row is None else _content(row)
        if not change.changed and not change.removed:
            known = row.revision if row else 0
            return _apply(content, change, known, row.document_uid if row else None)
        revision = max(time.time_ns() // 1_000_000, (row.revision if row else 0) + 1)
        outcome = _apply(content, change, revision, row.document_uid if row else change.document_uid)
        _check_size(archive, content)
        _write(archive, session, row, content, outcome, owner, study_instance_uid)
        _record(session, principal, study_instance_uid)
    return outcome


def discard_draft(
    archive: Archive, principal: Principal, study_instance_uid: str, *, revision: int | None = None
) -> bool:
    """Forget the caller's marks on a study that are no report; with `revision`, only if nothing was changed since.

    Gives whether there are none now.

    Raises
    ------
    NotAllowed.
    """
    mine = (drafts.c.person_key == owner_of(principal), drafts.c.study_instance_uid == study_instance_uid)
    known = () if revision is None else (drafts.c.revision == revision,)
    with archive.transaction() as session:
        if session.execute(delete(drafts).where(*mine, *known)).rowcount:
            _record(session, principal, study_instance_uid)
            return True
        return session.execute(select(drafts.c.revision).where(*mine)).first() is None


def _apply(content: _Content, change: Change, revision: int, document_uid: str | None) -> Outcome:
    since = change.revision
    ours = {*change.changed, *change.removed}
    others = {uid for uid, (at, _) in content.marks.items() if at > since}
    gone = {uid for uid, at in content.removed.items() if at > since}
    for uid in change.removed:
        if content.marks.pop(uid, None) is not None:
            content.removed[uid] = revision
    for uid, mark in change.changed.items():
        content.marks[uid] = (revision, mark)
        content.removed.pop(uid, None)
    return Outcome(
        revision,
        document_uid,
        [content.marks[uid][1] for uid in content.marks if uid in others - ours],
        sorted(gone - ours),
        sorted((others | gone) & ours),
    )


def _write(
    archive: Archive,
    session: Connection,
    row: Row[Any] | None,
    content: _Content,
    outcome: Outcome,
    owner: int,
    study_instance_uid: str,
) -> None:
    removed = dict(sorted(content.removed.items(), key=lambda each: each[1])[-_REMOVED_MAX:])
    value = json.dumps({"marks": content.marks, "removed": removed}, ensure_ascii=False, separators=(",", ":"))
    most = archive.settings.draft_max_bytes
    if len(value.encode()) > most:
        raise TooLarge(f"the marks on this study are longer than {most} bytes (draft_max_bytes)")
    values = {
        "revision": outcome.revision,
        "document_uid": outcome.document_uid,
        "value": value,
        "updated_at": time.time(),
    }
    if row is None:
        key = {"person_key": owner, "study_instance_uid": study_instance_uid}
        session.execute(insert(drafts).values(**key, **values))
    else:
        mine = (drafts.c.person_key == owner, drafts.c.study_instance_uid == study_instance_uid)
        session.execute(update(drafts).where(*mine).values(**values))


def _check_size(archive: Archive, content: _Content) -> None:
    if len(content.marks) > archive.settings.marks_max:
        raise Refused(f"a person may have {archive.settings.marks_max} marks on a study (marks_max)")


def _check_room(archive: Archive, session: Connection, owner: int) -> None:
    count = session.execute(select(func.count()).where(drafts.c.person_key == owner)).scalar_one()
    if count >= archive.settings.drafts_max:
        raise Refused(
            f"there are marks on {archive.settings.drafts_max} studies that are no report (drafts_max); "
            "save or remove those of another study first"
        )


def _row(session: Connection, owner: int, study_instance_uid: str) -> Row[Any] | None:
    mine = (drafts.c.person_key == owner, drafts.c.study_instance_uid == study_instance_uid)
    return session.execute(select(drafts).where(*mine)).first()


def _content(row: Row[Any]) -> _Content:
    value = json.loads(row.value)
    return _Content({uid: (at, mark) for uid, (at, mark) in value["marks"].items()}, value["removed"])


def _record(session: Connection, principal: Principal, study_instance_uid: str) -> None:
    request = f"draft:{principal.kind}:{principal.id}:{int(time.time() // _ROW_S)}:{study_instance_uid}"
    audit.record_repeated(
        session, principal, "draft_change", request=request, outcome="success", object=study_instance_uid
    )
