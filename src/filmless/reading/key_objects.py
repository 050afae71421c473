"""Key Object Selection documents (PS3.3 A.35.4, PS3.16 TID 2010): images that somebody pointed out, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.uids import new_uid
from filmless.errors import Refused
from filmless.reading.sources import UTF_8, bare_source, copy_study, find_sources, read_source
from filmless.reading.writing import KEY_OBJECTS_SERIES_NUMBER, MANUFACTURER, MODEL_NAME, Written, store_object
from filmless.retrieve.instances import StoredInstance

if TYPE_CHECKING:
    from pydicom import Dataset

TITLES: Final = {
    "113000": "Of Interest",
    "113002": "For Referring Provider",
    "113003": "For Surgery",
    "113004": "For Teaching",
    "113005": "For Conference",
    "113006": "For Therapy",
    "113007": "For Patient",
    "113008": "For Peer Review",
    "113009": "For Research",
    "113013": "Best In Set",
    "113018": "For Printing",
    "113020": "For Report Attachment",
}
"""Document titles that stand alone, without a second code to explain them (PS3.16 CID 7010)."""


@dataclass(frozen=True, slots=True)
class KeyImage:
    """An instance, or some of its frames (from 1); no frames means the whole of it."""

    sop_instance_uid: str
    frame_numbers: tuple[int, ...] = ()


def write_key_objects(
    archive: Archive,
    principal: Principal,
    study_instance_uid: str,
    images: Sequence[KeyImage],
    *,
    title: str = "113000",
    description: str | None = None,
    author: str,
) -> Written:
    """Write a Key Object Selection of images of one study and store it in that study.

    Raises
    ------
    Refused: an unknown title, no image, one named twice, a frame that it does not have. NotFound. As `receive`.
    """
    if title not in TITLES:
        raise Refused(f"{title} is no title of key images; there are {', '.join(TITLES)}")
    if len({each.sop_instance_uid for each in images}) != len(images):
        raise Refused("an instance is named twice; name it once with all its frames")
    sources = find_sources(archive, principal, study_instance_uid, [each.sop_instance_uid for each in images])
    for each in images:
        count = sources[each.sop_instance_uid].number_of_frames
        for number in each.frame_numbers:
            if not 1 <= number <= count:
                raise Refused(f"the instance {each.sop_instance_uid} has {count} frames, and no frame {number}")
    first, *others = sources.values()
    evidence = [read_source(archive, first), *map(bare_source, others)]
    document = _document(evidence, list(sources.values()), title, description, author)
    # Frames are named only of what has several (PS3.3 10.3).
    frames_of = {
        each.sop_instance_uid: list(each.frame_numbers)
        for each in images
        if sources[each.sop_instance_uid].number_of_frames > 1
    }
    for item in document.ContentSequence:
        for reference in item.get("ReferencedSOPSequence", []):
            if numbers := frames_of.get(reference.ReferencedSOPInstanceUID):
                reference.ReferencedFrameNumber = numbers
    copy_study(document, evidence[0])
    return store_object(archive, principal, document)


def _document(
    evidence: list[Dataset], sources: list[StoredInstance], title: str, description: str | None, author: str
) -> Dataset:
    from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
    from highdicom.sr import CodedConcept, ObserverContext, PersonObserverIdentifyingAttributes
    from pydicom.sr.codedict import codes

    content = KeyObjectSelection(
        document_title=CodedConcept(title, "DCM", TITLES[title]),
        referenced_objects=[bare_source(each) for each in sources],
        observer_person_context=ObserverContext(
            observer_type=codes.DCM.Person,
            observer_identifying_attributes=PersonObserverIdentifyingAttributes(name=author),
        ),
        description=description or None,
    )
    return KeyObjectSelectionDocument(
        evidence=evidence,
        content=content,
        series_instance_uid=new_uid(),
        series_number=KEY_OBJECTS_SERIES_NUMBER,
        sop_instance_uid=new_uid(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        series_description=TITLES[title],
        specific_character_set=UTF_8,
    )
