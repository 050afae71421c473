"""Single instances, frames of them, and instances without bulk data (PS3.4 annexes Y and Z)."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from highdicom.spatial import iter_tiled_full_frame_data
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pynetdicom import AE, build_role, evt

import make
import moving
from doors import Door, add_peer, put
from filmless.access import audit
from filmless.archive import Archive
from filmless.dimse import commands as c
from filmless.dimse.pdus import RoleSelection
from filmless.dimse.services import Request
from wire import EXPLICIT_LE, IMPLICIT_LE, Scp, Stored

MOVE, GET, WITHOUT_BULK = "1.2.840.10008.5.1.4.1.2.4.2", "1.2.840.10008.5.1.4.1.2.4.3", "1.2.840.10008.5.1.4.1.2.5.3"
SIMPLE, CALCULATED, TIMES = "00081161", "00081162", "00081163"
WAVEFORM = "1.2.840.10008.5.1.4.1.1.9.1.1"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"


def naming(level: str, *uids: str, **frames: list[Any]) -> dict[str, Any]:
    """An identifier; frames by the keys simple, calculated and times."""
    out: dict[str, Any] = {"00080052": {"vr": "CS", "Value": [level]}}
    if uids:
        out["00080018"] = {"vr": "UI", "Value": list(uids)}
    for name, values in frames.items():
        tag = {"simple": SIMPLE, "calculated": CALCULATED, "times": TIMES}[name]
        out[tag] = {"vr": "FD" if tag == TIMES else "UL", "Value": values}
    return out


def read(stored: Stored) -> Dataset:
    """Read what came with pydicom, as the file that it would be."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = stored.request.sop_class_uid, stored.request.sop_instance_uid
    head = make.part10(ds, stored.request.transfer_syntax_uid)
    meta_length = 144 + int.from_bytes(head[140:144], "little")
    return dcmread(BytesIO(head[:meta_length] + stored.data))


def get(
    door: Door, identifier: dict[str, Any], *contexts: tuple[str, str], model: str = GET
) -> tuple[int, c.Command, list[Stored]]:
    kept: list[Stored] = []

    def store(request: Request) -> Stored:
        kept.append(Stored(request))
        return kept[-1]

    roles = [RoleSelection(uid, scu=False, scp=True) for uid in dict.fromkeys(uid for uid, _ in contexts)]
    with door.ask((model, IMPLICIT_LE), *contexts, roles=roles) as association:
        answers = list(association.get(model, identifier, store))
        return answers[-1][0], association.last_response, kept


def frame_bytes(ds: Dataset, number: int) -> bytes:
    length = ds.Rows * ds.Columns * ds.BitsAllocated // 8 * ds.SamplesPerPixel
    return bytes(ds.PixelData[(number - 1) * length : number * length])


# ------------------------------------------------------------------------------------------------- instances


def test_instances_are_had_by_their_uids_alone(door: Door, archive: Archive) -> None:
    one, other = make.ct_slice(), make.ct_slice()
    put(archive, one)
    put(archive, other)
    named = naming("IMAGE", one.SOPInstanceUID, other.SOPInstanceUID)
    status, last, kept = get(door, named, (make.CT, EXPLICIT_LE))
    assert (status, last.number(c.COMPLETED_SUBOPERATIONS)) == (c.SUCCESS, 2)
    assert {stored.data for stored in kept} == {make.dataset_bytes(ds, EXPLICIT_LE) for ds in (one, other)}


@pytest.mark.parametrize(
    "identifier",
    [naming("IMAGE"), naming("STUDY", "1.2.3"), naming("IMAGE", "1.2.*")],
    ids=["no UID", "level of another model", "wildcard"],
)
@pytest.mark.parametrize("model", [GET, WITHOUT_BULK])
def test_an_identifier_that_does_not_suit_is_a900(door: Door, identifier: dict[str, Any], model: str) -> None:
    status, _, _ = get(door, identifier, (make.CT, EXPLICIT_LE), model=model)
    assert status == 0xA900


def test_frames_without_bulk_data_are_no_level(door: Door) -> None:
    named = naming("FRAME", "1.2.3", simple=[1])
    assert get(door, named, (make.CT, EXPLICIT_LE), model=WITHOUT_BULK)[0] == 0xA900


# ------------------------------------------------------------------------------------------------- frames


