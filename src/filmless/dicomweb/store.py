"""STOW-RS: the Store transaction of the Studies Service (PS3.18 10.5). The body is read as it arrives.

The event loop moves pieces of the body into a small pipe; one thread reads parts out of it and stores each. A sender
faster than the disk is held back, and memory does not grow with what is sent.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final, Protocol, cast

import anyio
import anyio.to_thread
import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from filmless import errors
from filmless.access import policy
from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.scanner import ScanLimits, scan
from filmless.dicom.xml import to_xml
from filmless.dicomweb.answers import Answer, principal_of, service_url
from filmless.dicomweb.errors import UnsupportedMediaType
from filmless.dicomweb.multipart import Multipart
from filmless.dicomweb.negotiation import (
    DICOM,
    DICOM_JSON,
    DICOM_XML,
    MULTIPART,
    choose_model_form,
    read_accept,
    read_media_type,
)
from filmless.dicomweb.non_patient import CATEGORIES, Category
from filmless.dicomweb.store_metadata import METADATA, MetadataRequest
from filmless.errors import FilmlessError, NotAcceptable, Refused, TooLarge, Unavailable
from filmless.store.documents import Incomplete, NotSupported
from filmless.store.receive import AnotherAddress, Only, Receipt, receive

log = structlog.get_logger()

_PIPE_BYTES: Final = 4 << 20
_HEAD_BYTES: Final = 16 << 10
_FAR_AWAY: Final = 1 << 62

FAILED_SOP_SEQUENCE: Final = "00081198"
REFERENCED_SOP_SEQUENCE: Final = "00081199"
OTHER_FAILURES_SEQUENCE: Final = "0008119A"
RETRIEVE_URL: Final = "00081190"
WARNING_REASON: Final = "00081196"

# PS3.7 annex C, PS3.4 B.2.3, PS3.18 table 10.5.3-2. The first that fits counts.
_REASONS: Final[list[tuple[type[BaseException], int]]] = [
    (errors.NotAllowed, 0x0124),
    (AnotherAddress, 0xA900),
    (Incomplete, 0xA900),
    (NotSupported, 0xC122),
    (errors.Conflict, 0x0111),
    (errors.Mismatch, 0xA901),
    (errors.TooLarge, 0xA700),
    (errors.Refused, 0xC000),
    (errors.Unavailable, 0xA700),
]
_PROCESSING_FAILURE: Final = 0x0110
_COERCED: Final = 0xB000


class _Readable(Protocol):
    def read(self, size: int = -1) -> bytes: ...


class BodyPipe:
    """What lies between the event loop, which feeds the body, and the thread that reads it."""

    def __init__(self, length_max: int) -> None:
        self._length_max = length_max
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._room.set()
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._total = 0
        self._error: Exception | None = None
        self._is_over = False

    async def feed(self, receive: Receive) -> None:
        """Move the body from the server into the pipe, no faster than it is read."""
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body: bytes = message.get("body", b"")
                self._total += len(body)
                if self._total > self._length_max:
                    raise TooLarge(f"the request is longer than {self._length_max} bytes (stow_request_max_bytes)")
                if body:
                    await self._room.wait()
                    self._put(body)
                if not message.get("more_body", False):
                    return
        except (ClientDisconnect, TooLarge) as error:
            self._error = error
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify()

    def _put(self, body: bytes) -> None:
        with self._changed:
            self._pieces.append(body)
            self._bytes += len(body)
            if self._bytes >= _PIPE_BYTES:
                self._room.clear()
            self._changed.notify()

    def read(self) -> bytes:
        """Take what is there, waiting for something; b"" at the end of the body.

        Raises
        ------
        ClientDisconnect, TooLarge: what came of the body before was all.
        """
        with self._changed:
            while not self._pieces:
                if self._is_over:
                    if self._error is not None:
                        raise self._error
                    return b""
                self._changed.wait()
            data = self._pieces.popleft() if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            was_full = self._bytes >= _PIPE_BYTES
            self._bytes = 0
        if was_full:
            self._loop.call_soon_threadsafe(self._room.set)
        return data


class _Head:
    """Passes a stream on and remembers how it began, to name in the answer what could not be stored."""

    def __init__(self, source: _Readable) -> None:
        self._source = source
        self.head = b""

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        if len(self.head) < _HEAD_BYTES:
            self.head += data[: _HEAD_BYTES - len(self.head)]
        return data

    def readable(self) -> bool:
        return True


class _Whole:
    """A body that is one instance, as a stream."""

    def __init__(self, pipe: BodyPipe) -> None:
        self._pipe = pipe
        self._buffer = bytearray()
        self._is_over = False

    def read(self, size: int = -1) -> bytes:
        while not self._is_over and (size < 0 or len(self._buffer) < size):
            data = self._pipe.read()
            self._is_over = not data
            self._buffer += data
        count = len(self._buffer) if size < 0 else min(size, len(self._buffer))
        taken = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return taken


class Outcome:
    """What became of the parts, written as the Store Instances Response Module (PS3.18 annex I)."""

    def __init__(self, service: str, failures_max: int, category: Category | None = None) -> None:
        self._service = service
        self._category = category
        self._failures_max = failures_max
        self.stored: list[dict[str, Any]] = []
        self.failed: list[dict[str, Any]] = []
        self.others: list[dict[str, Any]] = []
        self.studies: set[str] = set()
        self.allowed = True
        self.is_warned = False
        self.retry_after_s: int | None = None

    def add_stored(self, receipt: Receipt, warnings: list[str]) -> None:
        """Note an instance that is in the archive; what was changed of it is a warning."""
        address = (
            f"{self._service}/studies/{receipt.study_instance_uid}/series/{receipt.series_instance_uid}"
            f"/instances/{receipt.sop_instance_uid}"
        )
        if self._category is not None:
            address = f"{self._service}{self._category.path}/{receipt.sop_instance_uid}"
        else:
            self.studies.add(receipt.study_instance_uid)
        entry = {
            **_reference(receipt.sop_class_uid, receipt.sop_instance_uid),
            RETRIEVE_URL: {"vr": "UR", "Value": [address]},
        }
        if warnings:
            self.is_warned = True
            entry[WARNING_REASON] = {"vr": "US", "Value": [_COERCED]}
            entry["00000902"] = {"vr": "LO", "Value": [text[:64] for text in warnings]}
        self.stored.append(entry)

    def add_failed(self, error: BaseException, class_uid: str, instance_uid: str) -> None:
        """Note a failure under its UIDs, or among those that have none."""
        reason = next((code for kind, code in _REASONS if isinstance(error, kind)), _PROCESSING_FAILURE)
        entry: dict[str, Any] = {"00081197": {"vr": "US", "Value": [reason]}}
        if isinstance(error, FilmlessError):
            entry["00000902"] = {"vr": "LO", "Value": [str(error)[:64]]}  # Error Comment
        if isinstance(error, Unavailable):
            self.retry_after_s = error.retry_after_s
        self.allowed = self.allowed and not isinstance(error, errors.NotAllowed)
        if instance_uid:
            self.failed.append({**_reference(class_uid, instance_uid), **entry})
        else:
            self.others.append(entry)

    @property
    def is_full(self) -> bool:
        """Whether so much failed that the rest is not worth reading."""
        return len(self.failed) + len(self.others) >= self._failures_max

    def end_early(self) -> None:
        """Say that the rest was not read; when nothing was stored, that is the answer.

        Raises
        ------
        TooLarge
        """
        unread = TooLarge(f"{self._failures_max} parts failed; the rest was not read (stow_failures_max)")
        if not self.stored:
            raise unread
        self.add_failed(unread, "", "")

    @property
    def status(self) -> int:
        if not self.failed and not self.others:
            return 202 if self.is_warned else 200
        if self.stored:
            return 202 if self._category is None else 200  # table 12.5.3-1: "at least one"
        if not self.allowed:
            return 403
        return 503 if self.retry_after_s is not None else 409

    def dataset(self) -> dict[str, Any]:
        """Write it as DICOM JSON; empty sequences are left out (PS3.18 I.2)."""
        found: dict[str, Any] = {}
        if len(self.studies) == 1:
            address = f"{self._service}/studies/{next(iter(self.studies))}"
            found[RETRIEVE_URL] = {"vr": "UR", "Value": [address]}
        for tag, items in (
            (FAILED_SOP_SEQUENCE, self.failed),
            (REFERENCED_SOP_SEQUENCE, self.stored),
            (OTHER_FAILURES_SEQUENCE, self.others),
        ):
            if items:
                found[tag] = {"vr": "SQ", "Value": items}
        return found


def _reference(class_uid: str, instance_uid: str) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [class_uid]} if class_uid else {"vr": "UI"},
        "00081155": {"vr": "UI", "Value": [instance_uid]},
    }


def _identity(head: bytes) -> tuple[str, str]:
    """Read SOP class and instance of what could not be stored, as far as its beginning tells them."""
    try:
        header = scan(head, total_length=_FAR_AWAY, limits=ScanLimits(header_max_bytes=_FAR_AWAY))
    except Refused:
        return "", ""
    class_uid = header.text(0x00080016) or header.meta.get("sop_class_uid", "")
    instance_uid = header.text(0x00080018) or header.meta.get("sop_instance_uid", "")
    return class_uid[:64], instance_uid[:64]


@dataclass(frozen=True, slots=True)
class _Coming:
    """A body on its way in: what its (first) parts are, and what stands between them."""

    pipe: BodyPipe
    boundary: str | None
    inner_type: str
    only: Only | None


def store_routes(archive: Archive) -> list[BaseRoute]:
    """Give the routes of this transaction."""
    store = _Store(archive)
    non_patient = (
        Route(path, partial(store, category=category), methods=["POST"])
        for category in CATEGORIES
        for path in (category.path, f"{category.path}/{{uid}}")
    )
    return [*(Route(path, store, methods=["POST"]) for path in ("/studies", "/studies/{study}")), *non_patient]


class _Store:
    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(
        self, scope: Scope, receive_message: Receive, send: Send, *, category: Category | None = None
    ) -> None:
        request = Request(scope, receive_message)
        principal = principal_of(request)
        policy.require(principal, Action.STORE, request.path_params.get("study"))
        media_type, parameters = read_media_type(request.headers.get("content-type", ""))
        _check_type(media_type, parameters)
        is_xml = _prefers_xml(request)
        length_max = self.archive.settings.stow_request_max_bytes
        if (coding := request.headers.get("content-encoding", "identity")).lower() != "identity":
            raise UnsupportedMediaType(f"a body in the content coding {coding[:60]!r} is not read; send it as it is")
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > length_max:
            raise TooLarge(f"the request has {declared} bytes; {length_max} are allowed (stow_request_max_bytes)")
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self.archive.settings.stow_requests_max)
        pipe = BodyPipe(length_max)
        outcome = Outcome(service_url(self.archive, request), self.archive.settings.stow_failures_max, category)
        async with self._limiter:
            feeding = asyncio.ensure_future(pipe.feed(receive_message))
            try:
                inner = parameters.get("type", DICOM).lower() if media_type == MULTIPART else media_type
                only = None if category is None else Only(category.sop_class_uids, request.path_params.get("uid"))
                coming = _Coming(pipe, parameters.get("boundary") if media_type == MULTIPART else None, inner, only)
                await anyio.to_thread.run_sync(self._read, coming, principal, request, outcome, abandon_on_cancel=False)
            except ClientDisconnect:
                return
            finally:
                feeding.cancel()
        headers = [("Content-Type", DICOM_XML if is_xml else DICOM_JSON), ("Cache-Control", "no-store")]
        if outcome.retry_after_s is not None:
            headers.append(("Retry-After", str(outcome.retry_after_s)))
        body = to_xml(outcome.dataset()) if is_xml else orjson.dumps(outcome.dataset())
        await Answer(outcome.status, headers, body)(scope, receive_message, send)

    def _read(self, coming: _Coming, principal: Principal, request: Request, outcome: Outcome) -> None:
        """Store the parts one after the other, in a thread."""
        name = str(uuid.uuid4())  # one audit row for all that this request brings of a study
        study = request.path_params.get("study")
        if coming.inner_type == DICOM:
            self._read_instances(coming, principal, study, name, outcome)
        else:
            base = f"{service_url(self.archive, request)}/studies"
            metadata = MetadataRequest(
                self.archive, principal, outcome, base=base, study=study, request=name, only=coming.only
            )
            if coming.boundary is None:
                metadata.read_alone(_Whole(coming.pipe).read, coming.inner_type)
            else:
                metadata.read(Multipart(coming.pipe.read, coming.boundary), coming.inner_type)
        if not (outcome.stored or outcome.failed or outcome.others):
            raise Refused("the request holds no instance")

    def _read_instances(
        self, coming: _Coming, principal: Principal, study: str | None, name: str, outcome: Outcome
    ) -> None:
        for stream in _streams(coming.pipe, coming.boundary):
            head = _Head(stream)
            try:
                receipt = receive(
                    self.archive,
                    principal,
                    cast("BinaryIO", head),
                    expected_study_uid=study,
                    request=name,
                    only=coming.only,
                )
            except ClientDisconnect:
                raise
            except FilmlessError as error:
                outcome.add_failed(error, *_identity(head.head))
            except Exception as error:  # one part's bug must not take the others with it
                log.exception("a part was not stored", study=study)
                outcome.add_failed(error, *_identity(head.head))
            else:
                outcome.add_stored(receipt, [])
            if outcome.is_full:
                outcome.end_early()
                return


def _prefers_xml(request: Request) -> bool:
    """Whether the answer is wanted in XML. Who accepts neither form still stores, and hears of it in JSON."""
    try:
        return choose_model_form(read_accept(request.headers, request.query_params), is_single=True).is_xml
    except NotAcceptable:
        return False


def _check_type(media_type: str, parameters: dict[str, str]) -> None:
    if media_type == DICOM or media_type in METADATA:
        return
    if media_type != MULTIPART:
        raise UnsupportedMediaType(
            f'instances come as {MULTIPART}; type="{DICOM}" or as one {DICOM}; metadata as {DICOM_JSON} or {DICOM_XML},'
            " with bulk data in a multipart"
        )
    if not parameters.get("boundary"):
        raise Refused("the Content-Type names no boundary")
    inner = parameters.get("type", DICOM).lower()
    if inner != DICOM and inner not in METADATA:
        raise UnsupportedMediaType(f"parts of type {inner[:60]} are not read; {DICOM}, {DICOM_JSON}, {DICOM_XML} are")


def _streams(pipe: BodyPipe, boundary: str | None) -> Iterator[_Readable]:
    if boundary is None:
        yield _Whole(pipe)
        return
    yield from Multipart(pipe.read, boundary).parts()
