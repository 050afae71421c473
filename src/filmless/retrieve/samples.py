"""A few instances of each series of a study: enough to tell what each shows and how, without the metadata of all."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import select

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.tables import series
from filmless.dicom.json import JsonDataset
from filmless.retrieve.metadata import find_series, series_metadata

PROJECTIONS: Final = frozenset({"CR", "DX", "MG", "IO", "PX", "RG", "RF", "XA", "ES", "OP", "XC", "US"})
"""Modalities whose instances differ in view, side or plane: each is a picture of its own."""

_OF_A_STACK, _OF_PICTURES, _FRAMES = 5, 24, 3
_SHARED_GROUPS, _PER_FRAME_GROUPS = "52009229", "52009230"
_INSTANCE_NUMBER: Final = "00200013"

_TAGS: Final = (
    "00020010 00080008 00080016 00080018 00080060 00080068 0008103E 00082218 00083002 00100020 00100030"
    " 00100040 00180010 00180012 00180015 00180020 00180050 00180080 00180081 00180082 00181030 00181114"
    " 00181164 00181314 00182010 00185101 00189087 0020000D 0020000E 00200011 00200012 00200013 00200020"
    " 00200032 00200037 00200052 00200060 00200062 00209072 00280002 00280004 00280006 00280008 00280010"
    " 00280011 00280030 00280034 00280100 00280101 00280102 00280103 00282114 00540220 52009229 52009230"
)
KEPT: Final = frozenset(_TAGS.split())
"""What tells series apart; neither names nor dates are needed for that."""


@dataclass(frozen=True, slots=True)
class SampledSeries:
    """A series, and the metadata of some of its instances, in their order."""

    series_instance_uid: str
    modality: str
    number_of_instances: int
    samples: list[JsonDataset]


def sample_study(archive: Archive, principal: Principal, study_instance_uid: str) -> list[SampledSeries]:
    """Give some instances of each series of a study. The caller leaves the audit row.

    Raises
    ------
    NotFound: there is no such study, or the principal may not see it.
    """
    keys = find_series(archive, principal, study_instance_uid)[: archive.settings.hanging_series_max]
    with archive.reading() as session:
        query = select(series.c.id, series.c.series_instance_uid, series.c.modality).where(series.c.id.in_(keys))
        rows = {row.id: row for row in session.execute(query)}
    return [_sample(archive, key, rows[key].series_instance_uid, rows[key].modality) for key in keys if key in rows]


def _sample(archive: Archive, key: int, series_instance_uid: str, modality: str) -> SampledSeries:
    datasets: list[JsonDataset] = orjson.loads(gzip.decompress(series_metadata(archive, key)))
    datasets.sort(key=_number)
    chosen = spread(len(datasets), _OF_PICTURES if modality in PROJECTIONS else _OF_A_STACK)
    return SampledSeries(series_instance_uid, modality, len(datasets), [_kept(datasets[index]) for index in chosen])


def spread(count: int, most: int) -> list[int]:
    """Choose places from the first to the last, evenly."""
    if count <= most:
        return list(range(count))
    return [round(index * (count - 1) / (most - 1)) for index in range(most)]


def _number(dataset: JsonDataset) -> float:
    try:
        return float(str(dataset.get(_INSTANCE_NUMBER, {}).get("Value", [0])[0]))
    except (ValueError, TypeError, IndexError):
        return 0


def _kept(dataset: JsonDataset) -> JsonDataset:
    kept: dict[str, Any] = {tag: element for tag, element in dataset.items() if tag in KEPT}
    frames = kept.get(_PER_FRAME_GROUPS, {}).get("Value")
    if frames:
        items = [frames[index] for index in spread(len(frames), _FRAMES)]
        kept[_PER_FRAME_GROUPS] = {"vr": "SQ", "Value": items}
    return kept
