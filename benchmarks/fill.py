"""Fills an archive's index with many studies at once, past the doors: only the searches are timed on it.

The rows have no blobs, so nothing can be retrieved from them.
"""

from __future__ import annotations

import functools
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import servers
from data import FAMILIES, GIVEN, new_uid

from dimse import CT_STORAGE, EXPLICIT_LE

PER_STATEMENT = 5000


def make(data: Path, *, studies: int, instances: int = 1, log: Callable[[str], object] = lambda _: None) -> str:
    """Make a data folder with so many studies of one series of `instances` instances; gives a token for it."""
    from filmless.archive import Archive, tables
    from filmless.archive.walks import Walk, save_walk
    from filmless.config import Settings
    from filmless.store.scrub import WALK

    data.parent.mkdir(parents=True, exist_ok=True)
    password = "a long password 1\n"
    servers.command(data, "user", "add", "bench", "--role", "administrator", "--password-stdin", typed=password)
    token = servers.command(data, "token", "add", "--user", "bench").splitlines()[-1]
    servers.command(data, "peer", "add", "LOAD", "--host", "127.0.0.1", "--port", "104", "--allow", "query,retrieve")
    with Archive.open(Settings(data=data)) as archive:
        with archive.transaction() as session:
            uids = [{"id": 1, "uid": CT_STORAGE}, {"id": 2, "uid": EXPLICIT_LE}]
            session.execute(tables.uids.insert(), uids)
            driver = driver_of(session)
            (trigger,) = driver.execute("SELECT sql FROM sqlite_master WHERE name = 'studies_search_insert'").fetchone()
            driver.execute("DROP TRIGGER studies_search_insert")  # one rebuild at the end is much faster
        stream = random.Random(3)
        rows = _rows(stream, instances)
        filled = (tables.patients, tables.studies, tables.series, tables.instances)
        per_batch = max(1, PER_STATEMENT // instances)
        for start in range(0, studies, per_batch):
            batch = [next(rows) for _ in range(min(per_batch, studies - start))]
            with archive.transaction() as session:
                driver = driver_of(session)
                for number, table in enumerate(filled):
                    made: Iterable[dict[str, Any]] = [row[number] for row in batch]
                    if table is tables.instances and instances > 1:
                        made = [each for row in made for each in _siblings(row, instances, stream)]
                    names = list(batch[0][number])
                    values = ", ".join(f":{name}" for name in names)
                    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({values})"
                    driver.executemany(statement, made)
            if start // 10_000 != (start + per_batch) // 10_000:
                log(f"{(start + per_batch) * instances:,} instances")
        with archive.transaction() as session:
            driver = driver_of(session)
            driver.execute("INSERT INTO studies_search (studies_search) VALUES ('rebuild')")
            driver.execute(trigger)
        with archive.transaction() as session:  # no instance has bytes: else looking for them is what is measured
            now, every_s = time.time(), archive.settings.sweep_interval_s
            session.execute(tables.schedules.insert().values(name="sweep", every_s=every_s, next_at=now + every_s))
            save_walk(session, Walk(WALK, began_at=now, ended_at=now))
    os.sync()  # what was filled in is on the disk before anything is timed
    return token


def driver_of(session: Any) -> Any:
    """The connection of the driver: SQLAlchemy's own way of inserting many rows takes twice the time."""
    return session.connection.driver_connection


def _siblings(row: dict[str, Any], count: int, stream: random.Random) -> Iterator[dict[str, Any]]:
    """Yield the instances of a series, of which `row` is the first."""
    for number in range(count):
        yield row | {
            "id": (row["id"] - 1) * count + number + 1,
            "sop_instance_uid": f"{row['sop_instance_uid'][:-5]}{number:05d}",
            "instance_number": number + 1,
            "blob": stream.randbytes(32),
        }


def _rows(stream: random.Random, instances: int) -> Iterator[tuple[dict[str, Any], ...]]:
    """Yield patient, study, series and instance rows as they would be after a C-STORE."""
    from filmless.dicom.names import name_keys

    number = 0
    now = time.time()
    keys_of = functools.cache(name_keys)
    referrer = name_keys("Referrer^Rita")
    while True:
        number += 1
        name = f"{stream.choice(FAMILIES)}^{stream.choice(GIVEN)}"
        keys = keys_of(name)
        patient_id, accession = f"P{number:013d}", f"A{number:013d}"
        date = f"{2015 + number % 11}{number % 12 + 1:02d}{number % 28 + 1:02d}"
        study, series = new_uid(1, stream), new_uid(2, stream)
        patient = {
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]},
            "00100020": {"vr": "LO", "Value": [patient_id]},
            "00100030": {"vr": "DA", "Value": ["19700101"]},
            "00100040": {"vr": "CS", "Value": ["F"]},
        }
        studied = {
            "00080020": {"vr": "DA", "Value": [date]},
            "00080030": {"vr": "TM", "Value": ["101500"]},
            "00080050": {"vr": "SH", "Value": [accession]},
            "00080090": {"vr": "PN", "Value": [{"Alphabetic": "Referrer^Rita"}]},
            "00081030": {"vr": "LO", "Value": ["CT thorax and abdomen"]},
            "0020000D": {"vr": "UI", "Value": [study]},
            "00200010": {"vr": "SH", "Value": ["1"]},
        }
        times = {"created_at": now, "updated_at": now}
        who = {
            "patient_id": patient_id,
            "issuer_of_patient_id": "",
            "patient_name": name,
            "patient_birth_date": "19700101",
            "patient_sex": "F",
        }
        yield (
            {"id": number, "study_scope": "", "attributes": json.dumps(patient)} | who | times,
            {
                "id": number,
                "patient_key": number,
                "study_instance_uid": study,
                "study_date": date,
                "study_time": "101500",
                "timezone_offset_from_utc": "",
                "accession_number": accession,
                "study_id": "1",
                "study_description": "CT thorax and abdomen",
                "referring_physician_name": "Referrer^Rita",
                "patient_name_folded": keys.folded,
                "patient_name_sound": keys.sound,
                "referring_physician_name_folded": referrer.folded,
                "referring_physician_name_sound": referrer.sound,
                "search_text": f"{keys.folded} {patient_id} {accession} ct thorax and abdomen".lower(),
                "modalities_in_study": "CT",
                "number_of_study_related_series": 1,
                "number_of_study_related_instances": instances,
                "size_bytes": 9000,
                "attributes": json.dumps(patient | studied),
            }
            | who
            | times,
            {
                "id": number,
                "study_key": number,
                "series_instance_uid": series,
                "modality": "CT",
                "series_number": 2,
                "series_description": "Axial 1.0 mm soft tissue",
                "body_part_examined": "CHEST",
                "laterality": "",
                "protocol_name": "Thorax",
                "station_name": "CT1",
                "institution_name": "Hospital",
                "performed_procedure_step_start_date": "",
                "performed_procedure_step_start_time": "",
                "number_of_series_related_instances": instances,
                "size_bytes": 9000,
                "attributes": "{}",
                "metadata_blob": None,
                "metadata_instances": 0,
            }
            | times,
            {
                "id": number,
                "series_key": number,
                "sop_instance_uid": new_uid(3, stream),
                "instance_number": 1,
                "sop_class_key": 1,
                "transfer_syntax_key": 2,
                "blob": stream.randbytes(32),
                "length_bytes": 9000,
                "dataset_offset": 400,
                "pixel_offset": 1400,
                "pixel_length": 8192,
                "number_of_frames": 1,
                "rows": 64,
                "columns": 64,
                "bits_allocated": 16,
                "flags": 0,
                "created_at": now,
            },
        )
