"""Structured reports and encapsulated documents, made."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset
from pydicom.sequence import Sequence

import make

ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.22"
DOCUMENTS = "1.2.840.10008.5.1.4.1.1.104."


def code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    """One item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def content(value_type: str, name: Dataset | None = None, *children: Dataset, **values: Any) -> Dataset:
    """One content item."""
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", value_type
    if name is not None:
        item.ConceptNameCodeSequence = Sequence([name])
    if children:
        item.ContentSequence = Sequence(children)
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def measurement(name: Dataset, value: str, unit: Dataset, *children: Dataset) -> Dataset:
    """A content item of type NUM."""
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, Sequence([unit])
    return content("NUM", name, *children, MeasuredValueSequence=Sequence([measured]))


def image(of: Dataset, *frames: int) -> Dataset:
    """A content item of type IMAGE that refers to an instance."""
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = of.SOPClassUID, of.SOPInstanceUID
    if frames:
        reference.ReferencedFrameNumber = list(frames)
    return content("IMAGE", code("121080", "Best illustration of finding"), ReferencedSOPSequence=Sequence([reference]))


def report(*items: Dataset, **overrides: Any) -> Dataset:
    """An Enhanced SR of these content items."""
    ds = make.text_report(ConceptNameCodeSequence=Sequence([code("18748-4", "Diagnostic imaging report", "LN")]))
    ds.SOPClassUID = ENHANCED_SR
    ds.ContentSequence = Sequence(items)
    for keyword, value in overrides.items():
        setattr(ds, keyword, value)
    return ds


def document(kind: int, data: bytes, mime_type: str, **overrides: Any) -> Dataset:
    """An encapsulated document: 1 PDF, 2 CDA, 3 STL, 4 OBJ, 5 MTL."""
    ds = make.instance(f"{DOCUMENTS}{kind}", Modality="DOC", **overrides)
    ds.MIMETypeOfEncapsulatedDocument, ds.EncapsulatedDocumentLength = mime_type, len(data)
    ds.EncapsulatedDocument = data + b"\0" * (len(data) % 2)
    return ds
