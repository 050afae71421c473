"""What browsers tell of how soon they showed a study."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY
from starlette.testclient import TestClient


def total(phase: str, what: str) -> float:
    return REGISTRY.get_sample_value(f"filmless_viewer_opening_seconds_{what}", {"phase": phase}) or 0.0


def test_an_opening_is_counted_by_phase(administrator: TestClient) -> None:
    before = {phase: (total(phase, "count"), total(phase, "sum")) for phase in ("first_image", "engine_ready")}

    answer = administrator.post("/openings", json={"metadataReadMs": 120.5, "firstImageMs": 800})

    assert answer.status_code == 204
    assert total("first_image", "count") - before["first_image"][0] == 1
    assert total("first_image", "sum") - before["first_image"][1] == pytest.approx(0.8)
    assert total("engine_ready", "count") == before["engine_ready"][0]


@pytest.mark.parametrize("body", [{}, {"firstImageMs": -1}, {"firstImageMs": 1e9}, {"firstImageMs": 1, "patient": "X"}])
def test_what_is_no_opening_is_refused(administrator: TestClient, body: dict[str, object]) -> None:
    assert administrator.post("/openings", json=body).status_code == 422
