"""PS3.18 10.5: instances arrive by STOW-RS, each part judged by itself, memory flat."""

from __future__ import annotations

import asyncio
import io
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom import Dataset
from sqlalchemy import func, select
from starlette.testclient import TestClient

import make
from answers import Mounted, address, data_set_of, multipart_body, parts_of, send_streamed
from callers import principal_of
from filmless.access.principal import Principal
from filmless.access.tables import audit
from filmless.archive import Archive
from filmless.archive.tables import conflicts, instances
from filmless.errors import Unavailable
from stored import waiting_files

Store = Callable[..., Dataset]
REFERENCED, FAILED, OTHERS = "00081199", "00081198", "0008119A"


def post(client: TestClient, files: list[bytes], path: str = "/dicomweb/studies", **headers: str) -> Any:
    body, kind = multipart_body(files)
    return client.post(path, content=body, headers={"content-type": kind, **headers})


def uids_in(answer: dict[str, Any], sequence: str) -> list[str]:
    return [item["00081155"]["Value"][0] for item in answer.get(sequence, {}).get("Value", [])]


def reasons_in(answer: dict[str, Any], sequence: str) -> list[int]:
    return [item["00081197"]["Value"][0] for item in answer.get(sequence, {}).get("Value", [])]


def count(archive: Archive) -> int:
    with archive.reading() as session:
        return int(session.execute(select(func.count()).select_from(instances)).scalar_one())


def test_all_stored_is_200_with_where_to_find_them(client: TestClient, archive: Archive) -> None:
    slices = make.ct_series(3)
    response = post(client, [make.part10(ds) for ds in slices])
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/dicom+json"
    answer = response.json()
    assert uids_in(answer, REFERENCED) == [ds.SOPInstanceUID for ds in slices]
    assert answer["00081190"]["Value"] == [f"http://pacs.test{address(slices[0], 'study')}"]
    assert answer[REFERENCED]["Value"][0]["00081190"]["Value"] == [f"http://pacs.test{address(slices[0])}"]
    assert FAILED not in answer
    assert OTHERS not in answer
    assert count(archive) == 3


def test_what_was_stored_comes_back_to_the_byte(client: TestClient) -> None:
    ds = make.ct_slice()
    data = make.part10(ds)
    post(client, [data])
    accept = {"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    ((_, body),) = parts_of(client.get(address(ds), headers=accept))
    assert data_set_of(body) == data_set_of(data)


def test_some_stored_is_202_and_each_failure_has_its_reason(client: TestClient, stored: Store) -> None:
    kept = make.ct_slice()
    stored(kept)
    other = make.ct_slice(SOPInstanceUID=kept.SOPInstanceUID, PatientName="Other^One")
    good = make.ct_slice()
    response = post(client, [make.part10(good), make.part10(other), b"this is no DICOM at all"])
    assert response.status_code == 202
    answer = response.json()
    assert uids_in(answer, REFERENCED) == [good.SOPInstanceUID]
    assert uids_in(answer, FAILED) == [kept.SOPInstanceUID]
    assert reasons_in(answer, FAILED) == [0x0111]
    assert reasons_in(answer, OTHERS) == [0xC000]


def test_none_stored_is_409(client: TestClient) -> None:
    response = post(client, [b"this is no DICOM at all"])
    assert response.status_code == 409
    assert REFERENCED not in response.json()


def test_the_same_again_is_a_success_and_nothing_new(client: TestClient, archive: Archive) -> None:
    data = make.part10(make.ct_slice())
    assert post(client, [data]).status_code == 200
    assert post(client, [data, data]).status_code == 200
    assert count(archive) == 1


def test_other_bytes_under_a_known_uid_are_kept_aside(client: TestClient, archive: Archive) -> None:
    ds = make.ct_slice()
    post(client, [make.part10(ds)])
    ds.PatientName = "Changed^Since"
    assert post(client, [make.part10(ds)]).status_code == 409
    with archive.reading() as session:
        assert session.execute(select(func.count()).select_from(conflicts)).scalar_one() == 1


def test_another_study_than_the_address_names_fails_that_part_only(client: TestClient) -> None:
    right, wrong = make.ct_slice(), make.ct_slice()
    response = post(client, [make.part10(wrong), make.part10(right)], address(right, "study"))
    assert response.status_code == 202
    answer = response.json()
    assert uids_in(answer, REFERENCED) == [right.SOPInstanceUID]
    assert uids_in(answer, FAILED) == [wrong.SOPInstanceUID]
    assert reasons_in(answer, FAILED) == [0xA901]


def test_one_instance_may_come_without_multipart(client: TestClient, archive: Archive) -> None:
    ds = make.ct_slice()
    kind = {"content-type": "application/dicom"}
    assert client.post("/dicomweb/studies", content=make.part10(ds), headers=kind).status_code == 200
    assert count(archive) == 1


@pytest.mark.parametrize("transfer_syntax", make.NATIVE)
def test_all_native_syntaxes_are_stored(transfer_syntax: str, client: TestClient) -> None:
    assert post(client, [make.part10(make.ct_slice(), transfer_syntax=transfer_syntax)]).status_code == 200


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
        ('multipart/related; type="image/jpeg"; boundary=b', 415),
        ('multipart/related; type="application/dicom+xml"; boundary=b', 400),
        ('multipart/related; type="application/dicom"', 400),
        ('multipart/related; type="application/dicom"; boundary="b"', 400),
    ],
)
def test_bodies_that_are_not_read_are_refused(kind: str, status: int, client: TestClient) -> None:
    response = client.post("/dicomweb/studies", content=b"nothing", headers={"content-type": kind})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


