"""The instances that an object is about: their rows, and the header of one as a pydicom data set to start from."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, select

from filmless.access import policy
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.tables import studies
from filmless.errors import NotFound, Refused
from filmless.retrieve.frames import read_header_bytes
from filmless.retrieve.instances import StoredInstance, find_instances

if TYPE_CHECKING:
    from pydicom import Dataset

UTF_8: Final = "ISO_IR 192"

PATIENT_AND_STUDY: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Type 1 and 2 of the Patient and General Study modules: an object of a study has them, if empty (PS3.3 C.7.1.1)."""

ALSO_OF_THE_STUDY: Final = ("IssuerOfPatientID", "StudyDescription", "PatientAge", "PatientSize", "PatientWeight")


def require_study(session: Connection, principal: Principal, study_instance_uid: str) -> None:
    """Let pass whoever may see a study that is there.

    Raises
    ------
    NotFound
    """
    query = select(studies.c.id).where(studies.c.study_instance_uid == study_instance_uid)
    visible = policy.visible_studies(principal)
    if visible is not None:
        query = query.where(visible)
    if session.execute(query).first() is None:
        raise NotFound(f"there is no study {study_instance_uid}")


def find_sources(
    archive: Archive, principal: Principal, study_instance_uid: str, sop_instance_uids: Collection[str]
) -> dict[str, StoredInstance]:
    """Find the instances of a study that are named, all of which must be there and visible to `principal`.

    Raises
    ------
    Refused: none or too many are named. NotFound: one is not in the study, or not to be seen.
    """
    most = archive.settings.written_references_max
    wanted = list(dict.fromkeys(sop_instance_uids))
    if not wanted:
        raise Refused("no instance is named")
    if len(wanted) > most:
        raise Refused(f"{len(wanted)} instances are named; an object may be about {most} (written_references_max)")
    found = {
        each.sop_instance_uid: each
        for each in find_instances(archive, principal, study_uids=(study_instance_uid,), sop_uids=wanted)
    }
    for uid in wanted:
        if uid not in found:
            raise NotFound(f"there is no instance {uid} in the study {study_instance_uid}")
    return {uid: found[uid] for uid in wanted}


def read_source(archive: Archive, instance: StoredInstance) -> Dataset:
    """Read all that stands before the pixel data; text is decoded, and the character set is UTF-8 from here on.

    Raises
    ------
    Refused: the header is longer than `written_source_max_bytes`, or cannot be read.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_dataset

    most = archive.settings.written_source_max_bytes
    if (instance.pixel_offset or instance.length_bytes) > most:
        raise Refused(f"the header of {instance.sop_instance_uid} is longer than {most} bytes")
    data, bare_syntax = read_header_bytes(archive, instance)
    stream = io.BytesIO(bytes(data))
    try:
        if bare_syntax is None:
            ds: Dataset = dcmread(stream, force=True, stop_before_pixels=True)
        else:
            ds = read_dataset(stream, is_implicit_VR=False, is_little_endian=True)
        ds.decode()
    except (InvalidDicomError, ValueError, EOFError, LookupError) as error:
        raise Refused(f"the instance {instance.sop_instance_uid} cannot be read: {error}") from error
    ds.SpecificCharacterSet = UTF_8
    for keyword in PATIENT_AND_STUDY:
        if keyword not in ds:
            setattr(ds, keyword, "")
    return ds


def bare_source(instance: StoredInstance) -> Dataset:
    """Make what a reference needs of an instance, from its row."""
    from pydicom import Dataset

    ds = Dataset()
    ds.SOPClassUID = instance.sop_class_uid
    ds.SOPInstanceUID = instance.sop_instance_uid
    ds.SeriesInstanceUID = instance.series_instance_uid
    ds.StudyInstanceUID = instance.study_instance_uid
    if instance.rows is not None and instance.columns is not None:
        ds.Rows, ds.Columns = instance.rows, instance.columns
    return ds


def copy_study(ds: Dataset, source: Dataset) -> None:
    """Give an object what its patient and study have beyond what they must."""
    for keyword in ALSO_OF_THE_STUDY:
        if keyword in source and keyword not in ds:
            ds[keyword] = source[keyword]


def person_name(name: str) -> str:
    """Make a value of VR PN of a name that somebody signs in with: it has one group and one value."""
    alone = name.translate(str.maketrans("\\=", "  ")).strip()[:63] or "Unknown"
    return alone if "^" in alone else f"{alone}^"
