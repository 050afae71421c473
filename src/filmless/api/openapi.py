"""The OpenAPI document, from which the client of the screen is made. Needs no archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from filmless.api.models.base import Problem

if TYPE_CHECKING:
    from fastapi import FastAPI

    from filmless.archive import Archive


def document(archive: Archive | None = None) -> dict[str, Any]:
    """Describe the API."""
    from filmless.api.app import create_api

    return create_api(archive).openapi()


def describe(app: FastAPI) -> dict[str, Any]:
    """Describe an application: FastAPI's document, with our errors, the two ways to be known, and no made-up titles."""
    if app.openapi_schema is None:
        told = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            servers=app.servers,
        )
        components = told["components"]
        components["schemas"] |= _schemas_of_problem()
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "An API token."},
            "session": {"type": "apiKey", "in": "cookie", "name": "filmless_session"},
        }
        told["security"] = [{"token": []}, {"session": []}]
        _drop_titles(told)
        app.openapi_schema = told
    return app.openapi_schema


def _schemas_of_problem() -> dict[str, Any]:
    schema = Problem.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), "Problem": schema}


def _drop_titles(node: Any) -> None:
    """Pydantic titles every field by its name once more; only words that somebody wrote are worth reading."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str) and ("type" in node or "anyOf" in node or "$ref" in node):
            del node["title"]
        for value in node.values():
            _drop_titles(value)
    elif isinstance(node, list):
        for value in node:
            _drop_titles(value)
