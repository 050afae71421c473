"""Metadata as DICOM JSON (PS3.18 F): the series metadata object as it lies, but for what frames are fixed up to."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

import orjson
from sqlalchemy import func, select

from filmless.access import policy
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.metadata import dumps, series_metadata_gzip
from filmless.archive.tables import Flags, instances, series, studies
from filmless.dicom.json import JsonDataset, to_json
from filmless.errors import NotFound
from filmless.retrieve.frames import read_header
from filmless.retrieve.instances import InstanceRecord, StoredInstance, instance_path

_PHOTOMETRIC_INTERPRETATION: Final = "00280004"
_PLANAR_CONFIGURATION: Final = "00280006"
_SOP_INSTANCE_UID: Final = "00080018"
_LEVEL: Final = 1
_BULK: Final = b'"BulkDataURI":"'
_KEYS_AT_ONCE: Final = 500
ROOT: Final = "/dicomweb"
"""The path of the service in series metadata objects; behind a proxy it may be another."""


def bulk_uri(instance: StoredInstance, root: str = ROOT) -> str:
    """Give the address under which the bulk data of an instance are found."""
    return f"{root}{instance_path(instance)}/bulkdata"


def instance_dataset(archive: Archive, record: InstanceRecord, root: str = ROOT) -> JsonDataset:
    """Read the metadata of one instance from its blob."""
    instance = record.instance
    dataset = to_json(read_header(archive, instance), bulk_uri=bulk_uri(instance, root))
    _fix(dataset, instance.flags)
    return dataset


def instance_metadata(archive: Archive, record: InstanceRecord, root: str = ROOT) -> bytes:
    """Read the metadata of one instance from its blob, as a JSON array of one."""
    return b"[" + dumps(instance_dataset(archive, record, root)) + b"]"


def _fix(dataset: dict[str, Any], flags: int) -> None:
    """Say of frames that leave as RGB that they are."""
    if flags & Flags.YBR_FULL_422_NATIVE:
        dataset[_PHOTOMETRIC_INTERPRETATION] = {"vr": "CS", "Value": ["RGB"]}
        dataset[_PLANAR_CONFIGURATION] = {"vr": "US", "Value": [0]}


def find_series(
    archive: Archive, principal: Principal, study_instance_uid: str, series_instance_uid: str | None = None
) -> list[int]:
    """List the keys of the series of a study, or of the one named, that `principal` may see.

    Raises
    ------
    NotFound: there are none.
    """
    conditions = [studies.c.study_instance_uid == study_instance_uid]
    if series_instance_uid is not None:
        conditions.append(series.c.series_instance_uid == series_instance_uid)
    visible = policy.visible_studies(principal)
    if visible is not None:
        conditions.append(visible)
    with archive.reading() as session:
        keys = session.scalars(
            select(series.c.id)
            .join(studies, series.c.study_key == studies.c.id)
            .where(*conditions)
            .order_by(func.coalesce(series.c.series_number, 1 << 40), series.c.id)
        ).all()
    if not keys:
        what = f"series {series_instance_uid} in the " if series_instance_uid else ""
        raise NotFound(f"there is no {what}study {study_instance_uid}")
    return list(keys)


def series_metadata(archive: Archive, series_key: int, root: str = ROOT) -> bytes:
    """Give the metadata of a series as a gzip of a JSON array; `root` is the path of the service."""
    packed = series_metadata_gzip(archive, series_key)
    to_fix = _instances_to_fix(archive, series_key)
    if not to_fix and root == ROOT:
        return packed
    text = gzip.decompress(packed)
    if to_fix:
        datasets = orjson.loads(text)
        for dataset in datasets:
            flags = to_fix.get(next(iter(dataset.get(_SOP_INSTANCE_UID, {}).get("Value", [""]))), 0)
            _fix(dataset, flags)
        text = b"[" + b",".join(map(dumps, datasets)) + b"]"
    if root != ROOT:
        # Only an address can follow this name: a quotation mark within a value is escaped.
        text = text.replace(_BULK + ROOT.encode() + b"/", _BULK + root.encode() + b"/")
    return gzip.compress(text, _LEVEL)


def state_of(archive: Archive, series_keys: list[int]) -> str:
    """Give a text that changes whenever the metadata of these series do."""
    digest = hashlib.sha256()
    query = select(series.c.id, series.c.number_of_series_related_instances, series.c.updated_at)
    with archive.reading() as session:
        for start in range(0, len(series_keys), _KEYS_AT_ONCE):
            some = series.c.id.in_(series_keys[start : start + _KEYS_AT_ONCE])
            for row in session.execute(query.where(some).order_by(series.c.id)):
                digest.update(repr(tuple(row)).encode())
    return digest.hexdigest()[:32]


def datasets(archive: Archive, series_keys: list[int], root: str = ROOT) -> Iterator[JsonDataset]:
    """Give the metadata of series one instance at a time: in memory is the text of one series."""
    read = json.JSONDecoder().raw_decode
    for key in series_keys:
        text = gzip.decompress(series_metadata(archive, key, root)).decode()
        position = 1
        while text[position : position + 1] == "{":
            dataset, position = read(text, position)
            yield dataset
            position += 1  # the comma, or the end


def _instances_to_fix(archive: Archive, series_key: int) -> dict[str, int]:
    fixed = int(Flags.YBR_FULL_422_NATIVE)
    query = select(instances.c.sop_instance_uid, instances.c.flags).where(
        instances.c.series_key == series_key, instances.c.flags.bitwise_and(fixed) != 0
    )
    with archive.reading() as session:
        return {str(uid): int(flags) for uid, flags in session.execute(query)}


def joined(archive: Archive, series_keys: list[int], root: str = ROOT) -> Iterator[bytes]:
    """Join the metadata of several series into one JSON array, series by series."""
    is_first = True
    yield b"["
    for key in series_keys:
        inner = gzip.decompress(series_metadata(archive, key, root)).strip()[1:-1]
        if inner:
            yield inner if is_first else b"," + inner
            is_first = False
    yield b"]"
