"""Presentation states that we write are clean to dicom3tools, and are drawn by the server as they were shown."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from pydicom import Dataset

import make
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.windowing import Window
from filmless.errors import Refused
from filmless.reading.key_objects import KeyImage
from filmless.reading.presentation_states import (
    Graphic,
    NewState,
    Rectangle,
    Table,
    Words,
    write_presentation_state,
)
from filmless.reading.writing import Written

MARKS: dict[str, Any] = {
    "graphics": [
        Graphic("POLYLINE", [(1, 2), (3, 4.5)]),
        Graphic("ELLIPSE", [(1, 2), (3, 2), (2, 1), (2, 3)]),
        Graphic("POINT", [(0.5, 0.5)], units="DISPLAY"),
    ],
    "texts": [Words("größer als zuvor", (1, 2))],
}


def images(*datasets: Dataset) -> list[KeyImage]:
    return [KeyImage(ds.SOPInstanceUID) for ds in datasets]


@pytest.mark.parametrize(("rotation", "is_flipped"), list(itertools.product((0, 90, 180, 270), (False, True))))
def test_a_state_of_any_turn_is_clean_and_says_what_was_shown(
    archive: Archive,
    reader: Principal,
    store: Callable[..., None],
    stored: Callable[[Written], Dataset],
    rotation: int,
    is_flipped: bool,
) -> None:
    first, second = make.ct_series(2, rows=8, PatientName="Düsentrieb^Daniel")
    store(first, second)
    wanted = NewState(
        "my label",
        images(first, second),
        window=Window(40.5, 400, "SIGMOID"),
        is_inverse=True,
        rotation=rotation,
        is_flipped=is_flipped,
        area=Rectangle(1, 2, 7, 8),
        shutter=Rectangle(1, 1, 4, 4),
        **MARKS,
    )
    ds = stored(write_presentation_state(archive, reader, first.StudyInstanceUID, wanted, author="Rosa^"))
    voi = ds.SoftcopyVOILUTSequence[0]
    assert (float(voi.WindowCenter), float(voi.WindowWidth), voi.VOILUTFunction) == (40.5, 400, "SIGMOID")
    assert (ds.PresentationLUTShape, float(ds.RescaleIntercept), ds.RescaleType) == ("INVERSE", -1024, "HU")
    area = ds.DisplayedAreaSelectionSequence[0]
    corners = [area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner]
    assert sorted(corner[0] for corner in corners) == [1, 7]
    assert sorted(corner[1] for corner in corners) == [2, 8]
    assert ds.GraphicAnnotationSequence[0].TextObjectSequence[0].UnformattedTextValue == "größer als zuvor"
    assert (ds.ContentLabel, str(ds.PatientName)) == ("MY LABEL", "Düsentrieb^Daniel")


def test_states_of_tables_and_of_colour_are_clean(
    archive: Archive, reader: Principal, store: Callable[..., None], stored: Callable[[Written], Dataset]
) -> None:
    grey = make.ct_slice(rows=8)
    colour = make.color(StudyInstanceUID=grey.StudyInstanceUID)
    store(grey, colour)
    for bits, entries, written_bits in ((8, [0, 1, 200], 8), (12, [0, 1, 4095], 16)):
        wanted = NewState("T", images(grey), table=Table(-5, bits, entries))
        ds = stored(write_presentation_state(archive, reader, grey.StudyInstanceUID, wanted, author="Rosa^"))
        lut = ds.SoftcopyVOILUTSequence[0].VOILUTSequence[0]
        assert list(lut.LUTDescriptor) == [3, -5, written_bits]
    wanted = NewState("C", images(colour), shutter=Rectangle(1, 1, 2, 2), **MARKS)
    ds = stored(write_presentation_state(archive, reader, grey.StudyInstanceUID, wanted, author="Rosa^"))
    assert (ds.SOPClassUID, "ICCProfile" in ds) == ("1.2.840.10008.5.1.4.1.1.11.2", True)


def test_images_that_differ_in_what_a_state_says_once_are_refused(
    archive: Archive, reader: Principal, store: Callable[..., None]
) -> None:
    first = make.ct_slice(rows=8)
    other = make.ct_slice(rows=8, StudyInstanceUID=first.StudyInstanceUID, RescaleIntercept="0")
    small = make.ct_slice(rows=4, StudyInstanceUID=first.StudyInstanceUID)
    store(first, other, small)
    for second, words in ((other, "rescale"), (small, "sizes")):
        wanted = NewState("X", images(first, second))
        with pytest.raises(Refused, match=words):
            write_presentation_state(archive, reader, first.StudyInstanceUID, wanted, author="Rosa^")
    with pytest.raises(Refused, match="CIRCLE of 1 points"):
        wanted = NewState("X", images(first), graphics=[Graphic("CIRCLE", [(1, 1)])])
        write_presentation_state(archive, reader, first.StudyInstanceUID, wanted, author="Rosa^")
