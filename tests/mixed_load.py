"""A department at work: modalities, a gateway, a search, a reader and a mover, each a thread that never gives up.

Every one knows what was acknowledged (`Ledger`), says what it saw that must not be, and takes a refused or broken
connection for what it is: somebody kills processes.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import make
from filmless.dicom.part10 import preamble_and_meta
from filmless.dimse.client import connect
from filmless.dimse.limits import Limits
from filmless.dimse.services import Outcome, Request
from filmless.errors import FilmlessError
from running import RunningServer
from wire import CT, EXPLICIT_LE, STUDY_FIND, STUDY_MOVE

SERIES_INSTANCES, STUDY_INSTANCES = 15, 30
LIMITS = Limits(artim_timeout_s=10, network_timeout_s=20, connect_timeout_s=5)
BUSY = (0xA700, 503)


@dataclass(frozen=True)
class Sent:
    """One instance as a modality made it."""

    study: str
    series: str
    uid: str
    data: bytes

    @property
    def path(self) -> str:
        return f"/dicomweb/studies/{self.study}/series/{self.series}/instances/{self.uid}"

    @property
    def pixels(self) -> bytes:
        return self.data[-128 * 128 * 2 :]


@dataclass
class Ledger:
    """What was sent, and what of it was acknowledged; digests only, so that an hour of it fits into memory."""

    sent: dict[str, str] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)  # SOP Instance UID: study
    deleted: set[str] = field(default_factory=set)
    studies: Counter[str] = field(default_factory=Counter)  # acknowledged instances of each
    recent: list[Sent] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, instance: Sent) -> None:
        with self.lock:
            self.sent[instance.uid] = hashlib.sha256(instance.data).hexdigest()

    def acknowledge(self, instance: Sent) -> None:
        with self.lock:
            if instance.uid not in self.acknowledged:
                self.acknowledged[instance.uid] = instance.study
                self.studies[instance.study] += 1
                self.recent = [*self.recent[-200:], instance]

    def pick(self, chance: random.Random) -> Sent | None:
        with self.lock:
            return chance.choice(self.recent) if self.recent else None


def instances(name: str, chance: random.Random) -> Iterator[Sent]:
    """CT slices without end, thirty to a study, of random pixels. `name` is part of the UIDs: digits and dots."""
    template = make.ct_slice(rows=128)
    for count in range(10**9):
        study = f"1.2.826.0.1.3680043.8.498.{name}.{count // STUDY_INSTANCES}"
        series = f"{study}.{count % STUDY_INSTANCES // SERIES_INSTANCES}"
        template.StudyInstanceUID, template.SeriesInstanceUID = study, series
        template.SOPInstanceUID, template.InstanceNumber = f"{series}.{count}", count
        template.PatientID, template.PatientName = f"P{name}", f"Soak^{name}"
        pixels = np.random.default_rng(chance.getrandbits(32)).integers(0, 4000, 128 * 128, np.uint16)
        template.PixelData = pixels.tobytes()
        yield Sent(study, series, f"{series}.{count}", make.dataset_bytes(template, EXPLICIT_LE))


class Actor(threading.Thread):
    """One of them. `turns` counts what was done, `wrong` says what must not be."""

    def __init__(self, server: RunningServer, ledger: Ledger, stop: threading.Event, number: int) -> None:
        super().__init__(daemon=True, name=f"{type(self).__name__}-{number}")
        self.server, self.ledger, self.stopped = server, ledger, stop
        self.chance = random.Random(number)
        self.number = number
        self.turns: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        try:
            while not self.stopped.is_set():
                try:
                    self.turn()
                except (FilmlessError, OSError, http.client.HTTPException) as error:
                    self.turns[type(error).__name__] += 1
                    time.sleep(0.1)
        except BaseException as error:
            self.wrong.append(f"{self.name} ended: {error!r}")
            raise

    def turn(self) -> None:
        raise NotImplementedError

    def saw(self, what: object) -> None:
        self.wrong.append(f"{self.name}: {what}")

    def associate(self, *abstract_syntaxes: str) -> Any:
        return connect(
            "127.0.0.1",
            self.server.dicom_port,
            called_ae="FILMLESS",
            calling_ae="TEST",
            contexts=[(each, [EXPLICIT_LE]) for each in abstract_syntaxes],
            limits=LIMITS,
        )

    def ask(
        self, method: str, path: str, body: bytes | None = None, expected: tuple[int, ...] = (200,), **headers: str
    ) -> tuple[int, bytes]:
        """Ask; what is neither expected nor 503 is wrong."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=60)
        said = {"Authorization": f"Bearer {self.server.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        try:
            connection.request(method, path, body, said)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status not in (*expected, 503):
            self.saw(f"{method} {path} was answered {answer.status}: {content[:300]!r}")
        if answer.status == 503:
            time.sleep(0.2)
        return answer.status, content


class Modality(Actor):
    """Stores by C-STORE, each instance until it is acknowledged, now and then one a second time."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.source = instances(f"1.{self.number}.{time.time_ns()}", self.chance)
        self.current = next(self.source)

    def turn(self) -> None:
        with self.associate(CT) as association:
            for _ in range(self.chance.randint(1, 40)):
                if self.stopped.is_set():
                    return
                self.ledger.send(self.current)
                status = association.store(CT, self.current.uid, EXPLICIT_LE, self.current.data)
                if status in BUSY:
                    self.turns["busy"] += 1
                    time.sleep(0.1)
                elif status != 0:
                    self.saw(f"C-STORE was answered 0x{status:04X}")
                    return
                else:
                    self.ledger.acknowledge(self.current)
                    self.turns["stored"] += 1
                    if self.chance.random() > 0.05:
                        self.current = next(self.source)


class Gateway(Actor):
    """Stores by STOW-RS, five at once."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.source = instances(f"2.{self.number}.{time.time_ns()}", self.chance)

    def turn(self) -> None:
        five = [next(self.source) for _ in range(5)]
        if self.store(five):
            for each in five:
                self.ledger.acknowledge(each)

    def store(self, some: list[Sent]) -> bool:
        """Send until it is stored; False when there is no time left."""
        parts = []
        for each in some:
            self.ledger.send(each)
            file = preamble_and_meta(CT, each.uid, EXPLICIT_LE) + each.data
            parts.append(b"--b\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n")
        body = b"".join(parts) + b"--b--\r\n"
        kind = 'multipart/related; type="application/dicom"; boundary=b'
        while not self.stopped.is_set():
            try:
                status, _ = self.ask("POST", "/dicomweb/studies", body, (200, 202), Content_Type=kind)
            except (OSError, http.client.HTTPException):
                self.turns["broken"] += 1
                time.sleep(0.1)
                continue
            if status == 200:
                self.turns["stored"] += len(some)
                return True
        return False


class Tidier(Gateway):
    """Stores a study of its own and deletes it."""

    def turn(self) -> None:
        some = [next(self.source) for _ in range(STUDY_INSTANCES)]
        if self.store(some) and self.delete(f"/dicomweb/studies/{some[0].study}"):
            self.ledger.deleted.update(each.uid for each in some)
        time.sleep(0.5)

    def delete(self, path: str) -> bool:
        """Delete until it is done; False when there is no time left, and then it may be or not."""
        was_asked = False
        while not self.stopped.is_set():
            try:
                # Who asked before and heard nothing may find it gone.
                status, _ = self.ask("DELETE", path, None, (204, 404) if was_asked else (204,))
            except (OSError, http.client.HTTPException):
                self.turns["broken"] += 1
                time.sleep(0.1)
                continue
            finally:
                was_asked = True
            if status in {204, 404}:
                self.turns["deleted"] += 1
                self.ask("GET", f"{path}/metadata", None, (404,), Accept="application/dicom+json")
                return True
        return False


class Searcher(Actor):
    """Finds studies by QIDO-RS and C-FIND; no count may be below what was acknowledged or above what was sent."""

    def turn(self) -> None:
        instance = self.ledger.pick(self.chance)
        if instance is None:
            time.sleep(0.05)
            return
        least = self.ledger.studies[instance.study]
        if self.chance.random() < 0.5:
            path = f"/dicomweb/studies?StudyInstanceUID={instance.study}&includefield=00201208"
            status, body = self.ask("GET", path)
            found = [each["00201208"]["Value"][0] for each in json.loads(body)] if status == 200 else None
        else:
            key = {
                "00080052": {"vr": "CS", "Value": ["STUDY"]},
                "0020000D": {"vr": "UI", "Value": [instance.study]},
                "00201208": {"vr": "IS"},
            }
            with self.associate(STUDY_FIND) as association:
                answers = list(association.find(STUDY_FIND, key))
            found = None
            if answers[-1][0] == 0:
                found = [int(each["00201208"]["Value"][0]) for _, each in answers[:-1] if each]
            elif answers[-1][0] not in BUSY:
                self.saw(f"C-FIND was answered 0x{answers[-1][0]:04X}")
        if found is not None:
            self.turns["found"] += 1
            if len(found) != 1 or not least <= int(found[0]) <= STUDY_INSTANCES:
                self.saw(f"study {instance.study}: {found} instances found, {least} were acknowledged")
        time.sleep(0.02)


class Reader(Actor):
    """Opens what was acknowledged: metadata, pixels to the byte, a picture."""

    def turn(self) -> None:
        instance = self.ledger.pick(self.chance)
        if instance is None:
            time.sleep(0.05)
            return
        octets = 'multipart/related; type="application/octet-stream"'
        status, body = self.ask("GET", f"{instance.path}/frames/1", Accept=octets)
        if status == 200 and instance.pixels not in body:
            self.saw(f"other pixels at {instance.path}")
        self.ask("GET", f"{instance.path}/rendered", Accept="image/png")
        series = instance.path.partition("/instances/")[0]
        status, body = self.ask("GET", f"{series}/metadata", Accept="application/dicom+json")
        if status == 200 and instance.uid.encode() not in body:
            self.saw(f"{instance.uid} is not in the metadata of its series")
        self.turns["opened"] += 1
        time.sleep(0.02)


class Mover(Actor):
    """Has studies sent to `DEST` by C-MOVE."""

    def turn(self) -> None:
        instance = self.ledger.pick(self.chance)
        if instance is None:
            time.sleep(0.05)
            return
        key = {
            "00080052": {"vr": "CS", "Value": ["STUDY"]},
            "0020000D": {"vr": "UI", "Value": [instance.study]},
        }
        with self.associate(STUDY_MOVE) as association:
            status, _ = list(association.move(STUDY_MOVE, key, "DEST"))[-1]
        self.turns[f"0x{status:04X}"] += 1
        if status not in {0x0000, 0xB000, 0xA701, 0xA702, 0xA700, 0xC000}:
            self.saw(f"C-MOVE was answered 0x{status:04X}")
        time.sleep(0.1)


class Arrival:
    """What arrives at DEST: compared by its digest with what was sent, and dropped."""

    def __init__(self, ledger: Ledger, wrong: list[str], request: Request) -> None:
        self._ledger, self._wrong, self._request = ledger, wrong, request
        self._sha256 = hashlib.sha256()

    def write(self, piece: memoryview) -> None:
        self._sha256.update(piece)

    def finish(self) -> Outcome:
        uid = self._request.command.text(0x00001000)
        if self._ledger.sent.get(uid) != self._sha256.hexdigest():
            self._wrong.append(f"DEST was sent other bytes for {uid}")
        return Outcome()

    def abort(self) -> None:
        """Nothing is kept of it."""


def arrivals(ledger: Ledger, wrong: list[str]) -> Callable[[Request], Arrival]:
    """A handler of C-STORE for the destination."""
    return lambda request: Arrival(ledger, wrong, request)
