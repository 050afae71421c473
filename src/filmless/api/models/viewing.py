"""Bodies of the reading room: preferences."""

from __future__ import annotations

from pydantic import JsonValue

from filmless.api.models.base import Answer, Request


class Preferences(Answer):
    """What a person has set, by name; what is not there is as Filmless does it by itself."""

    values: dict[str, JsonValue]


class Preference(Request):
    """The new value of one preference."""

    value: JsonValue
