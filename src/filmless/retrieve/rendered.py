"""Instances as pictures that any browser shows: frames through their window, GIFs that move, sheets for the rest."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import case, func, select

import filmless
from filmless.access import policy
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.tables import instances, series, studies
from filmless.dicom.rendering import JPEG, Viewport
from filmless.dicom.windowing import Window
from filmless.errors import NotAcceptable, NotFound
from filmless.retrieve.decoding import decoders
from filmless.retrieve.frames import has_cut_frame, run_on_frame
from filmless.retrieve.instances import InstanceRecord, StoredInstance, find_record
from filmless.retrieve.waveforms import read_strip

SHEET_SIDE: Final = 512

_LABELS: Final = {
    "1.2.840.10008.5.1.4.1.1.104.1": "PDF",
    "1.2.840.10008.5.1.4.1.1.104.2": "CDA",
    "1.2.840.10008.5.1.4.1.1.104.3": "STL",
    "1.2.840.10008.5.1.4.1.1.104.4": "OBJ",
}
_NOT_PICTURES: Final = ("SR", "PR", "KO", "DOC", "REG", "RTPLAN", "RTSTRUCT", "SEG", "PLAN", "ANN")
"""Modalities whose instances stand for a study only when it holds nothing else."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is wanted. Without a window, the data set's own counts, else one made from the data."""

    media_type: str = JPEG
    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = 90
    may_grow: bool = True
    space: str | None = None  # of `colour.SPACES`: the picture has its ICC profile within
    annotation: tuple[str, ...] = ()  # "patient", "technique": burned into the picture


def is_image(instance: StoredInstance) -> bool:
    """Whether an instance has frames to be drawn."""
    return bool((instance.number_of_frames or has_cut_frame(instance)) and instance.rows and instance.columns)


def middle_frame(instance: StoredInstance) -> int:
    """Give the number of the frame that stands for an instance."""
    return max((instance.number_of_frames + 1) // 2, 1)


def render_frame(archive: Archive, record: InstanceRecord, frame_number: int, look: Look) -> bytes:
    """Draw one frame (from 1).

    Raises
    ------
    NotFound: there is no such frame. NotAcceptable: it cannot be decoded. Unavailable: too many wait.
    """
    return bytes(draw_frame(archive, record, frame_number, look)[1])


def draw_frame(
    archive: Archive, record: InstanceRecord, frame_number: int, look: Look
) -> tuple[dict[str, Any], memoryview]:
    """Draw one frame and tell what the decoder says of it: the shape of RAW samples. See `render_frame`."""
    task = {
        "task": "render",
        "is_lenient": True,
        "window": asdict(look.window) if look.window else None,
        "viewport": asdict(look.viewport) if look.viewport else None,
        "media_type": look.media_type,
        "may_grow": look.may_grow,
        **finish(look),
    }
    return run_on_frame(archive, record, frame_number, task)


def finish(look: Look) -> dict[str, Any]:
    """Give the part of a decoder's task that says what becomes of the picture once it is drawn."""
    return {
        "quality": look.quality,
        "space": look.space,
        "annotation": look.annotation,
        "faces": faces_folder(),
    }


@functools.cache
def faces_folder() -> str | None:
    """Give the folder of the faces that come with the screen; none where no screen is built."""
    folder = Path(filmless.__file__).parent / "screen" / "faces"
    return str(folder) if folder.is_dir() else None


def draw_sheet(archive: Archive, instance: StoredInstance, look: Look, side: int = SHEET_SIDE) -> bytes:
    """Draw the sheet that stands for an instance without frames, labelled by what it is."""
    side = _side(look, side)
    task = {
        "task": "sheet",
        "label": _LABELS.get(instance.sop_class_uid) or instance.modality or "DICOM",
        "side": side,
        "media_type": look.media_type,
        "quality": look.quality,
    }
    return bytes(decoders(archive).run(task, [])[1])


def _side(look: Look, side: int) -> int:
    if look.viewport is None:
        return side
    return max(min(look.viewport.width, look.viewport.height, SHEET_SIDE), 16)


def _draw_strip(archive: Archive, instance: StoredInstance, look: Look) -> bytes | None:
    """Draw the beginning of a waveform; None when there is none to draw."""
    strip = read_strip(archive, instance)
    if strip is None:
        return None
    samples = strip.pop("samples")
    task = {"task": "strip", **strip, "side": _side(look, SHEET_SIDE)}
    task |= {"media_type": look.media_type, "quality": look.quality}
    return bytes(decoders(archive).run(task, [samples])[1])


def render_any(archive: Archive, record: InstanceRecord, look: Look, frame_number: int | None = None) -> bytes:
    """Draw one picture of an instance, whatever it is: a frame (the middle one unless named), a strip, a sheet."""
    instance = record.instance
    if is_image(instance):
        try:
            return render_frame(archive, record, frame_number or middle_frame(instance), look)
        except NotAcceptable:
            if frame_number is not None:
                raise
    return _draw_strip(archive, instance, look) or draw_sheet(archive, instance, look)


def get_representative(
    archive: Archive, principal: Principal, study_instance_uid: str, series_instance_uid: str | None = None
) -> InstanceRecord:
    """Choose the instance that stands for a study or series: the middle one of the first series with pictures.

    Raises
    ------
    NotFound: there is no such study or series that `principal` may see.
    """
    conditions = [studies.c.study_instance_uid == study_instance_uid]
    if series_instance_uid is not None:
        conditions.append(series.c.series_instance_uid == series_instance_uid)
    visible = policy.visible_studies(principal)
    if visible is not None:
        conditions.append(visible)
    is_picture = case((instances.c.number_of_frames > 0, 1), else_=0)
    is_plain = case((series.c.modality.in_(_NOT_PICTURES), 0), else_=1)
    source = instances.join(series, instances.c.series_key == series.c.id).join(
        studies, series.c.study_key == studies.c.id
    )
    with archive.reading() as session:
        chosen = session.execute(
            select(series.c.id, is_picture, func.count())
            .select_from(source)
            .where(*conditions)
            .group_by(series.c.id, is_picture, is_plain, series.c.series_number)
            .order_by(is_picture.desc(), is_plain.desc(), func.coalesce(series.c.series_number, 1 << 40), series.c.id)
            .limit(1)
        ).first()
        if chosen is None:
            what = f"series {series_instance_uid} in the" if series_instance_uid else ""
            raise NotFound(f"there is no {what} study {study_instance_uid}".replace("  ", " "))
        key, picture, count = chosen
        uid = session.execute(
            select(instances.c.sop_instance_uid)
            .where(instances.c.series_key == key, is_picture == picture)
            .order_by(func.coalesce(instances.c.instance_number, 1 << 40), instances.c.id)
            .offset(int(count) // 2)
            .limit(1)
        ).scalar_one()
    record = find_record(archive, uid)
    if record is None:
        raise NotFound(f"there is no instance {uid}")
    return record
