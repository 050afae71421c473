"""Key images become Key Object Selection documents (PS3.16 TID 2010) that highdicom and dicom3tools read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from highdicom.ko import KeyObjectSelectionDocument
from pydicom import Dataset

import make
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.errors import NotFound, Refused
from filmless.reading.key_objects import KeyImage, write_key_objects
from filmless.reading.writing import Written

Store = Callable[..., None]
Stored = Callable[[Written], Dataset]


def test_key_images_and_frames_are_read_back_by_highdicom(
    archive: Archive, reader: Principal, store: Store, stored: Stored
) -> None:
    first, second = make.ct_series(2, PatientName="Düsentrieb^Daniel")
    loop = make.multi_frame(3, StudyInstanceUID=first.StudyInstanceUID, PatientName=first.PatientName)
    store(first, second, loop)
    images = [KeyImage(second.SOPInstanceUID), KeyImage(loop.SOPInstanceUID, (1, 3))]
    written = write_key_objects(
        archive, reader, first.StudyInstanceUID, images, title="113004", description="schöne Bilder", author="Rosa^"
    )
    ds = stored(written)
    document = KeyObjectSelectionDocument.from_dataset(ds)
    assert [each.referenced_sop_instance_uid for each in document.content.get_references()] == [
        second.SOPInstanceUID,
        loop.SOPInstanceUID,
    ]
    assert document.resolve_reference(loop.SOPInstanceUID)[1] == loop.SeriesInstanceUID
    *_, text, plain, frames = ds.ContentSequence
    assert (text.TextValue, "ReferencedFrameNumber" in plain.ReferencedSOPSequence[0]) == ("schöne Bilder", False)
    assert list(frames.ReferencedSOPSequence[0].ReferencedFrameNumber) == [1, 3]
    assert (str(ds.PatientName), ds.StudyDescription) == ("Düsentrieb^Daniel", "Test study")
    assert ds.ConceptNameCodeSequence[0].CodeMeaning == "For Teaching"


def test_images_of_no_type_2_attributes_can_be_key_images(
    archive: Archive, reader: Principal, store: Store, stored: Stored
) -> None:
    bare = {"PatientBirthDate": None, "PatientSex": None, "StudyID": None, "AccessionNumber": None, "StudyTime": None}
    image = make.ct_slice(**bare, ReferringPhysicianName=None)
    store(image)
    images = [KeyImage(image.SOPInstanceUID)]
    ds = stored(write_key_objects(archive, reader, image.StudyInstanceUID, images, author="Rosa^"))
    assert ds.PatientSex == ""


@pytest.mark.parametrize(
    ("images", "kind", "words"),
    [
        ([], Refused, "no instance"),
        ([("1.2.3", ())], NotFound, "1.2.3"),
        ([("", (2,))], Refused, "no frame 2"),
        ([("", ()), ("", ())], Refused, "named twice"),
    ],
)
def test_what_is_not_there_cannot_be_a_key_image(
    archive: Archive,
    reader: Principal,
    store: Store,
    images: list[tuple[str, tuple[int, ...]]],
    kind: type[Exception],
    words: str,
) -> None:
    image = make.ct_slice()
    store(image)
    chosen = [KeyImage(uid or image.SOPInstanceUID, frames) for uid, frames in images]
    with pytest.raises(kind, match=words):
        write_key_objects(archive, reader, image.StudyInstanceUID, chosen, author="Rosa^")
