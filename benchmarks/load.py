"""Load generators. Each sender is a process of its own that prepares its messages before the clock starts."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from data import Slice

from dimse import (
    C_FIND_RQ,
    C_GET_RQ,
    C_MOVE_RQ,
    C_STORE_RQ,
    CT_STORAGE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    STUDY_FIND,
    STUDY_GET,
    STUDY_MOVE,
    Peer,
    accept,
    associate,
    command,
    element,
    p_data,
    store_response,
    uid,
)

_STUDY_KEYS = (
    0x00080020, 0x00080030, 0x00080050, 0x00080061, 0x00081030, 0x00100010, 0x00100020, 0x00100030, 0x00100040,
    0x0020000D, 0x00200010, 0x00201206, 0x00201208,
)  # fmt: skip
FORK = mp.get_context("fork")


@dataclass
class Run:
    """What came of one run: things done, bytes moved, seconds, and each thing's time."""

    count: int
    size_bytes: int
    seconds: float
    latencies_s: list[float]
    failed: int = 0

    @property
    def per_second(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0

    @property
    def mb_per_second(self) -> float:
        return self.size_bytes / self.seconds / 1e6 if self.seconds else 0.0

    @property
    def median_s(self) -> float:
        return sorted(self.latencies_s)[len(self.latencies_s) // 2] if self.latencies_s else 0.0


def side_by_side(work: list[Callable[[Callable[[], None]], tuple[float, float, Run]]]) -> Run:
    """Run each piece of work in a process of its own; they start together when all are prepared."""
    start, results = FORK.Barrier(len(work)), FORK.Queue()

    def body(piece: Callable[[Callable[[], None]], tuple[float, float, Run]]) -> None:
        try:
            results.put(piece(lambda: (start.wait(), None)[1]))
        except BaseException as error:
            start.abort()
            results.put(f"{type(error).__name__}: {error}")

    processes = [FORK.Process(target=body, args=(piece,), daemon=True) for piece in work]
    for process in processes:
        process.start()
    done = [results.get(timeout=300) for _ in processes]
    for process in processes:
        process.join(10)
    problems = [outcome for outcome in done if isinstance(outcome, str)]
    if problems:
        raise RuntimeError("; ".join(sorted(set(problems))))
    runs = [outcome[2] for outcome in done]
    return Run(
        sum(run.count for run in runs),
        sum(run.size_bytes for run in runs),
        max(outcome[1] for outcome in done) - min(outcome[0] for outcome in done),
        [latency for run in runs for latency in run.latencies_s],
        sum(run.failed for run in runs),
    )


def _store_messages(slices: list[Slice], pdu_max: int) -> Iterator[tuple[bytes, bytes]]:
    """Cut each instance into what is its own and the PDUs that all share, so that little is copied."""
    step = pdu_max - 6
    shared: dict[tuple[int, int], bytes] = {}
    for number, instance in enumerate(slices):
        told = command(
            C_STORE_RQ,
            message_id=number % 65535 + 1,
            has_dataset=True,
            e0002=uid(CT_STORAGE),
            e0700=b"\0\0",
            e1000=uid(instance.instance),
        )
        head, tail = instance.head, instance.tail
        own = p_data(1, told, is_command=True, pdu_max=pdu_max)
        # The first PDUs hold the head and as much of the tail as fills the last of them.
        filled = -len(head) % step
        if filled >= len(tail):
            yield own + p_data(1, head + tail, is_command=False, pdu_max=pdu_max), b""
            continue
        first = head + tail[:filled]
        for start in range(0, len(first), step):
            part = first[start : start + step]
            own += struct.pack(">BBIIBB", 4, 0, len(part) + 6, len(part) + 2, 1, 0) + part
        key = (id(tail), filled)
        if key not in shared:
            shared[key] = p_data(1, tail[filled:], is_command=False, pdu_max=pdu_max)
        yield own, shared[key]


def store(peer: Peer, batches: list[list[Slice]], *, quickack: bool, seconds_max: float = 1e9) -> Run:
    """Send each batch over an association of its own, one instance after the answer to the one before."""

    def sender(batch: list[Slice]) -> Callable[[Callable[[], None]], tuple[float, float, Run]]:
        def send(wait: Callable[[], None]) -> tuple[float, float, Run]:
            link = associate(peer, [(CT_STORAGE, EXPLICIT_LE)], quickack=quickack)
            messages = list(_store_messages(batch, link.pdu_max))
            answers = link.messages()
            latencies: list[float] = []
            failed = size = 0
            wait()
            began = time.time()
            for own, shared in messages:
                sent = time.perf_counter()
                rest = link.sock.sendmsg([own, shared]) - len(own)
                if rest < len(shared):
                    if rest < 0:
                        link.sock.sendall(own[rest:])
                        rest = 0
                    link.sock.sendall(memoryview(shared)[rest:])
                failed += next(answers).status != 0
                latencies.append(time.perf_counter() - sent)
                size += len(own) + len(shared)
                if time.time() - began > seconds_max:
                    break
            ended = time.time()
            link.release()
            return began, ended, Run(len(latencies), size, 0.0, latencies, failed)

        return send

    return side_by_side([sender(batch) for batch in batches])


def study_keys(**more: bytes) -> bytes:
    """A study-level identifier of a worklist's usual return keys; `more` by tag, t00100020 for Patient ID."""
    keys = dict.fromkeys(_STUDY_KEYS, b"")
    keys[0x00080052] = b"STUDY "
    keys |= {int(tag[1:], 16): value for tag, value in more.items()}
    return b"".join(element(tag >> 16, tag & 0xFFFF, value) for tag, value in sorted(keys.items()))


def find(peer: Peer, identifier: bytes, *, times: int) -> Run:
    """Run a C-FIND `times` times on one association; `count` is the matches of one."""
    link = associate(peer, [(STUDY_FIND, IMPLICIT_LE)])
    told = command(C_FIND_RQ, message_id=1, has_dataset=True, e0002=uid(STUDY_FIND), e0700=b"\0\0")
    latencies, found, status = [], 0, 0
    answers = link.messages()
    began = time.time()
    for _ in range(times):
        sent = time.perf_counter()
        link.send(1, told, identifier)
        found = 0
        for answer in answers:
            if not answer.is_pending:
                status = answer.status
                break
            found += 1
        latencies.append(time.perf_counter() - sent)
    seconds = time.time() - began
    link.release()
    if status:
        raise RuntimeError(f"C-FIND ended with status {status:04X}")
    return Run(found, 0, seconds, latencies)


class Sink:
    """A storage SCP that takes everything and keeps nothing, for C-MOVE; a process of its own."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=32)
        self.port = self.listener.getsockname()[1]
        self.taken = FORK.Value("q", 0)
        self.process = FORK.Process(target=self._serve, daemon=True)
        self.process.start()

    def _serve(self) -> None:
        import threading

        def take(sock: socket.socket) -> None:
            with contextlib.suppress(ConnectionError):
                link = accept(sock)
                for message in link.messages():
                    if message.code == C_STORE_RQ:
                        with self.taken.get_lock():
                            self.taken.value += message.dataset_bytes
                        link.send(message.context, store_response(message))
                    else:  # C-ECHO
                        reply = command(
                            message.code | 0x8000,
                            reply_to=int.from_bytes(message.command[0x0110], "little"),
                            has_dataset=False,
                            e0002=message.command[0x0002],
                            e0900=b"\0\0",
                        )
                        link.send(message.context, reply)

        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=take, args=(sock,), daemon=True).start()

    def close(self) -> None:
        self.process.terminate()
        self.process.join(5)
        self.listener.close()


def move(peer: Peer, sink: Sink, sink_ae: str, study: str) -> Run:
    """C-MOVE one study to the sink."""
    link = associate(peer, [(STUDY_MOVE, IMPLICIT_LE)])
    told = command(
        C_MOVE_RQ, message_id=1, has_dataset=True, e0002=uid(STUDY_MOVE), e0600=sink_ae.encode(), e0700=b"\0\0"
    )
    before, sent = sink.taken.value, time.perf_counter()
    link.send(1, told, _study_identifier(study))
    final = next(answer for answer in link.messages() if not answer.is_pending)
    seconds = time.perf_counter() - sent
    link.release()
    completed = int.from_bytes(final.command.get(0x1021, b""), "little")
    if final.status or not completed:
        raise RuntimeError(f"C-MOVE ended with status {final.status:04X} after {completed} instances")
    return Run(completed, sink.taken.value - before, seconds, [seconds])


def get(peer: Peer, study: str) -> Run:
    """C-GET one study over the association that asks."""
    contexts = [(STUDY_GET, IMPLICIT_LE), (CT_STORAGE, EXPLICIT_LE)]
    link = associate(peer, contexts, scp_roles=(CT_STORAGE,))
    told = command(C_GET_RQ, message_id=1, has_dataset=True, e0002=uid(STUDY_GET), e0700=b"\0\0")
    size = count = 0
    sent = time.perf_counter()
    link.send(1, told, _study_identifier(study))
    for message in link.messages():
        if message.code == C_STORE_RQ:
            size += message.dataset_bytes
            count += 1
            link.send(message.context, store_response(message))
        elif not message.is_pending:
            if message.status:
                raise RuntimeError(f"C-GET ended with status {message.status:04X} after {count} instances")
            break
    seconds = time.perf_counter() - sent
    link.release()
    return Run(count, size, seconds, [seconds])


def _study_identifier(study: str) -> bytes:
    return element(0x0008, 0x0052, b"STUDY ") + element(0x0020, 0x000D, uid(study))


@dataclass
class Web:
    """A web server: address, path of its DICOMweb root, and headers that every request carries."""

    host: str
    port: int
    root: str
    headers: dict[str, str]


class Http:
    """A kept-alive HTTP/1.1 connection that does no more than find where an answer ends."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.rest = bytearray()
        self.buffer = memoryview(bytearray(1 << 20))
        self._connect()

    def _connect(self) -> None:
        self.sock = socket.create_connection((self.web.host, self.web.port), timeout=300)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, path: str, accept_type: str, **headers: str) -> bytes:
        """Encode a GET below the DICOMweb root."""
        lines = [f"GET {self.web.root}{path} HTTP/1.1", f"Host: {self.web.host}:{self.web.port}"]
        lines += [f"Accept: {accept_type}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in (self.web.headers | headers).items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def send(self, request: bytes, *, keep: bool = False) -> tuple[int, int, bytes]:
        """Send one request; give status, length of the body as sent, and the body when `keep`."""
        self.sock.sendall(request)
        while (end := self.rest.find(b"\r\n\r\n")) < 0:
            self._more()
        head = bytes(self.rest[:end]).decode("latin-1").lower()
        del self.rest[: end + 4]
        status = int(head[9:12])
        at = head.find("\r\ncontent-length:")
        kept = bytearray()
        if at >= 0:
            length = int(head[at + 17 :].split("\r\n", 1)[0])
            self._take(length, kept if keep else None)
        elif "transfer-encoding: chunked" in head:
            length = self._take_chunks(kept if keep else None)
        else:  # the end of the connection is the end of the answer
            length = self._take_all(kept if keep else None)
            self._connect()
        return status, length, bytes(kept)

    def _take_all(self, kept: bytearray | None) -> int:
        total = len(self.rest)
        if kept is not None:
            kept += self.rest
        self.rest.clear()
        while got := self.sock.recv_into(self.buffer):
            total += got
            if kept is not None:
                kept += self.buffer[:got]
        self.sock.close()
        return total

    def _more(self) -> None:
        got = self.sock.recv_into(self.buffer)
        if not got:
            raise ConnectionError("the server closed the connection")
        self.rest += self.buffer[:got]

    def _take(self, length: int, kept: bytearray | None) -> None:
        missing = length - len(self.rest)
        if kept is not None:
            kept += self.rest[:length]
        del self.rest[:length]
        while missing > 0:
            got = self.sock.recv_into(self.buffer, min(missing, len(self.buffer)))
            if not got:
                raise ConnectionError("the server closed the connection")
            if kept is not None:
                kept += self.buffer[:got]
            missing -= got

    def _take_chunks(self, kept: bytearray | None) -> int:
        total = 0
        while True:
            while (end := self.rest.find(b"\r\n")) < 0:
                self._more()
            length = int(bytes(self.rest[:end]).split(b";")[0], 16)
            del self.rest[: end + 2]
            self._take(length, kept)
            while len(self.rest) < 2:
                self._more()
            del self.rest[:2]
            if not length:
                return total
            total += length


def fetch(web: Web, requests: list[tuple[str, str]], *, clients: int = 1, seconds_max: float, **headers: str) -> Run:
    """GET (path, Accept) pairs in turn over kept-alive connections until the time is up; at least one per client."""

    def client(number: int) -> Callable[[Callable[[], None]], tuple[float, float, Run]]:
        def work(wait: Callable[[], None]) -> tuple[float, float, Run]:
            http = Http(web)
            encoded = [http.request(path, kind, **headers) for path, kind in requests[number::clients] or requests]
            latencies: list[float] = []
            failed = size = at = 0
            wait()
            began = time.time()
            while not latencies or time.time() - began < seconds_max:
                sent = time.perf_counter()
                status, length, _ = http.send(encoded[at % len(encoded)])
                latencies.append(time.perf_counter() - sent)
                failed += status != 200
                size += length
                at += 1
            return began, time.time(), Run(len(latencies), size, 0.0, latencies, failed)

        return work

    return side_by_side([client(number) for number in range(clients)])


def fetch_once(web: Web, path: str, accept_type: str, **headers: str) -> tuple[int, bytes]:
    """GET one path and keep the body."""
    http = Http(web)
    status, _, body = http.send(http.request(path, accept_type, **headers), keep=True)
    http.sock.close()
    return status, body


def post(web: Web, path: str, parts: list[bytes]) -> Any:
    """STOW-RS a few instances in one request."""
    boundary = b"benchmark-boundary-7f1c"
    body = b"".join(
        b"--" + boundary + b"\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in parts
    )
    body += b"--" + boundary + b"--\r\n"
    http = Http(web)
    lines = [f"POST {web.root}{path} HTTP/1.1", f"Host: {web.host}:{web.port}", f"Content-Length: {len(body)}"]
    lines += [f'Content-Type: multipart/related; type="application/dicom"; boundary={boundary.decode()}']
    lines += ["Accept: application/dicom+json"]
    lines += [f"{name}: {value}" for name, value in web.headers.items()]
    status, _, answer = http.send(("\r\n".join(lines) + "\r\n\r\n").encode() + body, keep=True)
    http.sock.close()
    if status != 200:
        raise RuntimeError(f"STOW-RS answered {status}: {answer[:300]!r}")
    return answer
