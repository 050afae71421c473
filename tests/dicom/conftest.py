from __future__ import annotations

import pytest

from real_files import pydicom_file


@pytest.fixture(scope="session")
def ct_small() -> bytes:
    """A CT of 1999 with 258 elements, many of them private."""
    return pydicom_file("CT_small.dcm").read_bytes()
