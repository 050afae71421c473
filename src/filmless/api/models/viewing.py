"""Bodies of the reading room: preferences, priors, films."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from filmless.api.models.base import Answer, Request
from filmless.api.models.reading import StudyRow


class Preferences(Answer):
    """What a person has set, by name; what is not there is as Filmless does it by itself."""

    values: dict[str, JsonValue]


class Preference(Request):
    """The new value of one preference."""

    value: JsonValue


class Reason(Answer):
    """One reason for (or, the other side, against) a prior, and what it is about."""

    kind: Literal["procedure", "modality", "related_modality", "anatomy", "near_anatomy", "side", "other_side"]
    about: str


class Prior(Answer):
    """Another study of the patient. Relevant ones are offered; a later one may be older news than it looks."""

    study: StudyRow
    score: int
    is_relevant: bool
    is_later: bool
    reasons: list[Reason]


class FilmLimits(Answer):
    """Whether films can be made here, and how long and large one may be."""

    is_possible: bool
    pictures_max: int
    side_max: int
    body_max_bytes: int
