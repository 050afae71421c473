"""The codes and attributes by which a hanging protocol (PS3.3 C.23) says what ours say."""

from __future__ import annotations

from typing import Final

REGION_CODES: Final[dict[str, tuple[str, str]]] = {
    "head": ("69536005", "Head"),
    "neck": ("45048000", "Neck"),
    "chest": ("816094009", "Chest"),
    "heart": ("80891009", "Heart"),
    "breast": ("76752008", "Breast"),
    "abdomen": ("818981001", "Abdomen"),
    "pelvis": ("816092008", "Pelvis"),
    "spine": ("421060004", "Spine"),
    "shoulder": ("16982005", "Shoulder"),
    "elbow": ("16953009", "Elbow joint"),
    "hand": ("85562004", "Hand"),
    "hip": ("29836001", "Hip"),
    "knee": ("72696002", "Knee"),
    "foot": ("56459004", "Foot"),
    "leg": ("30021000", "Lower leg"),
    "whole body": ("38266002", "Entire body"),
}
"""Regions as SNOMED CT codes with their meanings (PS3.16 CID 4, 4031)."""

OTHER_REGION_CODES: Final = {"51185008": "chest", "24136001": "hip", "12738006": "head", "61685007": "leg"}
"""Codes that others write for the same."""

VIEW_CODES: Final[dict[str, tuple[str, str]]] = {
    "CC": ("399162004", "cranio-caudal"),
    "MLO": ("399368009", "medio-lateral oblique"),
    "ML": ("399260004", "medio-lateral"),
    "LM": ("399352003", "latero-medial"),
    "LMO": ("399099002", "latero-medial oblique"),
    "FB": ("399196006", "caudo-cranial"),
    "PA": ("272479007", "postero-anterior"),
    "AP": ("399348003", "antero-posterior"),
    "LATERAL": ("399067008", "lateral"),
}
"""Views as SNOMED CT codes (PS3.16 CID 4010, 4014)."""

IMAGE_PLANES: Final = {"axial": "TRANSVERSE", "coronal": "CORONAL", "sagittal": "SAGITTAL", "oblique": "OBLIQUE"}
"""Planes as IMAGE_PLANE filters (PS3.3 C.23.3.1.1) and Reformatting Operation Initial View Direction name them."""

VOI_TYPES: Final[dict[str, tuple[float, float]]] = {
    "SOFT_TISSUE": (40, 400),
    "LUNG": (-600, 1500),
    "MEDIASTINUM": (50, 350),
    "BONE": (480, 2500),
    "BRAIN": (40, 80),
    "LIVER": (60, 160),
    "ABDO_PELVIS": (40, 350),
    "POST_FOSSA": (40, 120),
}
"""Windows that VOI Type (0072,0702) names in words only: center, width. The first six are the viewer's own."""

RENDERING_TYPES: Final[dict[str, tuple[str, ...]]] = {
    "": ("VOLUME",),
    "ctBone": ("VOLUME", "CT_BONE"),
    "ctVessels": ("VOLUME", "CT_VESSELS"),
    "ctSoft": ("VOLUME", "CT_SOFT_TISSUE"),
    "ctLung": ("VOLUME", "CT_LUNG"),
    "mr": ("VOLUME", "MR"),
    "petMip": ("MIP",),
}
"""Presets of a rendering as 3D Rendering Type (0072,0520): a Defined Term, then a sub-type of ours."""

MIP_SLAB: Final = ("MIP", "SLAB")
"""A maximum intensity projection through a slab: SLAB has no word for it, and MIP has a sub-type."""

SPECIAL_WEIGHTINGS: Final = ("diffusion", "adc")

TIMES: Final[dict[str, tuple[tuple[str, str, tuple[float, ...]], ...]]] = {
    "t1": (("RepetitionTime", "LESS_OR_EQUAL", (1200,)), ("EchoTime", "LESS_THAN", (40,))),
    "t2": (("RepetitionTime", "GREATER_OR_EQUAL", (1500,)), ("EchoTime", "GREATER_OR_EQUAL", (60,))),
    "pd": (("RepetitionTime", "GREATER_OR_EQUAL", (1500,)), ("EchoTime", "LESS_THAN", (60,))),
    "flair": (("InversionTime", "GREATER_OR_EQUAL", (1500,)), ("EchoTime", "GREATER_OR_EQUAL", (60,))),
    "stir": (("InversionTime", "RANGE_INCL", (80, 260)), ("RepetitionTime", "GREATER_OR_EQUAL", (1500,))),
    "diffusion": (("DiffusionBValue", "GREATER_THAN", (0,)),),
}
"""Weightings of MR as filters by attribute: attribute, operator, values. What they leave open the viewer decides."""
