"""What all bodies have in common: names in camelCase, and how the values of the tables become those of the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel


def text_of(value: Any) -> Any:
    """Read absent text as empty."""
    return "" if value is None else value


def words(value: Any) -> Any:
    """Read a set of words in order."""
    return sorted(value) if isinstance(value, frozenset | set) else value


def modalities_of(value: Any) -> Any:
    """Read the backslash-joined text of the tables."""
    if isinstance(value, str):
        return [part for part in value.split("\\") if part]
    return [] if value is None else value


def name_groups(value: Any) -> Any:
    """Read a PN as text: alphabetic=ideographic=phonetic (PS3.5 6.2.1)."""
    if value is None or isinstance(value, str):
        groups = [*(value or "").split("="), "", "", ""]
        return {"alphabetic": groups[0], "ideographic": groups[1], "phonetic": groups[2]}
    return value


Text = Annotated[str, BeforeValidator(text_of)]
Role = Literal["administrator", "radiologist", "technologist", "clinician"]
Right = Literal["echo", "query", "view", "retrieve", "store", "commit", "send", "worklist", "delete", "administer"]
Service = Literal["echo", "store", "query", "retrieve", "commit", "worklist"]
JobState = Literal["waiting", "running", "parked", "done", "cancelled"]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Password = Annotated[str, Field(min_length=1, max_length=1024)]
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Answer(BaseModel):
    """What we send."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        from_attributes=True,
        json_schema_serialization_defaults_required=True,
    )


class Request(BaseModel):
    """What we are sent; a field that we do not know is an error, not a wish ignored."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid")


class ProblemField(Answer):
    """One field of a request that was not understood."""

    field: str
    message: str


class Problem(Answer):
    """An answer that is an error (RFC 9457): `detail` is a sentence for the person at the screen."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str
    errors: list[ProblemField] | None = None