def test_chosen_frames_come_as_a_new_instance_of_the_same_series(door: Door, archive: Archive) -> None:
    source = make.multi_frame(5, InstitutionName="Hôpital", RepresentativeFrameNumber=4)
    put(archive, source)
    named = naming("FRAME", source.SOPInstanceUID, simple=[2, 4])
    status, _, kept = get(door, named, (make.MULTI_FRAME_WORD, EXPLICIT_LE))
    (made,) = map(read, kept)
    assert status == c.SUCCESS
    assert made.SOPInstanceUID != source.SOPInstanceUID
    for keyword in ("SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientName", "InstitutionName"):
        assert made[keyword].value == source[keyword].value
    assert (made.NumberOfFrames, made.RepresentativeFrameNumber) == (2, 2)
    assert (made.FrameTime, made.FrameDelay) == (80, 40)
    assert made.PixelData == frame_bytes(source, 2) + frame_bytes(source, 4)
    (item,) = made.FrameExtractionSequence
    assert (item.MultiFrameSourceSOPInstanceUID, item.SimpleFrameList) == (source.SOPInstanceUID, [2, 4])
    (equipment,) = made.ContributingEquipmentSequence
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109105"


def test_frames_unevenly_spaced_say_their_times_in_a_vector(door: Door, archive: Archive) -> None:
    source = make.multi_frame(6)
    put(archive, source)
    named = naming("FRAME", source.SOPInstanceUID, calculated=[1, 3, 2, 4, 0xFFFFFFFF, 1])
    status, _, kept = get(door, named, (make.MULTI_FRAME_WORD, IMPLICIT_LE))
    (made,) = map(read, kept)
    assert (status, made.NumberOfFrames) == (c.SUCCESS, 5)
    assert made.FrameIncrementPointer == 0x00181065
    assert list(made.FrameTimeVector) == [0, 80, 40, 40, 40]
    assert "FrameTime" not in made
    assert made.PixelData == b"".join(frame_bytes(source, number) for number in (1, 3, 4, 5, 6))


def test_frames_are_chosen_by_time(door: Door, archive: Archive) -> None:
    source = make.multi_frame(6)  # 40 ms apart
    put(archive, source)
    named = naming("FRAME", source.SOPInstanceUID, times=[0.08, 0.125])
    status, _, kept = get(door, named, (make.MULTI_FRAME_WORD, EXPLICIT_LE))
    (made,) = map(read, kept)
    assert (status, made.PixelData) == (c.SUCCESS, frame_bytes(source, 3) + frame_bytes(source, 4))


def test_functional_groups_and_vectors_follow_their_frames(door: Door, archive: Archive) -> None:
    groups = []
    for number in range(1, 5):
        group, content = Dataset(), Dataset()
        content.StackID = f"S{number}"
        group.FrameContentSequence = [content]
        groups.append(group)
    source = make.multi_frame(4, PerFrameFunctionalGroupsSequence=groups, FrameLabelVector=["A", "B", "C", "D"])
    source.add_new(0x00090010, "LO", "SOMEBODY")
    put(archive, source)
    named = naming("FRAME", source.SOPInstanceUID, simple=[1, 4])
    _, _, kept = get(door, named, (make.MULTI_FRAME_WORD, EXPLICIT_LE))
    (made,) = map(read, kept)
    stacks = [group.FrameContentSequence[0].StackID for group in made.PerFrameFunctionalGroupsSequence]
    assert (stacks, list(made.FrameLabelVector)) == (["S1", "S4"], ["A", "D"])
    assert 0x00090010 not in made


def test_compressed_frames_leave_as_they_are_kept(door: Door, archive: Archive) -> None:
    source = make.multi_frame(3)
    put(archive, make.rle(make.multi_frame(3, SOPInstanceUID=source.SOPInstanceUID)), make.RLE)
    named = naming("FRAME", source.SOPInstanceUID, simple=[3])
    _, _, kept = get(door, named, (make.MULTI_FRAME_WORD, IMPLICIT_LE), (make.MULTI_FRAME_WORD, make.RLE))
    assert kept[0].request.transfer_syntax_uid == make.RLE
    as_kept = read(kept[0]).pixel_array
    _, _, kept = get(door, named, (make.MULTI_FRAME_WORD, IMPLICIT_LE))
    assert read(kept[0]).PixelData == frame_bytes(source, 3) == as_kept.tobytes()


def test_frames_of_one_bit_are_joined_without_padding(door: Door, archive: Archive) -> None:
    source = make.segmentation(3)
    put(archive, source)
    named = naming("FRAME", source.SOPInstanceUID, simple=[1, 3])
    _, _, kept = get(door, named, (make.SEGMENTATION, EXPLICIT_LE))
    made = read(kept[0])
    whole = "".join(f"{byte:08b}"[::-1] for byte in source.PixelData)
    bits = "".join(f"{byte:08b}"[::-1] for byte in made.PixelData)
    assert bits[:18] == whole[:9] + whole[18:27]
    assert made.NumberOfFrames == 2


