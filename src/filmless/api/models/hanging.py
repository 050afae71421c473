"""Bodies of hanging protocols: what tells the series of a study apart, and by which rule they hang."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, JsonValue

from filmless.api.models.base import Answer, Text, words

Words = Annotated[list[str], BeforeValidator(words)]


class HangingCode(Answer):
    """A coded concept."""

    value: str
    scheme: Text
    meaning: Text


class SampledSeries(Answer):
    """A series and some of its instances, as DICOM JSON with only what tells series apart."""

    series_instance_uid: str
    modality: Text
    number_of_instances: int
    samples: list[dict[str, JsonValue]]


class HangingSubject(Answer):
    """What a study is about, and its series."""

    study_instance_uid: str
    modalities: Words
    regions: Words
    sides: Words
    procedures: list[HangingCode]
    series: list[SampledSeries]
