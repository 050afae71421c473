"""What a viewport plays, as a video: pictures in, MP4 out, within limits."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import make
import moving
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.retrieve import films
from filmless.store.receive import receive

GREYS = (20, 90, 160, 230)


def jpeg(grey: int, width: int = 65, height: int = 48) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), grey, np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.fixture
def address(archive: Archive) -> str:
    image = make.ct_slice()
    receive(archive, SYSTEM("cli"), io.BytesIO(make.part10(image)))
    return f"/studies/{image.StudyInstanceUID}/films"


def test_pictures_become_a_film_with_their_greys_and_their_pace(
    clinician: TestClient, administrator: TestClient, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(films, "_PIECE_BYTES", 333)
    made = clinician.post(f"{address}?frameTimeMs=40", content=b"".join(map(jpeg, GREYS)))
    assert (made.status_code, made.headers["content-type"]) == (200, "video/mp4")
    assert made.headers["cache-control"] == "no-store"
    shown = moving.frames_of(made.content)
    assert [moment for moment, _ in shown] == [0.0, 0.04, 0.08, 0.12]
    for (_, picture), grey in zip(shown, GREYS, strict=True):
        assert picture.shape == (48, 66, 3)  # the encoder wants even sides
        assert abs(picture.astype(int) - grey).max() <= 3
    (row,) = administrator.get("/audit", params={"action": "download"}).json()["items"]
    assert (row["object"], row["detail"]) == ("film", '{"pictures": 4}')


def test_a_film_is_bounded_and_what_is_no_picture_is_refused(
    clinician: TestClient, archive: Archive, address: str
) -> None:
    settings = archive.settings
    limits = clinician.get("/films").json()
    assert limits == {
        "isPossible": True,
        "picturesMax": settings.cine_frames_max,
        "sideMax": settings.cine_side_max,
        "bodyMaxBytes": settings.film_body_max_bytes,
    }
    asked = f"{address}?frameTimeMs=40"
    too_many = clinician.post(asked, content=jpeg(9, 16, 16) * (settings.cine_frames_max + 1))
    assert (too_many.status_code, "cine_frames_max" in too_many.json()["detail"]) == (400, True)
    too_large = clinician.post(asked, content=jpeg(9, settings.cine_side_max + 2, 16))
    assert (too_large.status_code, str(settings.cine_side_max) in too_large.json()["detail"]) == (406, True)
    assert clinician.post(asked, content=jpeg(9) + jpeg(9, 32, 32)).status_code == 406
    assert clinician.post(asked, content=b"no picture" * 99).status_code == 406
    assert clinician.post(asked, content=b"").status_code == 400
    assert clinician.post(f"{address}?frameTimeMs=0", content=jpeg(9)).status_code == 422
    assert clinician.post("/studies/1.2/films?frameTimeMs=40", content=jpeg(9)).status_code == 404
    long = {"content": jpeg(9), "headers": {"Content-Length": str(settings.film_body_max_bytes + 1)}}
    assert clinician.post(asked, **long).status_code == 413


def test_without_the_encoder_a_film_is_406_and_says_what_to_install(
    clinician: TestClient, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(films, "can_read_videos", lambda: False)
    answer = clinician.post(f"{address}?frameTimeMs=40", content=jpeg(9))
    assert answer.status_code == 406
    assert "filmless[video]" in answer.json()["detail"]