def test_tiles_say_themselves_where_they_lie_once_others_are_gone(door: Door, archive: Archive) -> None:
    source = make.tiled_full()
    put(archive, source)
    numbers = [2, 9, 18, 24]
    _, _, kept = get(door, naming("FRAME", source.SOPInstanceUID, simple=numbers), (make.WHOLE_SLIDE, EXPLICIT_LE))
    (made,) = map(read, kept)
    assert made.DimensionOrganizationType == "TILED_SPARSE"
    assert made.PixelData == b"".join(frame_bytes(source, number) for number in numbers)
    said = []
    for group in made.PerFrameFunctionalGroupsSequence:
        place = group.PlanePositionSlideSequence[0]
        said.append(
            (
                group.OpticalPathIdentificationSequence[0].OpticalPathIdentifier,
                place.ColumnPositionInTotalImagePixelMatrix,
                place.RowPositionInTotalImagePixelMatrix,
                place.XOffsetInSlideCoordinateSystem,
                place.YOffsetInSlideCoordinateSystem,
                place.ZOffsetInSlideCoordinateSystem,
            )
        )
    everywhere = list(iter_tiled_full_frame_data(source))
    expected = [
        (("DAPI", "FITC")[channel - 1], column, row, pytest.approx(x), pytest.approx(y), pytest.approx(z))
        for channel, _, column, row, x, y, z in (everywhere[number - 1] for number in numbers)
    ]
    assert said == expected
    assert [item.DimensionIndexPointer for item in made.DimensionIndexSequence] == [
        0x0048021E,
        0x0048021F,
        0x0040074A,
        0x00480106,
    ]
    values = [group.FrameContentSequence[0].DimensionIndexValues for group in made.PerFrameFunctionalGroupsSequence]
    assert [list(each) for each in values] == [[1, 1, 1, 1], [2, 1, 2, 1], [2, 2, 1, 2], [2, 2, 2, 2]]


def test_tiles_of_a_concatenation_are_counted_from_its_beginning(door: Door, archive: Archive) -> None:
    part = {"ConcatenationUID": "2.25.7", "ConcatenationFrameOffsetNumber": 6, "NumberOfFrames": 6}
    source = make.tiled_full(**part, PixelData=make.ramp(6 * 16))
    put(archive, source)
    _, _, kept = get(door, naming("FRAME", source.SOPInstanceUID, simple=[2]), (make.WHOLE_SLIDE, EXPLICIT_LE))
    (group,) = read(kept[0]).PerFrameFunctionalGroupsSequence
    place = group.PlanePositionSlideSequence[0]
    assert (place.ColumnPositionInTotalImagePixelMatrix, place.ZOffsetInSlideCoordinateSystem) == (5, 0.002)


KEYS_EVERY_TEN = {"g": "10", "keyint_min": "10", "sc_threshold": "0"}
MPEG2_KEYS_EVERY_TEN = {"g": "10", "sc_threshold": "1000000000"}
X265_KEYS_EVERY_TEN = {"x265-params": "keyint=10:min-keyint=10:scenecut=0:log-level=none"}


def stream_of(ds: Dataset) -> bytes:
    return next(generate_frames(ds.PixelData, number_of_frames=1))


@pytest.mark.parametrize(
    ("container", "codec", "syntax", "options", "begin"),
    [
        ("mp4", "libx264", moving.H264, KEYS_EVERY_TEN, 11),
        ("mpegts", "libx264", moving.H264, KEYS_EVERY_TEN, 11),
        ("mp4", "libx265", moving.H265, X265_KEYS_EVERY_TEN, 11),
        ("mpegts", "libx265", moving.H265, X265_KEYS_EVERY_TEN, 11),
        ("vob", "mpeg2video", moving.MPEG2, MPEG2_KEYS_EVERY_TEN, 11),
        ("mpeg2video", "mpeg2video", moving.MPEG2, MPEG2_KEYS_EVERY_TEN, 11),
        # Two frames that are shown before the second key frame are decoded behind it: it is the 13th.
        ("mpegts", "mpeg2video", moving.MPEG2, {**MPEG2_KEYS_EVERY_TEN, "bf": "2"}, 13),
    ],
)
def test_a_time_of_a_video_is_cut_out_from_key_frame_on(
    door: Door, archive: Archive, container: str, codec: str, syntax: str, options: dict[str, str], begin: int
) -> None:
    stream = moving.video(container, codec, frames=40, options=options)
    source = moving.instance(stream, frames=40)
    put(archive, source, syntax)
    named = naming("FRAME", source.SOPInstanceUID, times=[0.5, 0.72])  # frames 14 to 19, of 40 ms
    status, _, kept = get(door, named, (source.SOPClassUID, syntax))
    (made,) = map(read, kept)
    cut, whole = moving.frames_of(stream_of(made)), moving.frames_of(stream)[begin - 1 :]
    assert (status, made.NumberOfFrames, made.FrameDelay) == (c.SUCCESS, len(cut), (begin - 1) * 40)
    assert 19 <= begin - 1 + len(cut) <= 23
    for (at_s, shown), (then_s, expected) in zip(cut, whole, strict=False):
        assert (shown == expected).all()
        assert at_s - cut[0][0] == pytest.approx(then_s - whole[0][0], abs=0.002)
    (item,) = made.FrameExtractionSequence
    assert list(item.TimeRange) == [0.5, 0.72]


