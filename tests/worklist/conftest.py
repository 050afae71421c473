"""Callers of the worklist."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callers import principal_of
from filmless.access.principal import Principal


@pytest.fixture
def radiologist() -> Principal:
    return replace(principal_of("radiologist"), door="dicomweb")


@pytest.fixture
def clinician() -> Principal:
    return replace(principal_of("clinician", key=2), door="dicomweb")
