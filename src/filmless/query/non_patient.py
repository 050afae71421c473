"""Searches over instances that belong to no patient (PS3.4 annexes U, X, BB, HH, II, KK): one level, any attribute."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from filmless.access import audit, policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive.tables import non_patient_instances as table
from filmless.query import attributes as at
from filmless.query.matching import JsonDataset, Options, matches, read_keys
from filmless.query.rows import Wanted, empty, part_of

if TYPE_CHECKING:
    from filmless.archive import Archive

_ROWS_AT_ONCE: Final = 200


def find_all(
    archive: Archive,
    principal: Principal,
    classes: Collection[str],
    identifier: JsonDataset,
    options: Options,
    wanted: Wanted,
    *,
    wants_all: bool = False,
) -> Iterator[JsonDataset]:
    """Yield what was asked for of each instance of these SOP classes that matches, in the order of arrival.

    Raises
    ------
    Refused: a key cannot be matched as asked. NotAllowed.
    """
    policy.require(principal, Action.QUERY)
    keys = read_keys(identifier, options)
    asked = {tag: element["Value"] for tag, element in identifier.items() if element.get("Value")}
    detail = json.dumps({"classes": sorted(classes), "keys": asked}, ensure_ascii=False, default=str)[:4000]
    with archive.transaction() as session:
        audit.record(session, principal, "search", object="non-patient", detail=detail)
    after = 0
    while True:
        query = (
            select(table.c.id, table.c.attributes)
            .where(table.c.sop_class_uid.in_(sorted(classes)), table.c.id > after)
            .order_by(table.c.id)
            .limit(_ROWS_AT_ONCE)
        )
        with archive.reading() as session:
            rows = session.execute(query).all()
        for row in rows:
            after = row.id
            dataset: JsonDataset = json.loads(row.attributes)
            if matches(keys, dataset):
                yield _answer(dataset, wanted, wants_all=wants_all)
        if len(rows) < _ROWS_AT_ONCE:
            return


def _answer(dataset: JsonDataset, wanted: Wanted, *, wants_all: bool) -> JsonDataset:
    """Give what was asked for of one match; an attribute that it lacks is there without a value."""
    found: JsonDataset = {tag: each for tag, each in dataset.items() if tag != at.CHARACTER_SET} if wants_all else {}
    for tag, inner in wanted.items():
        element = dataset.get(tag)
        if element is not None and inner:
            element = part_of(element, inner)
        if tag in found:
            continue
        held = element if element is not None else empty(tag)
        if held is not None and tag != at.CHARACTER_SET:
            found[tag] = held
    return dict(sorted(found.items()))
