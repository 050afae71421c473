"""Which images of a study were displayed to a reader: each reader's own, whole when several windows tell of it.

An image is a frame of an instance that the screen shows as a picture; reports, segmentations, videos and whole slides
are none. Kept are ranges of instance keys, which follow each other as a study arrives, and ranges of frames of what was
displayed in part. So what arrives later, or comes back from the trash, is not displayed yet. (ADR-0032)
"""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from filmless.access import audit
from filmless.access.preferences import lock_owner, owner_of
from filmless.access.principal import Principal
from filmless.access.tables import displayed
from filmless.archive import Archive
from filmless.archive.tables import instances, series, studies, uids
from filmless.dicom.syntaxes import get_syntax
from filmless.errors import TooLarge
from filmless.reading.sources import require_study

Ranges = Sequence[tuple[int, int]]
"""First and last of each, rising, none next to another."""

STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
NO_PICTURES: Final = (
    "4.2", "9.", "11.", "66", "67", "68.", "77.1.6", "78.", "88.", "91.1", "104.",
    "481.3", "481.4", "481.5", "481.6", "481.7", "481.8", "481.9", "481.10",
)  # fmt: skip
"""SOP classes that the screen shows as no picture, pixels or not: as `web/src/viewer/data/sopClasses.ts` has them."""


@dataclass(frozen=True, slots=True)
class InstanceDisplayed:
    """An instance of several frames, of which some were displayed."""

    sop_instance_uid: str
    frames: Ranges


@dataclass(slots=True)
class SeriesDisplayed:
    """Images of a series, and how many and which of them were displayed."""

    series_instance_uid: str
    images: int = 0
    displayed: int = 0
    whole: list[str] = field(default_factory=list)
    """Instances of which every frame was displayed."""
    partly: list[InstanceDisplayed] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StudyDisplayed:
    """Images of a study, how many of them were displayed, and when all had been the last time."""

    images: int
    displayed: int
    completed_at: float | None
    series: Sequence[SeriesDisplayed]


@dataclass(frozen=True, slots=True)
class _Instance:
    key: int
    sop_instance_uid: str
    series_instance_uid: str
    frames: int


def read_displayed(archive: Archive, principal: Principal, study_instance_uid: str) -> StudyDisplayed:
    """Say which images of a study were displayed to the caller.

    Raises
    ------
    NotAllowed, NotFound.
    """
    owner = owner_of(principal)
    with archive.reading() as session:
        require_study(session, principal, study_instance_uid)
        row = _row(session, owner, study_instance_uid)
        found = _find_instances(session, study_instance_uid)
    return _told(found, _known(row, found), row.completed_at if row else None)


def add_displayed(
    archive: Archive, principal: Principal, study_instance_uid: str, shown: Mapping[str, Ranges]
) -> StudyDisplayed:
    """Note what was displayed to the caller: frames, counted from 1, by instance; those not there are passed over.

    That all images have been displayed goes to the audit trail, once, and again after others have arrived.

    Raises
    ------
    NotAllowed, NotFound. TooLarge: the ranges are more than `displayed_max_bytes`.
    """
    owner = owner_of(principal)
    # Thousands of instances are not listed while everybody who writes waits, unless another window was here meanwhile:
    # what it told of may have arrived since.
    with archive.reading() as session:
        require_study(session, principal, study_instance_uid)
        seen = _row(session, owner, study_instance_uid)
        found = _find_instances(session, study_instance_uid)
    with archive.transaction() as session:
        require_study(session, principal, study_instance_uid)
        lock_owner(session, owner)
        row = _row(session, owner, study_instance_uid)
        if row != seen:
            found = _find_instances(session, study_instance_uid)
        before = _known(row, found)
        after = dict(before)
        for each in found:
            if each.sop_instance_uid in shown:
                new = _within(shown[each.sop_instance_uid], each.frames)
                after[each.key] = united([*before.get(each.key, ()), *new])
        completed_at = row.completed_at if row else None
        is_completed = _is_complete(found, after) and (completed_at is None or not _is_complete(found, before))
        if is_completed:
            completed_at = time.time()
            detail = {"images": sum(each.frames for each in found)}
            audit.record(session, principal, "images_displayed", study_instance_uid=study_instance_uid, detail=detail)
        if after != before or is_completed:
            _write(archive, session, owner, study_instance_uid, _packed(found, after), completed_at, is_new=row is None)
    return _told(found, after, completed_at)


@lru_cache(maxsize=256)
def is_picture(sop_class_uid: str, transfer_syntax_uid: str) -> bool:
    """Whether the screen shows an instance with pixels as a picture, or as a stack of them."""
    if get_syntax(transfer_syntax_uid).is_video:
        return False
    rest = sop_class_uid.removeprefix(STORAGE)
    return rest == sop_class_uid or not any(
        rest == each or rest.startswith(each if each.endswith(".") else f"{each}.") for each in NO_PICTURES
    )


