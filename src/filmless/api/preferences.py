"""What a person has set for themselves: kept with the person, so that it is there in every browser."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from filmless.access import preferences
from filmless.api.callers import Here, Viewer
from filmless.api.models import viewing as models

router = APIRouter(tags=["preferences"])

Name = Annotated[str, Path(alias="name", min_length=1, max_length=40)]


@router.get("/preferences")
def get_preferences(archive: Here, principal: Viewer) -> models.Preferences:
    """Give all that the caller has set, by name."""
    return models.Preferences(values=preferences.read(archive, principal))


@router.put("/preferences/{name}", status_code=204)
def put_preference(archive: Here, principal: Viewer, name: Name, body: models.Preference) -> None:
    """Keep one preference, in place of what it was."""
    preferences.write(archive, principal, name, body.value)


@router.delete("/preferences/{name}", status_code=204)
def reset_preference(archive: Here, principal: Viewer, name: Name) -> None:
    """Forget one preference: what Filmless does by itself holds again."""
    preferences.reset(archive, principal, name)
