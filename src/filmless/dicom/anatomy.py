"""Which part of the body a text or a code speaks of: Body Part Examined, descriptions, protocol names.

Modalities write freely, in two languages here, and abbreviate; the words of one region are told apart from those that
merely begin like them by whole words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

REGIONS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(words.split())
    for name, words in {
        "head": "head brain skull cranium cranial cerebral neuro schaedel kopf hirn sinus orbit orbita face "
        "pituitary iac temporal cct",
        "neck": "neck hals carotid larynx thyroid schilddruese cervical",
        "chest": "chest thorax lung lungs lunge pulmonary mediastinum rib ribs rippen sternum",
        "heart": "heart cardiac coronary herz kardio aorta",
        "breast": "breast mammo mammography mammographie mamma brust",
        "abdomen": "abdomen abdominal abdpel liver leber kidney niere renal pancreas pankreas spleen milz bowel darm "
        "stomach",
        "pelvis": "pelvis pelvic becken abdpel prostate prostata bladder uterus ovary rectum rektum sacrum",
        "spine": "spine spinal cspine tspine lspine tlspine lumbar thoracic hws bws lws wirbelsaeule vertebra "
        "scoliosis cervicalspine lumbosacral",
        "shoulder": "shoulder schulter clavicle scapula humerus ac",
        "elbow": "elbow ellbogen ellenbogen forearm unterarm radius ulna",
        "hand": "hand wrist finger fingers thumb handgelenk carpal",
        "hip": "hip huefte femur oberschenkel thigh",
        "knee": "knee knie patella",
        "foot": "foot ankle toe toes fuss sprunggelenk calcaneus",
        "leg": "leg tibia fibula unterschenkel calf lowerlimb extremity",
        "whole body": "wholebody ganzkoerper wb torso trunk",
    }.items()
}

NEIGHBOURS: Final[frozenset[frozenset[str]]] = frozenset(
    frozenset(pair)
    for pair in (
        ("head", "neck"),
        ("neck", "chest"),
        ("neck", "spine"),
        ("chest", "heart"),
        ("chest", "abdomen"),
        ("chest", "breast"),
        ("chest", "spine"),
        ("abdomen", "pelvis"),
        ("abdomen", "spine"),
        ("pelvis", "hip"),
        ("hip", "leg"),
        ("knee", "leg"),
        ("foot", "leg"),
    )
)
"""Regions of which an examination of one usually shows some of the other."""

_SIDES: Final = {
    "L": frozenset(["l", "left", "li", "links", "lt"]),
    "R": frozenset(["r", "right", "re", "rechts", "rt"]),
}
_WORD: Final = re.compile(r"[^\W\d_]+")


def words_of(text: str) -> list[str]:
    """Split into words of small letters without marks: Schädel is schaedel."""
    spelled = text.casefold().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    plain = unicodedata.normalize("NFKD", spelled)
    return _WORD.findall("".join(char for char in plain if not unicodedata.combining(char)))


def regions_in(texts: Iterable[str]) -> frozenset[str]:
    """Name the regions that texts speak of."""
    words = {word for text in texts for word in words_of(text)}
    return frozenset(name for name, known in REGIONS.items() if words & known)


def sides_in(lateralities: Iterable[str], texts: Iterable[str]) -> frozenset[str]:
    """Name the sides, L and R: as coded, or else as the texts say.

    References: PS3.3 C.7.3.1.1.1 (Laterality); B is both.
    """
    coded = {side for each in lateralities for side in ("LR" if each == "B" else each) if side in _SIDES}
    if coded:
        return frozenset(coded)
    words = {word for text in texts for word in words_of(text)}
    return frozenset(side for side, known in _SIDES.items() if words & known)


def are_neighbours(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether what was examined lies side by side, or one of the two was the whole body."""
    first, second = frozenset(one), frozenset(other)
    if not first or not second:
        return False
    if "whole body" in first | second:
        return True
    return any(frozenset((a, b)) in NEIGHBOURS for a in first for b in second)
