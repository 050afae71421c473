"""The door behind real servers, granian and uvicorn, with real clients: dicomweb-client, and what OHIF sends."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
import tracemalloc
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dicomweb_client import DICOMwebClient
from pydicom import Dataset, dcmread
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import make
import ups
from answers import Mounted, address, data_set_of, multipart_body
from callers import make_person
from filmless.access.people import Person
from filmless.access.principal import SYSTEM, Principal
from filmless.access.sessions import begin
from filmless.access.tokens import add_token
from filmless.app.web import create_web
from filmless.archive import Archive
from filmless.dicom import syntaxes
from filmless.store.receive import receive
from running import free_port

Store = Callable[..., Dataset]


class Granian:
    """granian, embedded as `app.web` embeds it."""

    def __init__(self, app: Any, port: int) -> None:
        from granian.constants import Interfaces
        from granian.server.embed import Server

        self.server = Server(app, "127.0.0.1", port, interface=Interfaces.ASGI, websockets=True, log_enabled=False)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.server.serve())

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.server.stop)


class Uvicorn:
    """uvicorn, which knows no extensions of ASGI."""

    def __init__(self, app: Any, port: int) -> None:
        import uvicorn

        self.server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_config=None, lifespan="off"))
        self.thread = threading.Thread(target=self.server.run)

    def stop(self) -> None:
        self.server.should_exit = True


@pytest.fixture(params=[Granian, Uvicorn])
def url(request: pytest.FixtureRequest, archive: Archive) -> Iterator[str]:
    """The address of a server that runs the whole web application."""
    port = free_port()
    server = request.param(create_web(archive), port)
    server.thread.start()
    found = f"http://127.0.0.1:{port}"
    for _ in range(400):
        try:
            urllib.request.urlopen(f"{found}/healthz")
        except urllib.error.HTTPError:
            break
        except OSError:
            time.sleep(0.025)
        else:
            break
    yield found
    server.stop()
    server.thread.join(20)


@pytest.fixture
def token(archive: Archive) -> str:
    """A token of a radiologist."""
    person = make_person(archive, "reader", "radiologist")
    return add_token(archive, SYSTEM("cli"), person.id, name="test")[0]


def get(url: str, token: str | None, accept: str = "*/*", **headers: str) -> tuple[int, Any, bytes]:
    """GET by the standard library: a client that adds nothing of its own."""
    asked = {"Accept": accept, **headers}
    if token is not None:
        asked["Authorization"] = f"Bearer {token}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=asked)) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def post(url: str, token: str, files: list[bytes]) -> tuple[int, Any]:
    body, kind = multipart_body(files)
    headers = {"Content-Type": kind, "Authorization": f"Bearer {token}", "Accept": "application/dicom+json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
        return response.status, json.loads(response.read())


def parts_in(headers: Any, body: bytes) -> list[tuple[str, bytes]]:
    boundary = headers["content-type"].partition('boundary="')[2].rstrip('"').encode()
    pieces = body.split(b"\r\n--" + boundary)[1:-1]
    found = []
    for piece in pieces:
        head, _, content = piece[2:].partition(b"\r\n\r\n")
        kind = next(line for line in head.decode().split("\r\n") if line.lower().startswith("content-type:"))
        found.append((kind.partition(": ")[2], content))
    return found


def test_what_ohif_asks_for_is_answered(url: str, token: str) -> None:
    """VIEWER.md 3.1, line by line; its searches are in `test_search.py`."""
    slices = [make.ct_slice(rows=8, **each) for each in _in_one_series(3)]
    report = make.instance("1.2.840.10008.5.1.4.1.1.104.1", StudyInstanceUID=slices[0].StudyInstanceUID)
    report.PatientID = slices[0].PatientID
    report.EncapsulatedDocument, report.MIMETypeOfEncapsulatedDocument = b"%PDF-1.7" + b" " * 3000, "application/pdf"
    segmentation = make.segmentation()

    status, answer = post(f"{url}/dicomweb/studies", token, [make.part10(ds) for ds in [*slices, report, segmentation]])
    assert status == 200
    assert len(answer["00081199"]["Value"]) == 5

    series = url + address(slices[0], "series")
    status, headers, body = get(f"{series}/metadata", token, "application/dicom+json")
    assert (status, headers["content-type"]) == (200, "application/dicom+json")
    assert len(json.loads(body)) == 3

    frame = "multipart/related; type=application/octet-stream; transfer-syntax=*"
    status, headers, body = get(f"{url}{address(slices[1])}/frames/1", token, frame)
    ((kind, pixels),) = parts_in(headers, body)
    assert (status, kind) == (200, f"application/octet-stream; transfer-syntax={syntaxes.EXPLICIT_LE}")
    assert pixels == slices[1].PixelData

    status, headers, body = get(url + address(segmentation), token, 'multipart/related; type="application/dicom"')
    ((kind, content),) = parts_in(headers, body)
    assert dcmread(io.BytesIO(content)).SOPInstanceUID == segmentation.SOPInstanceUID

    _, _, body = get(f"{url}{address(report, 'series')}/metadata", token, "application/dicom+json")
    uri = json.loads(body)[0]["00420011"]["BulkDataURI"]
    status, headers, body = get(url + uri, token)
    assert (status, headers["content-type"], body[:4]) == (200, "application/pdf", b"%PDF")

    for ds in (slices[0], report):
        for what in ("thumbnail", "rendered"):
            for accept in ("accept=image/jpeg", "accept=image%2Fjpeg"):
                status, headers, body = get(f"{url}{address(ds)}/{what}?{accept}", token)
                assert (status, headers["content-type"], body[:2]) == (200, "image/jpeg", b"\xff\xd8")


def _in_one_series(count: int) -> list[dict[str, Any]]:
    study, series = make.uid(), make.uid()
    return [
        {"StudyInstanceUID": study, "SeriesInstanceUID": series, "InstanceNumber": str(number + 1), "PatientID": "O1"}
        for number in range(count)
    ]


def test_dicomweb_client_stores_and_retrieves(url: str, token: str) -> None:
    slices = [make.ct_slice(rows=8, **each) for each in _in_one_series(3)]
    study, series = slices[0].StudyInstanceUID, slices[0].SeriesInstanceUID
    client = DICOMwebClient(f"{url}/dicomweb", headers={"Authorization": f"Bearer {token}"})
    files = [dcmread(io.BytesIO(make.part10(ds))) for ds in slices]

    answer = client.store_instances(files)
    assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [
        ds.SOPInstanceUID for ds in slices
    ]

    assert len(client.retrieve_study_metadata(study)) == 3
    assert len(client.retrieve_series_metadata(study, series)) == 3
    found = client.retrieve_instance_metadata(study, series, slices[0].SOPInstanceUID)
    assert found["00080018"]["Value"] == [slices[0].SOPInstanceUID]
    assert [ds.PixelData for ds in client.retrieve_series(study, series)] == [ds.PixelData for ds in slices]
    assert len(list(client.iter_study(study))) == 3
    instance = client.retrieve_instance(study, series, slices[1].SOPInstanceUID)
    assert instance.PixelData == slices[1].PixelData
    frames = client.retrieve_instance_frames(study, series, slices[2].SOPInstanceUID, [1])
    assert frames == [slices[2].PixelData]
    picture = client.retrieve_instance_rendered(study, series, slices[0].SOPInstanceUID, media_types=("image/png",))
    assert picture[:4] == b"\x89PNG"
    bulk = client.retrieve_bulkdata(f"{url}{found['7FE00010']['BulkDataURI']}")
    assert bulk == [slices[0].PixelData]


def test_a_file_leaves_whole_and_in_ranges(url: str, token: str, archive: Archive, stored: Store) -> None:
    ds = make.multi_frame(frames=40, rows=64)
    data = make.part10(ds)
    stored(data)
    accept = "application/dicom; transfer-syntax=*"
    status, headers, body = get(url + address(ds), token, accept)
    assert (status, int(headers["content-length"])) == (200, len(body))
    assert data_set_of(body) == data_set_of(data)
    status, headers, part = get(url + address(ds), token, accept, Range="bytes=1000-300000")
    assert (status, part) == (206, body[1000:300001])
    status, _, _ = get(url + address(ds), token, accept, **{"If-None-Match": headers["etag"]})
    assert status == 304


def test_a_study_streams_in_parts_and_as_zip(url: str, token: str, stored: Store) -> None:
    slices = [make.ct_slice(rows=64, **each) for each in _in_one_series(20)]
    for ds in slices:
        stored(ds)
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    status, headers, body = get(url + address(slices[0], "study"), token, accept)
    assert (status, len(parts_in(headers, body))) == (200, 20)
    status, _, body = get(url + address(slices[0], "study"), token, "application/zip")
    assert status == 200
    assert len(zipfile.ZipFile(io.BytesIO(body)).namelist()) == 20


def test_strangers_are_turned_away(url: str, stored: Store) -> None:
    ds = stored(make.ct_slice())
    status, headers, body = get(f"{url}{address(ds)}/frames/1", None)
    assert (status, headers["content-type"]) == (401, "application/problem+json")
    assert json.loads(body)["detail"]


def test_a_client_that_leaves_early_frees_what_it_held(url: str, token: str, archive: Archive, stored: Store) -> None:
    import http.client
    from pathlib import Path

    ds = make.multi_frame(frames=200, rows=256)
    stored(ds)
    host = url.removeprefix("http://")
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    for _ in range(5):
        connection = http.client.HTTPConnection(host)
        connection.request("GET", address(ds), headers={"Accept": accept, "Authorization": f"Bearer {token}"})
        connection.getresponse().read(100_000)
        connection.close()
    roots = (str(archive.settings.data / "blobs"), str(archive.settings.data / "spool"))
    for _ in range(100):
        held = [link for link in _open_files(Path("/proc/self/fd")) if link.startswith(roots)]
        if not held:
            break
        time.sleep(0.1)
    assert held == []


def _open_files(folder: Any) -> list[str]:
    found = []
    for each in folder.iterdir():
        try:
            found.append(str(each.readlink()))
        except OSError:
            continue
    return found


async def _drain(app: Any, path: str, accept: str) -> tuple[int, int, int]:
    """Call the application and count what it sends; nothing of it is kept."""
    status, total, longest = 0, 0, 0

    async def never() -> dict[str, Any]:
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, total, longest
        status = message.get("status", status)
        total += len(message.get("body", b""))
        longest = max(longest, len(message.get("body", b"")))

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "scheme": "http", "server": ("pacs.test", 80), "client": ("192.0.2.1", 1), "http_version": "1.1",
        "headers": [(b"accept", accept.encode()), (b"host", b"pacs.test")],
    }  # fmt: skip
    await app(scope, never, send)
    return status, total, longest


@pytest.mark.parametrize(
    "accept",
    [
        'multipart/related; type="application/dicom"; transfer-syntax=*',
        'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2',
        "application/zip",
    ],
)
def test_memory_does_not_grow_with_the_length_of_a_study(accept: str, archive: Archive, radiologist: Principal) -> None:
    ds = make.multi_frame(frames=96, rows=512, columns=1024)  # 96 MiB
    receive(archive, SYSTEM("cli"), io.BytesIO(make.part10(ds)))
    app = Mounted(archive, radiologist)
    tracemalloc.start()
    try:
        status, total, longest = asyncio.run(_drain(app, address(ds, "study"), accept))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == 200
    assert total > 96 << 20
    assert longest <= 3 << 20
    assert peak < 24 << 20


# The notification channel


def channel(url: str, ae_title: str = "WATCH", **options: Any) -> ClientConnection:
    """Open the channel of a subscriber."""
    return connect(f"{url.replace('http', 'ws', 1)}/dicomweb/ws/subscribers/{ae_title}", **options)


def cookie(archive: Archive, person: Person) -> str:
    """The secret of a session in a browser."""
    return begin(archive, person, address=None, user_agent="", door="api")[0]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def call(url: str, method: str, path: str, token: str) -> int:
    request = urllib.request.Request(f"{url}/dicomweb{path}", method=method, headers=bearer(token))
    with urllib.request.urlopen(request) as response:
        return int(response.status)


def states_told(connection: ClientConnection, number: int) -> list[tuple[str, str]]:
    """Receive reports: which workitem, and the state it is in."""
    told = []
    for _ in range(number):
        report = json.loads(connection.recv(timeout=10))
        assert report["00000002"]["Value"] == ["1.2.840.10008.5.1.4.34.6.1"]
        assert report["00001002"]["Value"] == [1]
        told.append((report["00001000"]["Value"][0], report["00741000"]["Value"][0]))
    return told


def test_a_subscriber_is_told_on_its_channel_also_of_what_it_missed(url: str, token: str, archive: Archive) -> None:
    assert call(url, "POST", f"/workitems/{ups.GLOBAL}/subscribers/WATCH", token) == 201
    missed = ups.create(archive)
    with channel(url, additional_headers=bearer(token)) as connection:
        assert states_told(connection, 1) == [(missed, "SCHEDULED")]
        seen = ups.create(archive)
        assert states_told(connection, 1) == [(seen, "SCHEDULED")]
        time.sleep(0.5)
    later = ups.create(archive)
    with channel(url, additional_headers=bearer(token)) as connection:
        assert states_told(connection, 1) == [(later, "SCHEDULED")]


def test_a_new_channel_takes_over_from_the_old(url: str, token: str, archive: Archive) -> None:
    call(url, "POST", f"/workitems/{ups.GLOBAL}/subscribers/WATCH", token)
    with channel(url, additional_headers=bearer(token)) as old, channel(url, additional_headers=bearer(token)) as new:
        with pytest.raises(ConnectionClosed) as closed:
            old.recv(timeout=10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4000
        uid = ups.create(archive)
        assert states_told(new, 1) == [(uid, "SCHEDULED")]


@pytest.mark.parametrize("caller", ["stranger", "another site", "somebody else"])
def test_a_channel_is_not_opened_for(url: str, token: str, archive: Archive, caller: str) -> None:
    call(url, "POST", f"/workitems/{ups.GLOBAL}/subscribers/WATCH", token)
    person = make_person(archive, "other", "radiologist")
    headers = {
        "stranger": {},
        "another site": {"Cookie": f"filmless_session={cookie(archive, person)}", "Origin": "https://evil.example"},
        "somebody else": bearer(add_token(archive, SYSTEM("cli"), person.id, name="test")[0]),
    }[caller]
    with pytest.raises((InvalidStatus, ConnectionClosed)), channel(url, additional_headers=headers) as connection:
        connection.recv(timeout=10)


def test_a_page_of_our_own_opens_a_channel_with_its_cookie(url: str, archive: Archive) -> None:
    person = make_person(archive, "reader", "radiologist")
    headers = {"Cookie": f"filmless_session={cookie(archive, person)}", "Origin": url}
    with channel(url, "SCREEN", additional_headers=headers) as connection, pytest.raises(TimeoutError):
        connection.recv(timeout=0.5)
