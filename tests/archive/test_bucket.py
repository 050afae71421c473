"""Blobs in a real S3 server: what it does when two put the same, when it is away, slow or failing, and comes back."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import obstore
import pytest

import real_servers
from faulty import Faulty, Mode
from filmless.archive import Archive
from filmless.archive import bucket as bucket_module
from filmless.archive.blobs import Blobs, open_store
from filmless.archive.bucket_blobs import BucketBlobs
from filmless.config import Settings
from filmless.errors import NotFound, Refused, Unavailable
from filmless.health.machine import examine_blob_writing
from filmless.health.watch import Watch
from stored import in_bucket, overwrite

IMPATIENT = {"blobs_timeout_s": 0.5, "blobs_connect_timeout_s": 0.5, "blobs_retries": 1}


@pytest.fixture
def blobs(tmp_path: Path, servers: real_servers.Servers) -> Blobs:
    return open_store(in_bucket(tmp_path, servers)).blobs


@pytest.fixture
def between(servers: real_servers.Servers) -> Iterator[Faulty]:
    """What stands between us and the S3 server."""
    relay = Faulty(servers.s3)
    yield relay
    relay.close()


@pytest.fixture
def behind(tmp_path: Path, servers: real_servers.Servers, between: Faulty) -> Blobs:
    """Blobs that are reached through it."""
    return open_store(in_bucket(tmp_path, servers, blobs_endpoint=between.endpoint, **IMPATIENT)).blobs


def put(blobs: Blobs, data: bytes) -> str:
    with blobs.create() as writer:
        writer.write(data)
        return writer.finish()[0]


def objects_of(blobs: Blobs) -> list[str]:
    """All names under the prefix, seen by another client."""
    assert isinstance(blobs, BucketBlobs)
    settings = blobs.bucket.settings
    assert settings.blobs_url and settings.blobs_endpoint
    prefix = settings.blobs_url.split("/", 3)[3]
    listed = obstore.list(real_servers.store_at(settings.blobs_endpoint), prefix).collect()
    return sorted(each["path"].removeprefix(f"{prefix}/") for each in listed)


def test_a_blob_is_an_object_of_its_name_under_the_prefix(blobs: Blobs) -> None:
    key = put(blobs, b"data")
    assert objects_of(blobs) == [f"blobs/{key}.dcm", "filmless"]
    assert blobs.local_path(key) is None
    assert blobs.at_hand(key, [(0, 4)]) is None


def test_the_same_bytes_again_do_not_touch_the_object(blobs: Blobs) -> None:
    key = put(blobs, b"same")
    ((_, first),) = blobs.arrivals()
    time.sleep(1.1)  # the server counts in seconds
    assert put(blobs, b"same") == key
    assert list(blobs.arrivals()) == [(key, first)]


@pytest.mark.parametrize("length", [5, 12 << 20])
def test_sending_again_heals_a_damaged_blob(blobs: Blobs, length: int) -> None:
    data = os.urandom(length)
    key = put(blobs, data)
    overwrite(blobs, key, b"wrong")
    assert blobs.digest(key) != key
    put(blobs, data)
    assert blobs.digest(key) == key


def test_a_server_that_does_not_honour_if_none_match_is_asked_first(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overwriting(store: object, path: str, data: bytes) -> bool:
        obstore.put(store, path, data)  # type: ignore[arg-type]
        return True

    monkeypatch.setattr(bucket_module, "put_new", overwriting)
    key = put(blobs, b"same")
    ((_, first),) = blobs.arrivals()
    time.sleep(1.1)
    assert put(blobs, b"same") == key
    assert list(blobs.arrivals()) == [(key, first)]


def test_a_long_blob_is_sent_in_parts_and_memory_stays_small(blobs: Blobs) -> None:
    piece = os.urandom(1 << 20)
    sha256 = hashlib.sha256()
    tracemalloc.start()
    with blobs.create() as writer:
        for number in range(40):
            changed = number.to_bytes(4, "big") + piece[4:]
            sha256.update(changed)
            writer.write(changed)
        key, length = writer.finish()
    assert (key, length) == (sha256.hexdigest(), 40 << 20)
    assert blobs.digest(key) == key
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24 << 20
    assert blobs.read(key, (8 << 20) - 2, 6) == piece[-2:] + (8).to_bytes(4, "big")
    with blobs.reader(key) as reader:
        assert reader.read_at((30 << 20) + 10, 100) == piece[10:110]
        assert reader.read_at((40 << 20) - 3, 100) == piece[-3:]


def test_nothing_is_left_of_what_was_not_finished(blobs: Blobs, tmp_path: Path) -> None:
    with blobs.create() as writer:
        writer.write(bytes(3 << 20))
        assert list(blobs.keys()) == []
    assert list((tmp_path / "spool").iterdir()) == []


def test_quarantine_is_another_folder_of_the_bucket(tmp_path: Path, servers: real_servers.Servers) -> None:
    store = open_store(in_bucket(tmp_path, servers))
    key = put(store.blobs, b"refused")
    for _ in range(2):
        store.blobs.move_to(store.quarantine, key)
        assert list(store.quarantine.keys()) == [key]
        assert list(store.blobs.keys()) == []
    with pytest.raises(NotFound):
        store.blobs.move_to(store.quarantine, "ab" * 32)


MODES: list[tuple[Mode, str]] = [
    ("away", "cannot be reached"),
    ("stalled", "does not answer in time"),
    ("error", "answers 503 Service Unavailable"),
]


@pytest.mark.parametrize(("mode", "said"), MODES)
def test_an_outage_is_unavailable_and_passes_by_itself(behind: Blobs, between: Faulty, mode: Mode, said: str) -> None:
    key, given_up = put(behind, b"before"), put(behind, b"given up")
    between.mode = mode
    for ask in (
        lambda: put(behind, b"during"),
        lambda: behind.read(key),
        lambda: behind.length(key),
        lambda: list(behind.keys()),
        # A server that stalled may do later what nobody waits for any more.
        lambda: behind.delete(given_up),
    ):
        with pytest.raises(Unavailable, match=said):
            ask()
    between.mode = "well"
    assert behind.read(key) == b"before"
    assert behind.digest(put(behind, b"during")) == hashlib.sha256(b"during").hexdigest()


def test_a_short_failure_is_not_noticed(tmp_path: Path, servers: real_servers.Servers, between: Faulty) -> None:
    blobs = open_store(in_bucket(tmp_path, servers, blobs_endpoint=between.endpoint)).blobs
    put(blobs, b"first")
    between.mode = "error"
    refused = between.requests_refused

    def mend() -> None:
        while between.requests_refused == refused:
            time.sleep(0.001)
        between.mode = "well"

    thread = threading.Thread(target=mend)
    thread.start()
    key = put(blobs, b"second")
    thread.join()
    assert blobs.read(key) == b"second"


def test_a_bucket_that_does_not_exist_is_told_and_nothing_is_taken_for_lost(
    tmp_path: Path, servers: real_servers.Servers
) -> None:
    blobs = open_store(in_bucket(tmp_path, servers, blobs_url="s3://nobody/here", **IMPATIENT)).blobs
    for ask in (lambda: blobs.read("ab" * 32), lambda: blobs.length("ab" * 32), blobs.check):
        with pytest.raises(Unavailable, match="there is no bucket s3://nobody/here"):
            ask()


def test_wrong_credentials_are_told_and_appear_nowhere(
    tmp_path: Path, servers: real_servers.Servers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = in_bucket(tmp_path, servers, blobs_secret_access_key="not-the-secret", **IMPATIENT)
    blobs = open_store(settings).blobs
    with pytest.raises(Unavailable, match="does not accept our credentials") as told:
        put(blobs, b"data")
    for text in (str(told.value), repr(settings), caplog.text):
        assert "not-the-secret" not in text
        assert real_servers.SECRET_ACCESS_KEY not in text


def test_credentials_may_come_from_the_environment(
    tmp_path: Path, servers: real_servers.Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", real_servers.ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", real_servers.SECRET_ACCESS_KEY)
    settings = in_bucket(tmp_path, servers, blobs_access_key_id=None, blobs_secret_access_key=None)
    blobs = open_store(settings).blobs
    assert blobs.read(put(blobs, b"data")) == b"data"


@pytest.mark.parametrize("url", ["/mnt/blobs", "ftp://host/x", "s3://", "s3://key@bucket/", "s3://bucket/?a=b"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(Refused, match="blobs_url"):
        open_store(Settings(data=tmp_path, blobs_url=url))


@pytest.mark.parametrize("url", ["az://container/prefix", "gs://bucket/prefix"])
def test_other_stores_are_opened_by_their_address(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    assert open_store(Settings(data=tmp_path, blobs_url=url)).blobs.name == f"{url}/blobs"


def test_google_is_asked_where_the_settings_say_and_puts_what_is_new_only(tmp_path: Path) -> None:
    """No emulator on PyPI or npm speaks the XML API that the library uses: what it sends is looked at instead."""
    asked: list[tuple[str, str | None]] = []

    class Answers(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers.get("x-goog-if-generation-match")))
            self.send_response(200 if len(asked) == 1 else 412)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        key = '{"disable_oauth":true,"client_email":"a@b","private_key":"","private_key_id":""}'
        settings = Settings(
            data=tmp_path, blobs_url="gs://pacs/here", blobs_endpoint=endpoint, blobs_secret_access_key=key
        )
        blobs = open_store(settings).blobs
        assert isinstance(blobs, BucketBlobs)
        assert blobs.bucket.refuses_to_overwrite()
        server.shutdown()
    assert asked == [("/pacs/here%2Ffilmless", "0")] * 2
    assert "a@b" not in repr(settings)


def test_doctor_and_health_name_a_bucket_that_is_away(
    tmp_path: Path, servers: real_servers.Servers, between: Faulty
) -> None:
    settings = in_bucket(tmp_path, servers, blobs_endpoint=between.endpoint, **IMPATIENT)
    with Archive.open(settings) as archive:
        assert Watch(archive).faults() == []
        assert [finding.level for finding in examine_blob_writing(archive)] == ["ok"]
    between.mode = "away"
    with Archive.open(settings) as archive:
        (fault,) = Watch(archive).faults()
        assert fault.code == "blobs_away"
        assert f"{settings.blobs_url} cannot be reached" in fault.what
        assert [finding.code for finding in examine_blob_writing(archive)] == ["blobs_away"]