def united(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Bring ranges in any order, which may overlap, into their one form."""
    result: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return result


def _within(ranges: Ranges, frames: int) -> list[tuple[int, int]]:
    return [(max(1, first), min(last, frames)) for first, last in ranges if first <= min(last, frames)]


def _count(ranges: Ranges) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _find_instances(session: Connection, study_instance_uid: str) -> list[_Instance]:
    classes, syntaxes = uids.alias("classes"), uids.alias("syntaxes")
    query = (
        select(
            instances.c.id,
            instances.c.sop_instance_uid,
            instances.c.number_of_frames,
            series.c.series_instance_uid,
            classes.c.uid,
            syntaxes.c.uid,
        )
        .join(series, series.c.id == instances.c.series_key)
        .join(studies, studies.c.id == series.c.study_key)
        .join(classes, classes.c.id == instances.c.sop_class_key)
        .join(syntaxes, syntaxes.c.id == instances.c.transfer_syntax_key)
        .where(
            studies.c.study_instance_uid == study_instance_uid,
            instances.c.number_of_frames > 0,
            instances.c.rows > 0,
            instances.c.columns > 0,
        )
        .order_by(instances.c.id)
    )
    return [
        _Instance(key, uid, series_uid, frames)
        for key, uid, frames, series_uid, sop_class_uid, transfer_syntax_uid in session.execute(query)
        if is_picture(sop_class_uid, transfer_syntax_uid)
    ]


def _known(row: Row[Any] | None, found: Sequence[_Instance]) -> dict[int, Ranges]:
    """Give the frames that a row says were displayed, by the key of their instance; what is not there is left out."""
    if row is None:
        return {}
    value = json.loads(row.value)
    whole, partly = value["instances"], value["frames"]
    firsts = [first for first, _ in whole]
    known: dict[int, Ranges] = {}
    for each in found:
        at = bisect_right(firsts, each.key) - 1
        if at >= 0 and each.key <= whole[at][1]:
            known[each.key] = [(1, each.frames)]
        elif (frames := partly.get(str(each.key))) is not None:
            known[each.key] = [(first, last) for first, last in frames]
    return known


def _packed(found: Sequence[_Instance], known: Mapping[int, Ranges]) -> str:
    whole = [each.key for each in found if _count(known.get(each.key, ())) == each.frames]
    # No range goes across a key that is not here: what has it may not be committed yet.
    ends = [at for at, (one, next_one) in enumerate(pairwise(whole), 1) if next_one != one + 1]
    ranges = [(whole[start], whole[end - 1]) for start, end in pairwise([0, *ends, len(whole)])] if whole else []
    partly = {each.key: known[each.key] for each in found if 0 < _count(known.get(each.key, ())) < each.frames}
    return json.dumps({"instances": ranges, "frames": partly}, separators=(",", ":"))


def _is_complete(found: Sequence[_Instance], known: Mapping[int, Ranges]) -> bool:
    return bool(found) and all(_count(known.get(each.key, ())) == each.frames for each in found)


def _told(found: Sequence[_Instance], known: Mapping[int, Ranges], completed_at: float | None) -> StudyDisplayed:
    told: dict[str, SeriesDisplayed] = {}
    for each in found:
        entry = told.setdefault(each.series_instance_uid, SeriesDisplayed(each.series_instance_uid))
        ranges = known.get(each.key, ())
        count = _count(ranges)
        entry.images += each.frames
        entry.displayed += count
        if count == each.frames:
            entry.whole.append(each.sop_instance_uid)
        elif count:
            entry.partly.append(InstanceDisplayed(each.sop_instance_uid, ranges))
    of_series = list(told.values())
    return StudyDisplayed(
        sum(each.images for each in of_series), sum(each.displayed for each in of_series), completed_at, of_series
    )


def _write(
    archive: Archive,
    session: Connection,
    owner: int,
    study_instance_uid: str,
    value: str,
    completed_at: float | None,
    *,
    is_new: bool,
) -> None:
    most = archive.settings.displayed_max_bytes
    if len(value) > most:
        raise TooLarge(f"what was displayed of this study takes more than {most} bytes (displayed_max_bytes)")
    values = {"value": value, "completed_at": completed_at, "updated_at": time.time()}
    if not is_new:
        mine = (displayed.c.person_key == owner, displayed.c.study_instance_uid == study_instance_uid)
        session.execute(update(displayed).where(*mine).values(**values))
        return
    _make_room(archive, session, owner)
    session.execute(insert(displayed).values(person_key=owner, study_instance_uid=study_instance_uid, **values))


def _make_room(archive: Archive, session: Connection, owner: int) -> None:
    """Forget the studies that were looked at longest ago, once there are too many."""
    mine = displayed.c.person_key == owner
    count = session.execute(select(func.count()).select_from(displayed).where(mine)).scalar_one()
    surplus = count + 1 - archive.settings.displayed_studies_max
    if surplus <= 0:
        return
    oldest = (
        select(displayed.c.study_instance_uid).where(mine).order_by(displayed.c.updated_at).limit(surplus).subquery()
    )
    session.execute(delete(displayed).where(mine, displayed.c.study_instance_uid.in_(select(oldest))))


def _row(session: Connection, owner: int, study_instance_uid: str) -> Row[Any] | None:
    mine = (displayed.c.person_key == owner, displayed.c.study_instance_uid == study_instance_uid)
    return session.execute(select(displayed).where(*mine)).first()
