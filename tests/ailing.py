"""Looks at the health of a server as an administrator, a probe and an operator do, while something is broken."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from sqlalchemy import func, select

import make
from filmless.access import peers, people, tokens
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.tables import instances, series
from filmless.config import Settings
from filmless.store.verify import verify
from running import ADMIN, RunningServer
from senders import Sender
from waiting import until

IMPATIENT_S = 30.0


def findings(server: RunningServer) -> list[dict[str, Any]]:
    """What the health page shows."""
    status, body, _ = server.get("/api/v1/health", timeout_s=IMPATIENT_S)
    assert status == 200, (status, body)
    found: list[dict[str, Any]] = json.loads(body)["findings"]
    return found


def faults(server: RunningServer) -> set[str]:
    """The codes of the faults that the health page shows."""
    return {finding["code"] for finding in findings(server) if finding["code"]}


def readiness(server: RunningServer) -> tuple[int, str]:
    """What a probe is told: status and text."""
    try:
        with urllib.request.urlopen(f"{server.url}/readyz", timeout=IMPATIENT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_until_named(server: RunningServer, code: str) -> None:
    """Wait until a probe is told of a fault."""
    until(lambda: readiness(server)[0] == 503 and code in readiness(server)[1], IMPATIENT_S)


def wait_until_ready(server: RunningServer) -> None:
    """Wait until a probe is told that all is well again, and no fault is left that stops service."""
    until(lambda: readiness(server) == (200, "ready\n"), IMPATIENT_S)


class Stower(threading.Thread):
    """Stores instances of its own by STOW-RS, a few in each request, and remembers what was acknowledged."""

    def __init__(self, server: RunningServer, stop: threading.Event, *, at_once: int = 5) -> None:
        super().__init__(daemon=True)
        self.server, self.stop_event, self.at_once = server, stop, at_once
        self.acknowledged: dict[str, str] = {}
        self.statuses: list[int] = []
        self.study = f"2.25.{uuid.uuid4().int}"
        self._token = server.token

    def run(self) -> None:
        count, batch = 0, self._batch(0)
        while not self.stop_event.is_set():
            status, stored = self._post(batch)
            self.statuses.append(status)
            for ds in batch:
                if ds.SOPInstanceUID in stored:
                    self.acknowledged[ds.SOPInstanceUID] = make.dataset_bytes(ds).hex()[-64:]
            if status == 200:
                count += self.at_once
                batch = self._batch(count)
            else:
                time.sleep(0.1)

    def _batch(self, first: int) -> list[Dataset]:
        return [self._instance(number) for number in range(first, first + self.at_once)]

    def _instance(self, number: int) -> Dataset:
        return make.ct_slice(
            rows=64,
            StudyInstanceUID=self.study,
            SeriesInstanceUID=f"{self.study}.1",
            SOPInstanceUID=f"{self.study}.9.{number}",
            InstanceNumber=number,
        )

    def _post(self, batch: list[Dataset]) -> tuple[int, set[str]]:
        """Send one request; its status, 0 when there was no answer, and the instances that it says are stored."""
        body = b"".join(b"--x\r\nContent-Type: application/dicom\r\n\r\n" + make.part10(ds) + b"\r\n" for ds in batch)
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": 'multipart/related; type="application/dicom"; boundary=x',
            "Accept": "application/dicom+json",
        }
        request = urllib.request.Request(f"{self.server.url}/dicomweb/studies", body + b"--x--\r\n", headers)
        try:
            with urllib.request.urlopen(request, timeout=IMPATIENT_S) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        except OSError:
            return 0, set()
        try:
            told = json.loads(text)
        except ValueError:
            return status, set()
        items = told.get("00081199", {}).get("Value", []) if isinstance(told, dict) else []
        return status, {item["00081155"]["Value"][0] for item in items}


@contextmanager
def archive_of(server: RunningServer) -> Iterator[Archive]:
    """The archive that a server works on, opened by the test itself: quicker than the command line."""
    with Archive.open(Settings(data=server.data, **server.settings)) as archive:
        yield archive


def admit(server: RunningServer) -> None:
    """Give the administrator a token, and admit the peer TEST of this machine."""
    with archive_of(server) as archive:
        cli = SYSTEM("cli")
        allow = ["echo", "store", "query", "retrieve"]
        peers.add_peer(archive, cli, ae_title="TEST", host="127.0.0.1", port=None, allow=allow)
        (person,) = [person for person in people.list_people(archive) if person.name == ADMIN]
        server.token, _ = tokens.add_token(archive, cli, person.id, name="test")


@contextmanager
def serving(server: RunningServer) -> Iterator[tuple[Sender, Stower]]:
    """A server with an administrator and the peer TEST, and two who store without pause until the block is left."""
    server.start()
    stop = threading.Event()
    try:
        admit(server)
        senders = Sender(server, stop), Stower(server, stop)
        for sender in senders:
            sender.start()
        until(lambda: all(len(sender.acknowledged) > 10 for sender in senders), IMPATIENT_S)
        yield senders
        stop.set()
        for sender in senders:
            sender.join(20)
    finally:
        stop.set()
        server.stop()


def assert_goes_on(server: RunningServer, modality: Sender, web: Stower) -> None:
    """All is well again, both store again by themselves, and nothing that was acknowledged is lost."""
    wait_until_ready(server)
    counts = len(modality.acknowledged), len(web.acknowledged)
    until(lambda: len(modality.acknowledged) > counts[0] and len(web.acknowledged) > counts[1], IMPATIENT_S)
    assert_all_there(server, modality, web)


def assert_all_there(server: RunningServer, *senders: Sender | Stower) -> None:
    """What was acknowledged is kept with the bytes that were sent; what is kept is whole, counted, and all to be found.

    What is not acknowledged may be there or not, but not by half.
    """
    acknowledged = {uid: tail for sender in senders for uid, tail in dict(sender.acknowledged).items()}
    with archive_of(server) as archive:
        with archive.reading() as session:
            rows = session.execute(select(instances.c.sop_instance_uid, instances.c.blob, instances.c.length_bytes))
            kept = {row[0]: (bytes(row[1]).hex(), row[2]) for row in rows}
            counted = select(instances.c.series_key, func.count()).group_by(instances.c.series_key)
            said = select(series.c.id, series.c.number_of_series_related_instances)
            assert set(session.execute(counted)) == set(session.execute(said))
        assert set(acknowledged) - set(kept) == set()
        for uid, tail in acknowledged.items():
            blob, length = kept[uid]
            assert archive.blobs.read(blob, length - 32).hex() == tail
        assert verify(archive).findings == []