def test_an_unquoted_type_and_a_preamble_are_read(client: TestClient) -> None:
    body = b"\r\n--xy\r\ncontent-type:application/dicom\r\n\r\n" + make.part10(make.ct_slice()) + b"\r\n--xy--"
    kind = {"content-type": "multipart/related; type=application/dicom; boundary=xy"}
    assert client.post("/dicomweb/studies", content=body, headers=kind).status_code == 200


def test_what_came_before_a_cut_is_stored(client: TestClient, archive: Archive) -> None:
    body, kind = multipart_body([make.part10(make.ct_slice()), make.part10(make.ct_slice())])
    response = client.post("/dicomweb/studies", content=body[:-400], headers={"content-type": kind})
    assert response.status_code in {202, 400}
    assert count(archive) == 1


def test_who_may_not_store_is_refused_before_the_body_is_read(archive: Archive) -> None:
    clinician = TestClient(Mounted(archive, principal_of("clinician")))
    assert post(clinician, [make.part10(make.ct_slice())]).status_code == 403
    stranger = TestClient(Mounted(archive, None))
    assert post(stranger, [make.part10(make.ct_slice())]).status_code == 401
    assert count(archive) == 0


def test_a_full_disk_is_503_and_says_when_to_come_again(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise Unavailable("no space left", retry_after_s=60)

    monkeypatch.setattr("filmless.archive.writing.Incoming.require_room", full)
    response = post(client, [make.part10(make.ct_slice())])
    assert response.status_code == 503
    assert response.headers["retry-after"] == "60"
    assert reasons_in(response.json(), FAILED) == [0xA700]


def test_a_request_over_the_limit_is_413(archive: Archive, radiologist: Principal) -> None:
    archive.settings = archive.settings.model_copy(update={"stow_request_max_bytes": 1 << 20})
    client = TestClient(Mounted(archive, radiologist))
    assert post(client, [make.part10(make.ct_slice()), bytes(2 << 20)]).status_code == 413


def test_a_request_is_one_row_in_the_trail_for_each_study(
    client: TestClient, archive: Archive, radiologist: Principal
) -> None:
    post(client, [make.part10(ds) for ds in make.ct_series(4)])
    with archive.reading() as session:
        rows = session.execute(select(audit.c.action, audit.c.count).where(audit.c.actor == radiologist.name)).all()
    assert [(row.action, row.count) for row in rows] == [("store", 4)]


def test_many_senders_at_once_lose_nothing(archive: Archive, radiologist: Principal) -> None:
    import threading

    app = Mounted(archive, radiologist)
    statuses: list[int] = []

    def send(number: int) -> None:
        files = [make.part10(ds) for ds in make.ct_series(8)]
        statuses.append(post(TestClient(app), files).status_code)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 6
    assert count(archive) == 48


def test_memory_does_not_grow_with_what_is_sent(archive: Archive, radiologist: Principal) -> None:
    ds = make.ct_slice(rows=16)
    ds.NumberOfFrames = 1
    head = make.part10(ds)
    length = 96 << 20
    # Its Pixel Data is the last element: made as long as wished, written on the way.
    at = head.rindex(b"\xe0\x7f\x10\x00OW")
    head = head[: at + 8] + length.to_bytes(4, "little")
    boundary = b"b"

    def pieces() -> Iterator[bytes]:
        yield b"--b\r\nContent-Type: application/dicom\r\n\r\n" + head
        for _ in range(length >> 20):
            yield bytes(1 << 20)
        yield b"\r\n--" + boundary + b"--\r\n"

    app = Mounted(archive, radiologist)
    tracemalloc.start()
    try:
        answers = asyncio.run(send_streamed(app, pieces(), 'multipart/related; type="application/dicom"; boundary=b'))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answers[0]["status"] == 200
    assert peak < 32 << 20


def test_a_sender_that_goes_away_leaves_no_half_instance(archive: Archive, radiologist: Principal) -> None:
    data = make.part10(make.ct_slice(rows=64))
    body, kind = multipart_body([data])
    pieces = iter([body[start : start + 1000] for start in range(0, len(body), 1000)])
    answers = asyncio.run(send_streamed(Mounted(archive, radiologist), pieces, kind, cut_after=3))
    assert answers == []
    assert count(archive) == 0
    assert waiting_files(archive) == []


def test_a_bug_in_one_part_does_not_take_the_others_with_it(
    client: TestClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    import filmless.dicomweb.store as door

    real, calls = door.receive, iter(range(100))

    def faulty(*arguments: Any, **options: Any) -> Any:
        if next(calls) == 0:
            raise RuntimeError("a bug")
        return real(*arguments, **options)

    monkeypatch.setattr(door, "receive", faulty)
    response = post(client, [make.part10(ds) for ds in make.ct_series(2)])
    assert response.status_code == 202
    assert count(archive) == 1


def test_a_body_of_no_parts_is_refused(client: TestClient) -> None:
    response = client.post(
        "/dicomweb/studies",
        content=io.BytesIO(b"--b--\r\n"),
        headers={"content-type": 'multipart/related; type="application/dicom"; boundary=b'},
    )
    assert response.status_code == 400
