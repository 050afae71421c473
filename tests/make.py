"""Makes DICOM data for tests, with pydicom: another implementation than the one under test.

    import make
    ds = make.ct_slice(rows=4, PatientName="Doe^Jane")
    data = make.part10(ds, transfer_syntax=make.DEFLATED)

Pixel values are known: sample `i` of a maker's pixel data is `make.ramp(...)[i]`.
"""

from __future__ import annotations

import io
import itertools
import struct
from typing import Any

from pydicom import DataElement, Dataset, Sequence, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, generate_uid

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
NATIVE = (IMPLICIT_LE, EXPLICIT_LE, DEFLATED, EXPLICIT_BE)

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
US_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.3.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
MULTI_FRAME_WORD = "1.2.840.10008.5.1.4.1.1.7.3"
MULTI_FRAME_COLOR = "1.2.840.10008.5.1.4.1.1.7.4"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"

_numbers = itertools.count(1)


def uid() -> str:
    """A fresh UID, different in every test process."""
    return str(generate_uid())


def ramp(count: int, *, bits: int = 16, start: int = 0) -> bytes:
    """`count` samples that count up from `start` and wrap: little endian for 16 bits."""
    if bits == 8:
        return bytes((start + i) & 0xFF for i in range(count))
    return struct.pack(f"<{count}H", *((start + i) & 0xFFFF for i in range(count)))


def _set(ds: Dataset, values: dict[str, Any]) -> Dataset:
    """Set attributes by keyword; None deletes, ... (Ellipsis) leaves alone."""
    for keyword, value in values.items():
        if value is None:
            if keyword in ds:
                delattr(ds, keyword)
        elif value is not ...:
            setattr(ds, keyword, value)
    return ds


def instance(sop_class_uid: str = SECONDARY_CAPTURE, **overrides: Any) -> Dataset:
    """A data set without pixel data: patient, study, series and SOP common attributes."""
    number = next(_numbers)
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = sop_class_uid
    ds.SOPInstanceUID = uid()
    ds.StudyDate = "20240102"
    ds.SeriesDate = "20240102"
    ds.StudyTime = "101112"
    ds.AccessionNumber = "A1"
    ds.Modality = "OT"
    ds.Manufacturer = "Filmless"
    ds.ReferringPhysicianName = "Referrer^Rita"
    ds.StudyDescription = "Test study"
    ds.SeriesDescription = "Test series"
    ds.PatientName = "Doe^Jane"
    ds.PatientID = "P1"
    ds.PatientBirthDate = "19700203"
    ds.PatientSex = "F"
    ds.StudyInstanceUID = uid()
    ds.SeriesInstanceUID = uid()
    ds.StudyID = "S1"
    ds.SeriesNumber = 1
    ds.InstanceNumber = number
    return _set(ds, overrides)


def ct_slice(rows: int = 4, columns: int | None = None, **overrides: Any) -> Dataset:
    """One CT slice of 16 bits, signed, with the attributes a viewer needs."""
    columns = rows if columns is None else columns
    ds = instance(CT)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Modality = "CT"
    ds.BodyPartExamined = "CHEST"
    ds.SliceThickness = "1.5"
    ds.KVP = "120"
    ds.PatientPosition = "HFS"
    ds.ImagePositionPatient = ["-100.5", "-100.5", "12"]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.FrameOfReferenceUID = uid()
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = rows
    ds.Columns = columns
    ds.PixelSpacing = ["0.5", "0.5"]
    ds.BitsAllocated = 16
    ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 1
    ds.WindowCenter = "40"
    ds.WindowWidth = "400"
    ds.RescaleIntercept = "-1024"
    ds.RescaleSlope = "1"
    ds.PixelData = ramp(rows * columns)
    ds["PixelData"].VR = "OW"
    return _set(ds, overrides)


def ct_series(count: int, rows: int = 4, **overrides: Any) -> list[Dataset]:
    """`count` slices of one series of one study, 1.5 mm apart."""
    common: dict[str, Any] = {
        "StudyInstanceUID": uid(),
        "SeriesInstanceUID": uid(),
        "FrameOfReferenceUID": uid(),
    } | overrides
    return [
        ct_slice(
            rows,
            **{"InstanceNumber": i + 1, "ImagePositionPatient": ["-100.5", "-100.5", f"{i * 1.5:g}"]} | common,
        )
        for i in range(count)
    ]


def multi_frame(frames: int = 3, rows: int = 4, columns: int | None = None, **overrides: Any) -> Dataset:
    """A multi-frame secondary capture of 16 bits; sample values go on counting from frame to frame."""
    columns = rows if columns is None else columns
    ds = instance(MULTI_FRAME_WORD)
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.NumberOfFrames = frames
    ds.FrameIncrementPointer = 0x00181063
    ds.FrameTime = "40"
    ds.Rows = rows
    ds.Columns = columns
    ds.BitsAllocated = 16
    ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 0
    ds.PixelData = ramp(frames * rows * columns)
    ds["PixelData"].VR = "OW"
    return _set(ds, overrides)


