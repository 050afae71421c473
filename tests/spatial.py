"""A Comprehensive 3D SR by highdicom: shapes in space, about the plane z = 12 of `make.ct_slice`."""

from __future__ import annotations

import numpy as np
from highdicom.sr import (
    CodedConcept,
    Comprehensive3DSR,
    CoordinatesForMeasurement3D,
    GraphicTypeValues3D,
    ImageRegion3D,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    SourceImageForSegmentation,
    TrackingIdentifier,
    VolumeSurface,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

import make

SHAPES_3D = {
    "Line": [(-80, -80, 12), (-50, -80, 12)],
    "Seed": [(-60, -60, 12)],
    "Vessel": [(-90, -70, 12), (-80, -65, 12), (-70, -70, 12), (-60, -50, 12)],
    "Area": [(-40, -40, 12), (-32, -40, 12), (-32, -32, 12), (-40, -32, 12), (-40, -40, 12)],
    "Oval": [(-20, -40, 12), (0, -40, 12), (-10, -44, 12), (-10, -36, 12)],
    "Ball": [(-10, 0, 12), (10, 0, 12), (0, -6, 12), (0, 6, 12), (0, 0, 4), (0, 0, 20)],
}
"""Points in mm of the patient. The ball is an ellipsoid of 20, 12 and 16 mm about (0, 0, 12)."""

_LENGTH = ("410668003", "SCT", "Length")
_AREA = ("42798000", "SCT", "Area")
_MM, _MM2 = ("mm", "UCUM", "millimeter"), ("mm2", "UCUM", "square millimeter")


def _code(value: str, scheme: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, scheme, meaning)


def _array(label: str) -> np.ndarray:
    return np.array(SHAPES_3D[label], float)


def _tracking(label: str) -> TrackingIdentifier:
    return TrackingIdentifier(uid=make.uid(), identifier=label)


def _measured(label: str, kind: GraphicTypeValues3D, value: float, frame_of_reference: str) -> Measurement:
    place = CoordinatesForMeasurement3D(kind, _array(label), frame_of_reference)
    return Measurement(_code(*_LENGTH), value, _code(*_MM), referenced_coordinates=[place])


def in_space(image: Dataset) -> Dataset:
    """A report about an image: two lengths, a point, an area, an ellipse and an ellipsoid in its Frame of Reference."""
    place = image.FrameOfReferenceUID
    groups = [
        MeasurementsAndQualitativeEvaluations(_tracking(label), measurements=[_measured(label, kind, value, place)])
        for label, kind, value in (
            ("Line", GraphicTypeValues3D.POLYLINE, 30.0),
            ("Seed", GraphicTypeValues3D.POINT, 0.0),
            ("Vessel", GraphicTypeValues3D.POLYLINE, 41.2),
        )
    ]
    groups += [
        PlanarROIMeasurementsAndQualitativeEvaluations(
            _tracking(label),
            referenced_region=ImageRegion3D(kind, _array(label), place),
            measurements=[Measurement(_code(*_AREA), value, _code(*_MM2))],
        )
        for label, kind, value in (
            ("Area", GraphicTypeValues3D.POLYGON, 64.0),
            ("Oval", GraphicTypeValues3D.ELLIPSE, 62.83),
        )
    ]
    groups.append(
        VolumetricROIMeasurementsAndQualitativeEvaluations(
            _tracking("Ball"),
            referenced_volume_surface=VolumeSurface(
                GraphicTypeValues3D.ELLIPSOID,
                [_array("Ball")],
                place,
                source_images=[SourceImageForSegmentation(image.SOPClassUID, image.SOPInstanceUID)],
            ),
        )
    )
    person = PersonObserverIdentifyingAttributes(name="Other^Otto")
    content = MeasurementReport(
        ObservationContext(ObserverContext(codes.DCM.Person, person)),
        procedure_reported=_code("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    report = Comprehensive3DSR(
        evidence=[image],
        content=content,
        series_instance_uid=make.uid(),
        series_number=90,
        sop_instance_uid=make.uid(),
        instance_number=1,
        manufacturer="Other",
    )
    report.ContentDate, report.ContentTime = "20240103", "120000"
    return report
