"""What the API does is what its OpenAPI document says, whatever it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import ASGIApp

from callers import make_person, web_of
from filmless.access import tokens
from filmless.access.principal import SYSTEM
from filmless.api.openapi import document
from filmless.archive import Archive
from filmless.config import Settings

ROOT = Path(__file__).resolve().parents[2]

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)

# One streams without end, one calls other machines.
ELSEWHERE = r"^/(events|peers/\{peerId\}/echo)$"


class Caller:
    """An administrator with a token that holds, whatever the fuzzer has revoked."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.person = make_person(archive, "Ada", "administrator")
        self.secret = ""

    def headers(self) -> dict[str, str]:
        with self.archive.reading() as session:
            holds = tokens.find_token(session, self.secret, address=None, door="api") is not None
        if not holds:
            self.secret, _ = tokens.add_token(self.archive, SYSTEM("cli"), self.person.id, name="fuzzer")
        return {"Authorization": f"Bearer {self.secret}"}


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with Archive.open(Settings(data=tmp_path_factory.mktemp("fuzzed"))) as archive:
        yield Caller(archive)


# Bytes of any kind, which the tests of films send in earnest.
schemathesis.serializer.alias("video/x-motion-jpeg", "application/octet-stream")
SCHEMA = schemathesis.openapi.from_dict(document()).exclude(path_regex=ELSEWHERE)
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]


@pytest.fixture(scope="module")
def app(caller: Caller) -> ASGIApp:
    return web_of(caller.archive)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_whatever_is_sent_the_answer_is_one_that_the_document_names(
    operation: schemathesis.APIOperation, app: ASGIApp, caller: Caller
) -> None:
    @given(case=operation.as_strategy())
    @settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def send(case: schemathesis.Case) -> None:
        case.call_and_validate(app=app, headers=caller.headers(), checks=CHECKS)

    send()


def test_the_document_in_docs_is_the_one_that_the_code_gives() -> None:
    written = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")

    assert json.loads(written) == document(), "run: filmless openapi > docs/openapi.json"


def test_every_operation_is_named_and_described() -> None:
    operations = [each for methods in document()["paths"].values() for each in methods.values()]

    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(each["description"] for each in operations)
