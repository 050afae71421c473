"""Frames of the Studies Service (PS3.18 10.4.1.1.6), the path that must be quick.

A frame as stored, of an instance that was asked for lately, of a study that is open, and that the system has in
memory, is answered in the event loop: no thread, no SQL, one read. Anything else takes a thread; what must be decoded
takes one of those that wait for decoders.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers as RequestHeaders
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from filmless.access.policy import Action
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.dicom.compressing import ENCODABLE, LOSSY
from filmless.dicom.pixels import DECODABLE
from filmless.dicom.syntaxes import EXPLICIT_LE
from filmless.dicomweb.answers import (
    PRIVATE,
    Answer,
    Decoding,
    Headers,
    is_fresh,
    not_modified,
    principal_of,
    read_range,
    service_url,
    started,
)
from filmless.dicomweb.multipart import closing, content_type, new_boundary, part_head, part_headers
from filmless.dicomweb.negotiation import FrameForm, choose_frame_form, read_accept
from filmless.errors import NotFound, Refused
from filmless.retrieve.frames import (
    FIX_UPS,
    FrameBytes,
    frame_at_hand,
    served_syntax,
    stored_frame,
    transcoded_frame,
)
from filmless.retrieve.instances import (
    InstanceRecord,
    StoredInstance,
    forget,
    get_record,
    instance_path,
    remembered_record,
)
from filmless.retrieve.opening import is_open, open_study, require
from filmless.retrieve.renditions import (
    SYNTAXES,
    Rendition,
    find_rendition,
    read_rendition,
    remembered_rendition,
)

_FRAMES_MAX: Final = 100_000
_OBTAINABLE: Final = (EXPLICIT_LE, *sorted(ENCODABLE), *sorted(LOSSY))


def frame_routes(archive: Archive, decoding: Decoding) -> list[BaseRoute]:
    """Give the route of this resource."""
    path = "/studies/{study}/series/{series}/instances/{instance}/frames/{frames}"
    return [Route(path, _Frames(archive, decoding), methods=["GET"])]


def read_frame_numbers(text: str) -> list[int]:
    """Read a list of frame numbers, which count from 1.

    Raises
    ------
    Refused: one is not a number above 0, or there are too many.
    """
    parts = text.split(",")
    if len(parts) > _FRAMES_MAX:
        raise Refused(f"{len(parts)} frames in one request; {_FRAMES_MAX} are allowed")
    numbers = []
    for part in map(str.strip, parts):
        if not part.isascii() or not part.isdigit() or len(part) > 9 or int(part) < 1:
            raise Refused(f"{part[:20]!r} is not a frame number: they are whole numbers from 1")
        numbers.append(int(part))
    return numbers


def frame_form(request: Request, instance: StoredInstance, count: int, at_hand: tuple[str, ...] = ()) -> FrameForm:
    """Choose how to send frames of an instance; `at_hand` are the transfer syntaxes in which it has copies.

    Raises
    ------
    NotAcceptable: nothing that is wanted can be had.
    """
    accept = ",".join(request.headers.getlist("accept"))
    wished = tuple(request.query_params.getlist("accept"))
    can_decode = instance.transfer_syntax_uid in DECODABLE
    return _form(accept, wished, served_syntax(instance), can_decode, count, at_hand)


def _takes_copies(request: Request) -> bool:
    """Whether the client may take HTJ2K, so that looking for a copy is worth it."""
    wished = (*request.query_params.getlist("accept"), *request.headers.getlist("accept"))
    return any("jphc" in text or syntax in text for text in wished for syntax in SYNTAXES)


@functools.lru_cache(maxsize=256)
def _form(
    accept: str, wished: tuple[str, ...], stored: str, can_decode: bool, count: int, at_hand: tuple[str, ...]
) -> FrameForm:
    ranges = read_accept(
        RequestHeaders({"accept": accept} if accept else {}), QueryParams([("accept", w) for w in wished])
    )
    return choose_frame_form(ranges, stored, _OBTAINABLE if can_decode else (), count=count, at_hand=at_hand)


def read_frame(archive: Archive, record: InstanceRecord, number: int, syntax: str) -> FrameBytes:
    """Read a frame as stored, or in another transfer syntax.

    Raises
    ------
    NotFound, NotAcceptable, Unavailable
    """
    try:
        if syntax == served_syntax(record.instance):
            return stored_frame(archive, record, number)
        return transcoded_frame(archive, record, number, syntax)
    except NotFound:
        forget(archive, record.instance.sop_instance_uid)
        raise


class _Frames:
    def __init__(self, archive: Archive, decoding: Decoding) -> None:
        self.archive = archive
        self.decoding = decoding

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        principal = principal_of(request)
        made: Answer | Callable[[], Answer] | None = self._at_once(principal, request)
        if made is None:
            made = await run_in_threadpool(self._answer, principal, request)
        if not isinstance(made, Answer):
            made = await self.decoding.run(made)
        await made(scope, receive, send)

    def _at_once(self, principal: Principal, request: Request) -> Answer | None:
        """Make the answer if nothing must be waited for."""
        path = request.path_params
        record = remembered_record(self.archive, path["study"], path["series"], path["instance"])
        if record is None or not path["frames"].isdigit() or not is_open(self.archive, principal, path["study"]):
            return None
        copy = None
        if _takes_copies(request):
            is_sure, copy = remembered_rendition(self.archive, record.instance)
            if not is_sure:
                return None
        wanted = _Wanted(self.archive, request, record, copy)
        if wanted.is_known:
            return not_modified(wanted.headers)
        if not wanted.is_plain or wanted.copy is not None:
            return None
        data = frame_at_hand(self.archive, record, wanted.numbers[0])
        return None if data is None else wanted.answer_one(data)

    def _answer(self, principal: Principal, request: Request) -> Answer | Callable[[], Answer]:
        """Make the answer; of frames that must be decoded, what makes it in another thread."""
        path = request.path_params
        require(principal, Action.VIEW, path["study"])
        record = get_record(self.archive, path["study"], path["series"], path["instance"], with_series=True)
        open_study(self.archive, principal, path["study"])
        copy = find_rendition(self.archive, record.instance) if _takes_copies(request) else None
        wanted = _Wanted(self.archive, request, record, copy)
        if wanted.is_known:
            return not_modified(wanted.headers)
        return wanted.answer() if wanted.is_plain else wanted.answer


class _Wanted:
    """What one request wants of one instance, and the form in which it gets it.

    Raises
    ------
    Refused, NotFound, NotAcceptable: it cannot be had.
    """

    def __init__(
        self, archive: Archive, request: Request, record: InstanceRecord, copy: Rendition | None = None
    ) -> None:
        instance = record.instance
        named: str = request.path_params["frames"]
        self.archive = archive
        self.request = request
        self.record = record
        self.numbers = read_frame_numbers(named)
        beyond = next((number for number in self.numbers if number > instance.number_of_frames), None)
        if beyond is not None:
            raise NotFound(f"frame {beyond} is not among the {instance.number_of_frames} of this instance")
        self.form = frame_form(request, instance, len(self.numbers), SYNTAXES if copy is not None else ())
        self.copy = copy if self.form.transfer_syntax_uid in SYNTAXES else None
        is_stored = self.form.transfer_syntax_uid == served_syntax(instance) and not instance.flags & FIX_UPS
        self.is_plain = is_stored or self.copy is not None
        self.part_type = f"{self.form.media_type}; transfer-syntax={self.form.transfer_syntax_uid}"
        self.etag = f'"{instance.blob[:32]}-{named[:200]}-{self.form.transfer_syntax_uid}"'
        self.headers: Headers = [("Cache-Control", PRIVATE), ("ETag", self.etag), ("Vary", "Accept")]
        self.is_known = is_fresh(request, self.etag)

    def answer(self) -> Answer:
        """Read the frames and make the answer."""
        if len(self.numbers) == 1:
            return self.answer_one(self._read(self.numbers[0]))
        boundary = new_boundary()
        headers = [("Content-Type", content_type(boundary, self.form.media_type)), *self.headers]
        return Answer(200, headers, pieces=started(self._parts(boundary)))

    def answer_one(self, data: bytes | memoryview) -> Answer:
        """Make the answer of one frame: a part by itself, or a multipart of one."""
        if self.form.is_multipart:
            boundary = new_boundary()
            headers = [("Content-Type", content_type(boundary, self.form.media_type)), *self.headers]
            head = part_head(boundary, part_headers(self.part_type, self._location(self.numbers[0]), len(data)))
            return Answer(200, headers, b"".join((head, data, closing(boundary))))
        headers = [("Content-Type", self.part_type), *self.headers, ("Accept-Ranges", "bytes")]
        wanted = read_range(self.request, len(data), self.etag)
        if wanted is None:
            return Answer(200, headers, data)
        start, stop = wanted
        if start == stop:
            return Answer(416, [("Content-Range", f"bytes */{len(data)}")])
        headers.append(("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}"))
        return Answer(206, headers, memoryview(data)[start:stop])

    def _read(self, number: int) -> bytes | memoryview:
        if self.copy is not None:
            data = read_rendition(self.archive, self.record.instance, self.copy, number)
            if data is not None:
                return data
        return read_frame(self.archive, self.record, number, self.form.transfer_syntax_uid).data

    def _location(self, number: int) -> str:
        return f"{service_url(self.archive, self.request)}{instance_path(self.record.instance)}/frames/{number}"

    def _parts(self, boundary: str) -> Iterator[bytes]:
        for number in self.numbers:
            data = self._read(number)
            yield part_head(boundary, part_headers(self.part_type, self._location(number), len(data)))
            yield bytes(data)
        yield closing(boundary)
