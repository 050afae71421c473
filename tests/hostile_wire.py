"""For hostile tests: a server that is watched while it is attacked, and C-FIND with an identifier of any bytes."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset

from filmless.dimse import client
from filmless.dimse import commands as c
from filmless.dimse.client import connect
from running import RunningServer, children_of
from wire import IMPLICIT_LE, STUDY_FIND, VERIFICATION

MIB = 1 << 20


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str]


def anonymous_mib(pid: int) -> float:
    """Memory of a process that the kernel cannot take back: what it allocated, not the files it has mapped."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass
class Target:
    """The server, seen by somebody who means harm and by somebody who does not."""

    server: RunningServer
    pids: dict[int, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str | list[str]] | None = None,
        body: bytes | None = None,
        *,
        known: bool = True,
        timeout_s: float = 60,
    ) -> Reply:
        """Ask with exactly these headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=timeout_s)
        said = {**({"Authorization": f"Bearer {self.server.token}"} if known else {}), **(headers or {})}
        try:
            connection.putrequest(method, path, skip_host="Host" in said, skip_accept_encoding=True)
            for name, value in said.items():
                for each in value if isinstance(value, list) else [value]:
                    connection.putheader(name, each)
            if body is not None and "Content-Length" not in said:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            if body is not None:
                with suppress(BrokenPipeError, ConnectionResetError):  # refused before it was read: the answer says so
                    connection.send(body)
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})
        finally:
            connection.close()

    def stow(self, *parts: bytes, timeout_s: float = 90) -> Reply:
        body = b"".join(b"--b\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in parts)
        headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
        return self.ask("POST", "/dicomweb/studies", headers, body + b"--b--\r\n", timeout_s=timeout_s)

    def path_of(self, ds: Dataset) -> str:
        return f"/dicomweb/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"

    def echo(self) -> int:
        with client.connect(
            "127.0.0.1",
            self.server.dicom_port,
            called_ae="FILMLESS",
            calling_ae="TEST",
            contexts=[(VERIFICATION, [IMPLICIT_LE])],
        ) as association:
            return association.echo()

    @contextmanager
    def unharmed(self, grows_mib: float = 96.0, answers_s: float = 20.0) -> Iterator[None]:
        """While the block runs somebody else is served by both doors; memory stays flat and no process dies."""
        before = {pid: anonymous_mib(pid) for pid in self.pids}
        peak, stop, served, slowest = dict(before), threading.Event(), [0], [0.0]

        def watch() -> None:
            while not stop.wait(0.01):
                for pid, highest in list(peak.items()):
                    peak[pid] = max(highest, anonymous_mib(pid))

        def bystander() -> None:
            while True:
                began = time.monotonic()
                try:
                    assert self.ask("GET", "/dicomweb/studies?limit=1", timeout_s=answers_s).status == 200
                    assert self.echo() == 0
                except Exception as error:
                    self.failures.append(f"somebody else was not served: {error!r}")
                served[0] += 1
                slowest[0] = max(slowest[0], time.monotonic() - began)
                if stop.wait(0.2):
                    return

        threads = [threading.Thread(target=each) for each in (watch, bystander)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        failures, self.failures = self.failures, []
        assert failures == []
        assert served[0] >= 1
        assert children_of(self.server.process.pid if self.server.process else 0).keys() == self.pids.keys()
        grown = {self.pids[pid][-40:]: round(peak[pid] - before[pid]) for pid in peak}
        assert max(grown.values()) <= grows_mib, grown


def find(target: Target, identifier: bytes, transfer_syntax: str) -> c.Command:
    """Send a C-FIND-RQ with these bytes; return the final response."""
    with connect(
        "127.0.0.1",
        target.server.dicom_port,
        called_ae="FILMLESS",
        calling_ae="TEST",
        contexts=[(STUDY_FIND, [transfer_syntax])],
    ) as association:
        (context,) = association.contexts.values()
        request: dict[int, c.Value] = {
            c.AFFECTED_SOP_CLASS_UID: STUDY_FIND,
            c.COMMAND_FIELD: c.C_FIND_RQ,
            c.MESSAGE_ID: 1,
            c.PRIORITY: 0,
            c.COMMAND_DATA_SET_TYPE: c.DATA_SET,
        }
        association.send_message(context.context_id, request, identifier)
        while True:
            _, answer = association.read_command(20)
            if not c.is_pending(answer.status):
                return answer
