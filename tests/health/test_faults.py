"""Every fault has words that say something, and a line in the documentation with a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from filmless.health.faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "tests/" in line]


@pytest.mark.parametrize("code", sorted(FAULTS))
def test_every_fault_is_documented(code: str) -> None:
    assert any(f"`{code}`" in row for row in ROWS), f"docs/operating.md, When something breaks, lacks {code}"
    fault = FAULTS[code]
    assert fault.level in {"warning", "problem"}
    assert all(text.endswith(".") for text in (fault.title, fault.means, fault.what_to_do))


def test_every_row_names_tests_that_exist() -> None:
    named = [pair for row in ROWS for pair in re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", row)]
    assert len(named) > 20
    for file, test in named:
        path = ROOT / file
        assert path.exists(), file
        assert not test or f"def {test}(" in path.read_text(encoding="utf-8"), f"{file}::{test}"
