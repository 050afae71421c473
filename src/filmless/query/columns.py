"""What a search selects of each level, by the names that `rows` knows."""

from __future__ import annotations

import functools
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, select

from filmless.archive.tables import instances, patients, series, studies, uids
from filmless.query.attributes import Level

_syntaxes: Final = uids.alias("syntaxes")

_PATIENT_ATTRIBUTES: Final = patients.c.attributes.label("study_attributes")
_STUDY_ATTRIBUTES: Final = studies.c.attributes.label("study_attributes")
_SERIES_ATTRIBUTES: Final = series.c.attributes.label("series_attributes")
_OF_STUDY: Final = (
    studies.c.study_instance_uid,
    studies.c.modalities_in_study,
    studies.c.number_of_study_related_series,
    studies.c.number_of_study_related_instances,
)
_OF_SERIES: Final = (
    series.c.id.label("series_key"),
    series.c.series_instance_uid,
    series.c.number_of_series_related_instances,
)
_OF_INSTANCE: Final = (
    instances.c.sop_instance_uid,
    instances.c.instance_number,
    instances.c.number_of_frames,
    instances.c.rows,
    instances.c.columns,
    instances.c.bits_allocated,
    uids.c.uid.label("sop_class_uid"),
)


@functools.cache
def selected_columns(level: Level, with_study: bool, with_series: bool, with_syntax: bool) -> Select[Any]:
    """Select the columns of a level; made once, as it takes as long as to run it."""
    columns: list[ColumnElement[Any]]
    source: FromClause
    if level is Level.PATIENT:
        return select(_PATIENT_ATTRIBUTES)
    source, columns = studies, [*_OF_STUDY]
    if with_study:
        columns.append(_STUDY_ATTRIBUTES)
    if level >= Level.SERIES:
        source = source.join(series, series.c.study_key == studies.c.id)
        columns += _OF_SERIES
        if with_series:
            columns.append(_SERIES_ATTRIBUTES)
    if level is Level.IMAGE:
        source = source.join(instances, instances.c.series_key == series.c.id)
        source = source.join(uids, instances.c.sop_class_key == uids.c.id)
        columns += _OF_INSTANCE
        if with_syntax:
            source = source.join(_syntaxes, instances.c.transfer_syntax_key == _syntaxes.c.id)
            columns.append(_syntaxes.c.uid.label("transfer_syntax_uid"))
    return select(*columns).select_from(source)