def test_sound_of_that_time_comes_along_with_a_video(door: Door, archive: Archive) -> None:
    stream = moving.video(frames=40, options=KEYS_EVERY_TEN, has_sound=True)
    source = moving.instance(stream, frames=40)
    put(archive, source, moving.H264)
    named = naming("FRAME", source.SOPInstanceUID, times=[0.8, 1.1])
    _, _, kept = get(door, named, (source.SOPClassUID, moving.H264))
    heard = moving.loudness_of(stream_of(read(kept[0])))
    there = dict(moving.loudness_of(stream))
    middle_s, loud = heard[len(heard) // 2]
    (nearest,) = (value for at, value in there.items() if abs(at - 0.8 - middle_s) < 0.011)
    assert loud == pytest.approx(nearest, abs=0.06)
    assert 0.28 <= heard[-1][0] <= 0.42


@pytest.mark.parametrize(
    ("frames", "given"),
    [([*range(11, 21)], 10), ([*range(31, 41)], 10), ([12, 13], 0), ([11, 13, 15], 0), ([11, 12, 13, 14, 15, 16], 0)],
)
def test_a_list_of_frames_of_a_video_is_given_only_where_nothing_is_encoded_anew(
    door: Door, archive: Archive, frames: list[int], given: int
) -> None:
    stream = moving.video(frames=40, options={**KEYS_EVERY_TEN, "bf": "2"})
    source = moving.instance(stream, frames=40)
    put(archive, source, moving.H264)
    named = naming("FRAME", source.SOPInstanceUID, simple=frames)
    status, last, kept = get(door, named, (source.SOPClassUID, moving.H264))
    if given:
        assert (status, read(kept[0]).NumberOfFrames) == (c.SUCCESS, given)
    else:
        assert (status, kept) == (0xAA02, [])
        assert last.text(c.ERROR_COMMENT)


@pytest.mark.parametrize(
    ("stream", "frames"),
    [
        (moving.video("h264"), 6),  # it does not say at what time its frames are shown
        (moving.video(), 7),
        (b"no video", 6),
    ],
    ids=["bare", "another number of frames", "none"],
)
def test_a_video_that_cannot_be_cut_is_aa02(door: Door, archive: Archive, stream: bytes, frames: int) -> None:
    source = moving.instance(stream, frames=frames)
    put(archive, source, moving.H264)
    named = naming("FRAME", source.SOPInstanceUID, times=[0.0, 0.1])
    assert get(door, named, (source.SOPClassUID, moving.H264))[0] == 0xAA02


def overlaid() -> Dataset:
    ds = make.multi_frame(3)
    ds.add_new(0x60000015, "IS", 3)
    return ds


@pytest.mark.parametrize(
    ("source", "frames", "status"),
    [
        (make.multi_frame(3), {"simple": [4, 5]}, 0xAA00),
        (make.ct_slice(), {"simple": [1]}, 0xAA01),
        (make.multi_frame(3, DimensionOrganizationType="TILED_FULL"), {"simple": [1]}, 0xAA01),
        (make.tiled_full(TotalPixelMatrixColumns=13), {"simple": [1]}, 0xAA01),
        (overlaid(), {"simple": [1]}, 0xAA02),
        (make.multi_frame(3, FrameTime=None), {"times": [0.0, 1.0]}, 0xAA03),
        (make.multi_frame(3), {}, 0xAA04),
        (make.multi_frame(3), {"simple": [1], "times": [0.0, 1.0]}, 0xAA04),
        (make.multi_frame(3), {"simple": [2, 1]}, 0xAA04),
        (make.multi_frame(3), {"calculated": [1, 3, 0]}, 0xAA04),
        (make.multi_frame(3), {"calculated": [1, 3]}, 0xAA04),
    ],
)
def test_frames_that_cannot_be_had_have_their_status(
    door: Door, archive: Archive, source: Dataset, frames: dict[str, Any], status: int
) -> None:
    put(archive, source)
    named = naming("FRAME", source.SOPInstanceUID, **frames)
    answered, last, kept = get(door, named, (str(source.SOPClassUID), EXPLICIT_LE))
    assert (answered, kept) == (status, [])
    assert last.text(c.ERROR_COMMENT)


def test_frames_are_moved_to_a_peer(door: Door, archive: Archive, scp: Callable[..., Scp]) -> None:
    listening, source = scp(), make.multi_frame(3)
    put(archive, source)
    add_peer(archive, "DEST", listening.port, ask_commitment=True)
    with door.ask((MOVE, IMPLICIT_LE)) as association:
        answers = list(association.move(MOVE, naming("FRAME", source.SOPInstanceUID, simple=[2]), "DEST"))
    assert answers[-1][0] == c.SUCCESS
    assert read(listening.stored[0]).PixelData == frame_bytes(source, 2)
    rows, _ = audit.read(archive, action="retrieve")
    assert [(row.outcome, row.study_instance_uid, row.count) for row in rows] == [
        ("success", source.StudyInstanceUID, 1)
    ]


# ------------------------------------------------------------------------------------------------- without bulk


def test_pynetdicom_gets_all_but_the_pixels_of_a_compressed_instance(door: Door, archive: Archive) -> None:
    source = make.rle(make.multi_frame(3, PatientName="Müller^Änne"))
    put(archive, source, make.RLE)
    came: list[Dataset] = []

    def take(event: Any) -> int:
        came.append(event.dataset)
        return 0

    ae = AE("TEST")
    ae.add_requested_context(WITHOUT_BULK)
    ae.add_requested_context(source.SOPClassUID, IMPLICIT_LE)
    association = ae.associate(
        "127.0.0.1",
        door.port,
        ae_title="FILMLESS",
        ext_neg=[build_role(source.SOPClassUID, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, take)],
    )
    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.SOPInstanceUID = "IMAGE", source.SOPInstanceUID
    statuses = [status.Status for status, _ in association.send_c_get(identifier, WITHOUT_BULK)]
    association.release()
    assert statuses[-1] == 0
    expected = {element.tag: element.value for element in source if element.keyword != "PixelData"}
    assert {element.tag: element.value for element in came[0]} == expected


def waveform() -> Dataset:
    ds = make.instance(WAVEFORM, Modality="ECG")
    group = Dataset()
    group.WaveformBitsAllocated = 16
    group.NumberOfWaveformChannels = 1
    group.add_new(0x54001010, "OW", b"\1\0\2\0")
    ds.WaveformSequence = [group]
    return ds


def document() -> Dataset:
    ds = make.instance(ENCAPSULATED_PDF, MIMETypeOfEncapsulatedDocument="application/pdf", DocumentTitle="Report")
    ds.EncapsulatedDocument = b"%PDF-1.4"
    return ds


def overlay() -> Dataset:
    ds = make.ct_slice()
    ds.add_new(0x60000010, "US", 4)
    ds.add_new(0x60003000, "OW", b"\xff\xff")
    return ds


@pytest.mark.parametrize("source", [waveform(), document(), overlay()], ids=["waveform", "document", "overlay"])
def test_bulk_data_of_every_kind_are_left_out(door: Door, archive: Archive, source: Dataset) -> None:
    put(archive, source)
    named = naming("IMAGE", source.SOPInstanceUID)
    status, _, kept = get(door, named, (str(source.SOPClassUID), EXPLICIT_LE), model=WITHOUT_BULK)
    assert status == c.SUCCESS
    given = read(kept[0])
    tags = {element.tag for element in given.iterall()}
    left_out = {element.tag for element in source.iterall()} - tags
    assert {int(tag) for tag in left_out} <= {0x54001010, 0x00420011, 0x60003000, 0x7FE00010}
    assert left_out
    assert given.SOPInstanceUID == source.SOPInstanceUID


def test_a_peer_that_takes_compressed_instances_only_gets_the_rest_too(door: Door, archive: Archive) -> None:
    source = make.rle()
    put(archive, source, make.RLE)
    named = naming("IMAGE", source.SOPInstanceUID)
    status, _, kept = get(door, named, (str(source.SOPClassUID), make.RLE), model=WITHOUT_BULK)
    assert (status, kept[0].request.transfer_syntax_uid) == (c.SUCCESS, make.RLE)
    assert "PixelData" not in read(kept[0])