def color(frames: int = 1, rows: int = 4, columns: int | None = None, **overrides: Any) -> Dataset:
    """An RGB image of 8 bits, colour by pixel; ultrasound multi-frame when there are several frames."""
    columns = rows if columns is None else columns
    ds = instance(US_MULTI_FRAME if frames > 1 else SECONDARY_CAPTURE)
    ds.Modality = "US" if frames > 1 else "OT"
    ds.SamplesPerPixel = 3
    ds.PhotometricInterpretation = "RGB"
    ds.PlanarConfiguration = 0
    if frames > 1:
        ds.NumberOfFrames = frames
    ds.Rows = rows
    ds.Columns = columns
    ds.BitsAllocated = 8
    ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelRepresentation = 0
    ds.PixelData = ramp(frames * rows * columns * 3, bits=8)
    ds["PixelData"].VR = "OB"
    return _set(ds, overrides)


def segmentation(frames: int = 3, rows: int = 3, columns: int = 3, **overrides: Any) -> Dataset:
    """Frames of one bit a pixel, packed without padding between frames (PS3.5 8.1.1): pixel i is i % 3 == 0."""
    ds = instance(SEGMENTATION)
    ds.Modality = "SEG"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.NumberOfFrames = frames
    ds.Rows = rows
    ds.Columns = columns
    ds.BitsAllocated = 1
    ds.BitsStored = 1
    ds.HighBit = 0
    ds.PixelRepresentation = 0
    packed = bytearray((frames * rows * columns + 7) // 8)
    for i in range(0, frames * rows * columns, 3):
        packed[i // 8] |= 1 << i % 8
    ds.PixelData = bytes(packed) + (b"\0" if len(packed) % 2 else b"")
    ds["PixelData"].VR = "OB"
    return _set(ds, overrides)


def tiled_full(**overrides: Any) -> Dataset:
    """A whole slide of 3 x 2 tiles in 2 focal planes and 2 optical paths; a frame's number says its place."""
    ds = multi_frame(24)
    ds.SOPClassUID, ds.Modality, ds.DimensionOrganizationType = WHOLE_SLIDE, "SM", "TILED_FULL"
    del ds.FrameTime, ds.FrameIncrementPointer
    ds.TotalPixelMatrixColumns, ds.TotalPixelMatrixRows, ds.TotalPixelMatrixFocalPlanes = 11, 7, 2
    ds.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    measures, origin, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SpacingBetweenSlices = [0.0005, 0.00025], 0.002
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = "20.5", "40.25"
    shared.PixelMeasuresSequence = [measures]
    ds.SharedFunctionalGroupsSequence, ds.TotalPixelMatrixOriginSequence = [shared], [origin]
    paths = [Dataset(), Dataset()]
    for path, name in zip(paths, ("DAPI", "FITC"), strict=True):
        path.OpticalPathIdentifier = name
    ds.OpticalPathSequence, ds.NumberOfOpticalPaths = paths, 2
    return _set(ds, overrides)


def text_report(**overrides: Any) -> Dataset:
    """A structured report with a small content tree: nested sequences, no pixel data."""

    def code(value: str, meaning: str) -> Dataset:
        item = Dataset()
        item.CodeValue = value
        item.CodingSchemeDesignator = "DCM"
        item.CodeMeaning = meaning
        return item

    ds = instance(BASIC_TEXT_SR)
    ds.Modality = "SR"
    ds.ValueType = "CONTAINER"
    ds.ConceptNameCodeSequence = Sequence([code("121060", "History")])
    text = Dataset()
    text.RelationshipType = "CONTAINS"
    text.ValueType = "TEXT"
    text.ConceptNameCodeSequence = Sequence([code("121071", "Finding")])
    text.TextValue = "Keine Auffälligkeiten"
    ds.ContentSequence = Sequence([text])
    ds.CompletionFlag = "COMPLETE"
    ds.VerificationFlag = "UNVERIFIED"
    return _set(ds, overrides)


def nested(depth: int, *, undefined: bool = False) -> Dataset:
    """A data set with `depth` sequences inside each other; the innermost item holds a Code Value."""
    item = Dataset()
    item.CodeValue = "innermost"
    for _ in range(depth):
        outer = Dataset()
        outer.ContentSequence = Sequence([item])
        if undefined:
            outer["ContentSequence"].is_undefined_length = True
            item.is_undefined_length_sequence_item = True
        item = outer
    ds = instance(BASIC_TEXT_SR)
    ds.update(item)
    return ds


def encapsulated(
    frames: list[bytes],
    *,
    fragments_per_frame: int = 1,
    offsets: str = "basic",
    ds: Dataset | None = None,
    **overrides: Any,
) -> Dataset:
    """Frames given as bytes, wrapped as encapsulated pixel data (PS3.5 A.4); nothing is compressed.

    `offsets` is "basic", "extended" or "none": which offset table says where frames begin.
    """
    if ds is None:
        ds = multi_frame(len(frames), rows=2)
    ds.NumberOfFrames = len(frames)
    if offsets == "extended":
        starts, position = [], 0
        for frame in frames:
            starts.append(position)
            position += 8 + len(frame) + len(frame) % 2
        ds.ExtendedOffsetTable = struct.pack(f"<{len(frames)}Q", *starts)
        ds.ExtendedOffsetTableLengths = struct.pack(f"<{len(frames)}Q", *(len(frame) for frame in frames))
        ds.PixelData = encapsulate(frames, has_bot=False)
    else:
        ds.PixelData = encapsulate(frames, fragments_per_frame=fragments_per_frame, has_bot=offsets == "basic")
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return _set(ds, overrides)


def rle(ds: Dataset | None = None, **overrides: Any) -> Dataset:
    """A really compressed instance: RLE Lossless, by pydicom's own encoder. Write it with transfer_syntax=RLE."""
    ds = ct_slice(8) if ds is None else ds
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(EXPLICIT_LE)
    ds.compress(UID(RLE), encoding_plugin="pydicom", generate_instance_uid=False)
    return _set(ds, overrides)


def _swapped(ds: Dataset) -> Dataset:
    """A copy whose 16 bit pixel data are big endian; pydicom writes pixel data as they are."""
    if "PixelData" not in ds or ds["PixelData"].VR != "OW":
        return ds
    copy = Dataset(dict(ds))
    values = struct.unpack(f"<{len(ds.PixelData) // 2}H", ds.PixelData)
    copy["PixelData"] = DataElement(0x7FE00010, "OW", struct.pack(f">{len(values)}H", *values))
    return copy


def _file_meta(ds: Dataset, transfer_syntax: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", SECONDARY_CAPTURE)
    meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = UID("2.25.1")
    return meta


def part10(ds: Dataset, transfer_syntax: str = EXPLICIT_LE) -> bytes:
    """A whole Part 10 file. Encapsulated syntaxes want a data set made by `encapsulated` or `rle`."""
    copy = _swapped(ds) if transfer_syntax == EXPLICIT_BE else Dataset(dict(ds))
    copy.file_meta = _file_meta(ds, transfer_syntax)
    buffer = io.BytesIO()
    dcmwrite(
        buffer,
        copy,
        implicit_vr=transfer_syntax == IMPLICIT_LE,
        little_endian=transfer_syntax != EXPLICIT_BE,
        enforce_file_format=True,
    )
    return buffer.getvalue()


def dataset_bytes(ds: Dataset, transfer_syntax: str = EXPLICIT_LE) -> bytes:
    """The data set alone, as it travels by C-STORE."""
    data = part10(ds, transfer_syntax)
    length = struct.unpack_from("<L", data, 140)[0]
    return data[144 + length :]


def identifier(transfer_syntax: str = IMPLICIT_LE, **keys: Any) -> bytes:
    """The identifier of a query, as it travels by C-FIND: keywords with values, None and "" for empty."""
    from pydicom.filebase import DicomBytesIO

    ds = Dataset()
    for keyword, value in keys.items():
        setattr(ds, keyword, "" if value is None else value)
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = transfer_syntax == IMPLICIT_LE
    buffer.is_little_endian = transfer_syntax != EXPLICIT_BE
    write_dataset(buffer, ds)
    return buffer.getvalue()


def element(tag: int, vr: str, value: bytes = b"", length: int | None = None) -> bytes:
    """One element in explicit VR little endian, as bytes; `length` to lie about it."""
    length = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in ("OB", "OW", "SQ", "UN", "UT", "OF", "OD", "OL", "OV", "UC", "UR", "SV", "UV"):
        return head + b"\0\0" + struct.pack("<L", length) + value
    return head + struct.pack("<H", length) + value


def implicit_element(tag: int, value: bytes = b"", length: int | None = None) -> bytes:
    """One element in implicit VR, as bytes."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def item(content: bytes = b"", *, undefined: bool = False) -> bytes:
    """One item of a sequence, as bytes."""
    if undefined:
        return b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + content + b"\xfe\xff\x0d\xe0\0\0\0\0"
    return b"\xfe\xff\x00\xe0" + struct.pack("<L", len(content)) + content
