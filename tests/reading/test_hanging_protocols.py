"""Hanging protocols as DICOM objects: written, read back, also those that others made (PS3.3 C.23)."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset

import dciodvfy
import make
from filmless.dicom.hanging import REGION_CODES, VIEW_CODES
from filmless.errors import Refused
from filmless.reading.hanging_reading import Note, read_hanging
from filmless.reading.hanging_rules import (
    Code,
    Conditions,
    Cut,
    HungWindow,
    Links,
    Rendering,
    Rule,
    Selector,
    Viewport,
)
from filmless.reading.hanging_writing import hanging_dataset


def bytes_of(ds: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = make.EXPLICIT_LE
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.file_meta = meta
    file = io.BytesIO()
    dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


# What dciodvfy has wrong, against the tables of PS3.3.
# C.23.3-1, Filter-by Operator (0072,0406), type 1C: "Required if Filter-by Category (0072,0402) is present, or if
# Selector Attribute (0072,0026) is present and Filter-by Attribute Presence (0072,0404) is not present." The tool asks
# for it when the presence is asked for, and forbids it when it is not: `test_filters_say_what_the_table_asks_for`.
# C.23.3-1, Reformatting Thickness (0072,0512) and Interval (0072,0514), type 1C: "Required if value of Reformatting
# Operation Type (0072,0510) is SLAB or MPR. May be present otherwise." The tool forbids them with 3D_RENDERING.
# C.23.1-1, Modality (0008,0060), type 1C: "Required if Anatomic Region Sequence (0008,2218) is not present. May be
# present otherwise."; and Anatomic Region Sequence likewise: both may be there, and the tool forbids that.
MISTAKEN = (
    "Conditional Element=<FilterByOperator> Module=<HangingProtocolDisplay>",
    "Conditional Element=<Modality> Module=<HangingProtocolDefinition>",
    "Conditional Element=<AnatomicRegionSequence> Module=<HangingProtocolDefinition>",
    "Conditional Element=<ReformattingThickness> Module=<HangingProtocolDisplay>",
    "Conditional Element=<ReformattingInterval> Module=<HangingProtocolDisplay>",
)

BRAIN = Rule(
    name="Kopf mit Voraufnahme, wie ich es mag",
    layout="2x3",
    viewports=(
        Viewport(Selector(modality="MR", plane="axial", weighting="flair", has_contrast=False)),
        Viewport(Selector(modality="MR", plane="sagittal", weighting="t1", thickness=(0.5, 1.5), place=1)),
        Viewport(Selector(modality="MR", weighting="t2star", image_type=("PRIMARY", "SWI"))),
        Viewport(Selector(prior=1, modality="MR", plane="axial", weighting="flair", has_contrast=False)),
        Viewport(),
        Viewport(Selector(prior=2, modality="CT"), HungWindow(40, 80), is_inverted=True),
    ),
    when=Conditions(("MR", "CT"), ("head", "neck"), (Code("4711", "99LOCAL", "MR Schädel"),), "L", 1),
    at_least=3,
    sizing="same",
    links=Links(place=True, view=True),
)
BREASTS = Rule(
    name="Mammo",
    layout="1x4",
    viewports=tuple(
        Viewport(Selector(modality="MG", laterality=side, views=(view,)), HungWindow(1234, 2345.5))
        for view in ("CC", "MLO")
        for side in ("R", "L")
    ),
    when=Conditions(("MG",), ("breast",)),
    at_least=2,
    sizing="true",
)
PET_CT = Rule(
    name="PET/CT",
    layout="1x2",
    viewports=(Viewport(Selector(modality="CT")), Viewport(Selector(modality="PT"), None, is_inverted=True)),
    when=Conditions(("PT",)),
    links=Links(place=True, window=True),
    has_fusion=True,
)
CHEST = Rule(
    name="Thorax",
    layout="1x2",
    viewports=(Viewport(Selector(views=("PA", "AP"))), Viewport(Selector(views=("LATERAL", "XYZ")))),
    when=Conditions((), ("chest",), laterality="B"),
)
STACK = Selector(modality="CT", plane="axial")
PLANES = Rule(
    name="Ebenen",
    layout="2x3",
    viewports=(
        Viewport(STACK, reformat=Cut("axial")),
        Viewport(STACK, HungWindow(40, 400), reformat=Cut("coronal", 10, 2.5, "mean")),
        Viewport(STACK, reformat=Cut("sagittal", 20, 0, "max")),
        Viewport(STACK, reformat=Cut("coronal", 5, 5, "min")),
        Viewport(replace(STACK, prior=1), reformat=Cut("coronal", 0, 3, "max")),
        Viewport(STACK, reformat=Rendering("ctVessels")),
    ),
    when=Conditions(("CT",)),
    has_fusion=True,
)
MIP = Rule("MIP", "1x1", (Viewport(Selector(modality="PT"), reformat=Rendering("petMip")),), Conditions(("PT",)))
VOLUME = Rule("Volumen", "1x1", (Viewport(Selector(modality="MR"), reformat=Rendering()),), Conditions(("MR",)))


@pytest.mark.parametrize("rule", [BRAIN, BREASTS, PET_CT, CHEST, PLANES, MIP, VOLUME], ids=lambda rule: str(rule.name))
def test_a_rule_is_written_without_an_error_and_read_back_as_it_was(rule: Rule, tmp_path: Path) -> None:
    data = bytes_of(hanging_dataset(rule, "SINGLE_USER", "Rosalind"))
    (tmp_path / "hp.dcm").write_bytes(data)
    assert [
        error for error in dciodvfy.errors_of(tmp_path / "hp.dcm") if not any(map(error.__contains__, MISTAKEN))
    ] == []

    found = read_hanging(dcmread(io.BytesIO(data)))
    assert found.rule == rule
    assert found.notes == ()


def test_what_is_written_says_it_in_the_words_of_the_standard() -> None:
    ds = hanging_dataset(BRAIN, "SITE", "Ada")
    assert (ds.HangingProtocolLevel, ds.HangingProtocolName) == ("SITE", "Kopf mit Voraufn")
    assert ds.NumberOfPriorsReferenced == 2
    pairs = [(item.Modality, item.AnatomicRegionSequence[0].CodeValue) for item in ds.HangingProtocolDefinitionSequence]
    assert pairs == [(each, REGION_CODES[region][0]) for each in ("MR", "CT") for region in ("head", "neck")]
    # FLAIR of the current study and of the first prior are one image set at two times; T1 is another filter on it.
    sets = [[time.ImageSetNumber for time in item.TimeBasedImageSetsSequence] for item in ds.ImageSetsSequence]
    assert sets == [[1, 2], [3], [4]]
    assert ds.ImageSetsSequence[0].TimeBasedImageSetsSequence[1].AbstractPriorValue == [1, 1]
    assert [item.ImageSetNumber for item in ds.DisplaySetsSequence] == [1, 1, 3, 2, 4]
    second = ds.DisplaySetsSequence[1]
    assert list(second.ImageBoxesSequence[0].DisplayEnvironmentSpatialPosition) == pytest.approx([1 / 3, 1, 2 / 3, 0.5])
    said = [
        (each.get("FilterByCategory") or each.SelectorAttribute, each.FilterByOperator)
        for each in second.FilterOperationsSequence
    ]
    assert said == [
        ("IMAGE_PLANE", "MEMBER_OF"),
        (0x00180050, "RANGE_INCL"),
        (0x00180080, "LESS_OR_EQUAL"),
        (0x00180081, "LESS_THAN"),
    ]
    assert ds.DisplaySetsSequence[-1].VOIType == "BRAIN"
    assert list(ds.SynchronizedScrollingSequence[0].DisplaySetScrollingGroup) == [1, 2, 3, 4, 5]


def test_planes_and_volumes_are_said_in_the_words_of_the_standard() -> None:
    """PS3.3 table C.23.3-1: thickness and interval of MPR and SLAB, the direction, a type of 3D rendering."""

    def said(item: Dataset) -> tuple[Any, ...]:
        types = item.get("ThreeDRenderingType")
        return (
            item.ReformattingOperationType,
            item.get("ReformattingThickness"),
            item.get("ReformattingInterval"),
            item.ReformattingOperationInitialViewDirection,
            [types] if isinstance(types, str) else list(types or []),
        )

    ds = hanging_dataset(PLANES, "SITE", "Ada")
    assert [said(item) for item in ds.DisplaySetsSequence] == [
        # A voxel has no mm before the images are known: a nominal one, and the truth in the private element.
        ("MPR", 1.0, 1.0, "TRANSVERSE", []),
        ("MPR", 10.0, 2.5, "CORONAL", []),
        ("3D_RENDERING", 20.0, 20.0, "SAGITTAL", ["MIP", "SLAB"]),
        ("MPR", 5.0, 5.0, "CORONAL", []),
        ("MPR", 1.0, 3.0, "CORONAL", []),
        ("3D_RENDERING", None, None, "CORONAL", ["VOLUME", "CT_VESSELS"]),
    ]
    assert {item.BlendingOperationType for item in ds.DisplaySetsSequence} == {"COLOR"}
    (mip,) = hanging_dataset(MIP, "SITE", "Ada").DisplaySetsSequence
    assert said(mip) == ("3D_RENDERING", None, None, "CORONAL", ["MIP"])


@pytest.mark.parametrize(
    ("said", "wanted", "notes"),
    [
        (
            {"Type": "MPR", "Thickness": 3.0, "Interval": 1.5, "InitialViewDirection": "SAGITTAL"},
            ("sagittal", 3, 1.5),
            [],
        ),
        (
            {"Type": "SLAB", "Thickness": 300.0, "Interval": 9.0, "InitialViewDirection": "CORONAL"},
            ("coronal", 100, 9),
            [],
        ),
        ({"Type": "MPR", "InitialViewDirection": "OBLIQUE"}, None, [Note("reformatting", "MPR")]),
        ({"Type": "CPR"}, None, [Note("reformatting", "CPR")]),
        ({"Type": "3D_RENDERING", "3D": ["SURFACE"]}, None, [Note("reformatting", "3D_RENDERING\\SURFACE")]),
        ({"Type": "3D_RENDERING", "3D": ["VOLUME", "GOLDEN"]}, "", []),
        ({"Type": "3D_RENDERING", "3D": "MIP"}, "petMip", []),
    ],
)
def test_what_another_maker_reformats_is_read_as_far_as_the_viewer_can(
    said: dict[str, Any], wanted: Any, notes: list[Note]
) -> None:
    ds = hanging_dataset(replace(VOLUME, viewports=(Viewport(STACK),)), "SITE", "Ada")
    (shown,) = ds.DisplaySetsSequence
    keywords = {"Type": "OperationType", "InitialViewDirection": "OperationInitialViewDirection"}
    for name, value in said.items():
        keyword = "ThreeDRenderingType" if name == "3D" else f"Reformatting{keywords.get(name, name)}"
        setattr(shown, keyword, value)
    found = read_hanging(ds)
    reformat = found.rule.viewports[0].reformat
    expected = Rendering(wanted) if isinstance(wanted, str) else Cut(*wanted) if wanted else None
    assert (reformat, list(found.notes)) == (expected, notes)


def test_filters_say_what_the_table_asks_for() -> None:
    """PS3.3 table C.23.3-1 on Filter-by Operator and Filter-by Attribute Presence, which dciodvfy has the other way."""
    filters = [
        each
        for item in hanging_dataset(BRAIN, "SITE", "Ada").DisplaySetsSequence
        for each in item.FilterOperationsSequence
    ]
    kinds = [
        ("FilterByCategory" in each, "SelectorAttribute" in each, "FilterByAttributePresence" in each)
        for each in filters
    ]
    assert set(kinds) == {(True, False, False), (False, True, False), (False, True, True)}
    needed = [category or (attribute and not presence) for category, attribute, presence in kinds]
    assert ["FilterByOperator" in each for each in filters] == needed


def test_an_image_that_lacks_what_is_asked_for_is_not_of_the_set() -> None:
    """Image Set Selector Usage Flag (0072,0024): MATCH takes in what lacks the attribute, NO_MATCH does not."""
    items = hanging_dataset(BREASTS, "SITE", "Ada").ImageSetsSequence[0].ImageSetSelectorSequence
    assert [(each.ImageSetSelectorUsageFlag, each.SelectorAttribute) for each in items] == [
        ("NO_MATCH", 0x00080060),
        ("NO_MATCH", 0x00540220),
        ("NO_MATCH", 0x00200062),
    ]
    anything = replace(CHEST, viewports=(Viewport(Selector()), Viewport(Selector(place=1))))
    (only,) = hanging_dataset(anything, "SITE", "Ada").ImageSetsSequence[0].ImageSetSelectorSequence
    assert (only.ImageSetSelectorUsageFlag, only.SelectorAttribute) == ("MATCH", 0x00082218)
    assert only.SelectorCodeSequenceValue[0].CodeValue == REGION_CODES["chest"][0]
    assert read_hanging(hanging_dataset(anything, "SITE", "Ada")).rule == anything


def test_the_codes_are_those_of_the_standard() -> None:
    from pydicom.sr.codedict import codes

    sct = codes.SCT
    for region, name in {"head": "Head", "chest": "Chest", "breast": "Breast", "knee": "Knee", "hand": "Hand"}.items():
        assert REGION_CODES[region][0] == getattr(sct, name).value
    for view, name in {"CC": "CranioCaudal", "PA": "PosteroAnterior", "LATERAL": "LateralProjection"}.items():
        assert VIEW_CODES[view][0] == getattr(codes.cid4010, name).value


def item(**values: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def test_a_protocol_of_another_maker_is_read_as_far_as_it_can_be_said() -> None:
    """Two displays sets side by side and one on a second page, of a maker that says much more than we."""
    scheme = {"CodingSchemeDesignator": "SCT"}
    ds = item(
        HangingProtocolName="NeuroCT",
        HangingProtocolDescription="Neuro with prior",
        HangingProtocolLevel="USER_GROUP",
        HangingProtocolUserGroupName="Neuro",
        HangingProtocolDefinitionSequence=[
            item(
                Modality="CT",
                AnatomicRegionSequence=[item(CodeValue="T-A0100", CodeMeaning="Brain", CodingSchemeDesignator="SRT")],
                Laterality="",
                ProcedureCodeSequence=[],
                ReasonForRequestedProcedureCodeSequence=[item(CodeValue="1", CodeMeaning="Headache", **scheme)],
            )
        ],
        ImageSetsSequence=[
            item(
                ImageSetSelectorSequence=[
                    item(
                        ImageSetSelectorUsageFlag="MATCH",
                        SelectorAttribute=0x00080060,
                        SelectorAttributeVR="CS",
                        SelectorValueNumber=1,
                        SelectorCSValue="CT",
                    ),
                    item(
                        ImageSetSelectorUsageFlag="MATCH",
                        SelectorAttribute=0x0008103E,
                        SelectorAttributeVR="LO",
                        SelectorValueNumber=1,
                        SelectorLOValue="bone",
                    ),
                ],
                TimeBasedImageSetsSequence=[
                    item(ImageSetNumber=1, ImageSetSelectorCategory="RELATIVE_TIME", RelativeTime=[0, 0]),
                    item(ImageSetNumber=2, ImageSetSelectorCategory="RELATIVE_TIME", RelativeTime=[1, 12]),
                ],
            )
        ],
        DisplaySetsSequence=[
            item(
                DisplaySetNumber=number,
                DisplaySetPresentationGroup=group,
                ImageSetNumber=number,
                VOIType="BONE",
                ImageBoxesSequence=[
                    item(ImageBoxLayoutType=kind, DisplayEnvironmentSpatialPosition=[left, 1.0, left + 0.5, 0.0])
                ],
            )
            for number, group, left, kind in [(1, 1, 0.0, "STACK"), (2, 1, 0.5, "TILED"), (2, 2, 0.0, "STACK")]
        ],
    )
    found = read_hanging(ds)
    bone = HungWindow(480, 2500)
    assert found.rule == Rule(
        name="NeuroCT",
        layout="1x2",
        viewports=(
            Viewport(Selector(modality="CT"), bone),
            Viewport(Selector(modality="CT", prior=1), bone),
        ),
        when=Conditions(("CT",), ("head",), priors=1),
    )
    assert set(found.notes) == {
        Note("reason", "Headache"),
        Note("userGroup", "Neuro"),
        Note("selector", "SeriesDescription"),
        Note("time", "RelativeTime"),
        Note("group", "1"),
        Note("box", "TILED"),
    }


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"layout": "5x1"}, "no layout"),
        ({"viewports": (Viewport(Selector()),)}, "has 6 viewports"),
        ({"viewports": (Viewport(),) * 6}, "no viewport shows"),
        ({"when": Conditions()}, "a modality or a region"),
        ({"when": Conditions(("CT",), ("tail",))}, "no region"),
        ({"when": Conditions(("ct",))}, "no code string"),
        ({"name": "a\\b"}, "a name of 1 to 64"),
        ({"viewports": (Viewport(Selector(), HungWindow(0, 0.5)),) * 6}, "WindowWidth is 0.5"),
        ({"viewports": (Viewport(Selector(), reformat=Rendering()),) * 6}, "one volume"),
        ({"viewports": (Viewport(Selector(), reformat=Cut("axial", 101)),) * 6}, "up to 100 mm"),
        (
            {"viewports": (Viewport(Selector()),) * 5 + (Viewport(reformat=Cut("axial")),)},
            "shows nothing has no planes",
        ),
    ],
)
def test_what_could_not_hang_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        hanging_dataset(replace(BRAIN, **change), "SITE", "Ada")
