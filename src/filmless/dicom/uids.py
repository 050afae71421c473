"""Unique identifiers: which can be kept, what is odd about them, what they name (PS3.5 chapter 9, PS3.6 annex A)."""

from __future__ import annotations

import functools
import re
import uuid

from filmless.dicom.dictionary import load_table

IMPLEMENTATION_CLASS_UID = "2.25.13953235325717162550666812778957477409"
IMPLEMENTATION_VERSION_NAME = "FILMLESS_01"

_ENTRIES: dict[str, tuple[str, str, str, str, str]] = load_table("_uid_dict").UID_dictionary

# Storage classes that pydicom's table does not have yet.
_NEWER_STORAGE = {
    "1.2.840.10008.5.1.4.1.1.9.100.1": "Waveform Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "Waveform Acquisition Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
}

STORAGE_CLASSES: frozenset[str] = frozenset(_NEWER_STORAGE) | frozenset(
    uid
    for uid, (name, kind, *_) in _ENTRIES.items()
    if kind == "SOP Class" and "Storage" in name and not name.startswith(("Storage Commitment", "Media Storage"))
)
"""Every standard storage SOP class, retired ones too. Private classes are stored as well; they are not listed."""

HANGING_PROTOCOL = "1.2.840.10008.5.1.4.38.1"
COLOR_PALETTE = "1.2.840.10008.5.1.4.39.1"
GENERIC_IMPLANT_TEMPLATE = "1.2.840.10008.5.1.4.43.1"
IMPLANT_ASSEMBLY_TEMPLATE = "1.2.840.10008.5.1.4.44.1"
IMPLANT_TEMPLATE_GROUP = "1.2.840.10008.5.1.4.45.1"
CT_DEFINED_PROCEDURE_PROTOCOL = "1.2.840.10008.5.1.4.1.1.200.1"
XA_DEFINED_PROCEDURE_PROTOCOL = "1.2.840.10008.5.1.4.1.1.200.7"
PROTOCOL_APPROVAL = "1.2.840.10008.5.1.4.1.1.200.3"
INVENTORY = "1.2.840.10008.5.1.4.1.1.201.1"

NON_PATIENT_CLASSES: frozenset[str] = frozenset(
    {
        HANGING_PROTOCOL,
        COLOR_PALETTE,
        GENERIC_IMPLANT_TEMPLATE,
        IMPLANT_ASSEMBLY_TEMPLATE,
        IMPLANT_TEMPLATE_GROUP,
        CT_DEFINED_PROCEDURE_PROTOCOL,
        XA_DEFINED_PROCEDURE_PROTOCOL,
        PROTOCOL_APPROVAL,
        INVENTORY,
    }
)
"""Storage classes whose instances belong to no patient, study or series (PS3.4 annex GG)."""

_STORABLE = re.compile(r"[0-9A-Za-z._:@+ -]{1,64}")
_ODD_CHARACTERS = re.compile(r"[^0-9.]")
_DEFINED_FORM = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")


def is_storable(uid: str) -> bool:
    """Whether a UID can identify something here: 1 to 64 letters, digits, blanks and `. _ : @ + -`.

    Many devices break the rules for UIDs; refusing them would lose images, so we keep what can be told apart.
    What means something in a URL, a path, a list, a query or in markup is no device's mistake, and is refused.
    """
    return _STORABLE.fullmatch(uid) is not None and uid.strip(" ") not in {"", ".", ".."}


def oddities(uid: str) -> list[str]:
    """In words, each rule of PS3.5 9.1 that a UID breaks; empty when it is as it should be."""
    if _DEFINED_FORM.fullmatch(uid) and len(uid) <= 64:
        return []
    found = []
    if not uid:
        return ["is empty"]
    if len(uid) > 64:
        found.append(f"has {len(uid)} characters, 64 are allowed")
    if uid != uid.strip(" \0"):
        found.append("begins or ends with padding")
    if _ODD_CHARACTERS.search(uid):
        found.append("has characters other than digits and dots")
    components = uid.strip(" \0").split(".")
    if any(component == "" for component in components):
        found.append("has an empty component")
    if any(len(component) > 1 and component.startswith("0") for component in components):
        found.append("has a component with a leading zero")
    return found


def new_uid() -> str:
    """A UID that nobody else makes: 2.25 and a random UUID as a number (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def name_of(uid: str) -> str:
    """The name PS3.6 gives a UID; the UID itself when it is private or unknown."""
    entry = _ENTRIES.get(uid)
    return entry[0] if entry else _NEWER_STORAGE.get(uid, uid)


@functools.cache
def _uids_by_keyword() -> dict[str, str]:
    return {entry[4]: uid for uid, entry in _ENTRIES.items() if entry[4]}


def uid_of(keyword: str) -> str | None:
    """The UID of a PS3.6 keyword such as CTImageStorage."""
    return _uids_by_keyword().get(keyword)


_STORAGE = "1.2.840.10008.5.1.4.1.1."
# Classes with pixel data whose name does not say "Image Storage".
_OTHER_IMAGES = frozenset(
    f"{_STORAGE}{arc}"
    for arc in (
        "6.2",  # Enhanced US Volume
        "14.1",  # Intravascular OCT, for presentation
        "14.2",  # and for processing
        "30",  # Parametric Map
        "66.4",  # Segmentation
        "66.7",  # Label Map Segmentation
        "66.8",  # Height Map Segmentation
        "77.1.5.8",  # Ophthalmic OCT B-scan Volume Analysis
        "81.1",  # Ophthalmic Thickness Map
        "82.1",  # Corneal Topography Map
        "481.2",  # RT Dose
        "501.4",  # DICOS 2D AIT
        "501.5",  # DICOS 3D AIT
    )
)


def is_image_class(uid: str) -> bool:
    """Whether instances of a class carry pixel data to look at; False for private classes, of which nobody knows."""
    return uid in STORAGE_CLASSES and (" Image Storage" in name_of(uid) or uid in _OTHER_IMAGES)


def is_structured_report_class(uid: str) -> bool:
    return uid.startswith(f"{_STORAGE}88.") and uid in STORAGE_CLASSES


def is_presentation_state_class(uid: str) -> bool:
    return uid.startswith(f"{_STORAGE}11.") and uid in STORAGE_CLASSES


def is_encapsulated_document_class(uid: str) -> bool:
    return uid.startswith(f"{_STORAGE}104.") and uid in STORAGE_CLASSES


def is_waveform_class(uid: str) -> bool:
    return uid.startswith(f"{_STORAGE}9.") and uid in STORAGE_CLASSES


def is_key_object_class(uid: str) -> bool:
    return uid == f"{_STORAGE}88.59"
