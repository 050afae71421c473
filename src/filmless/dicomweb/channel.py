"""The notification channel (PS3.18 8.10): event reports of workitems on a WebSocket, each a data set in DICOM JSON.

What was told while no channel was open is told when one is. A report is struck only once the connection outlived it a
little: told twice is better than not at all. What the client sends is not read.
"""

from __future__ import annotations

import asyncio
import re
import time
from itertools import cycle
from typing import Any, Final
from urllib.parse import unquote

import orjson
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.errors import FilmlessError, Unavailable
from filmless.worklist import attributes as at
from filmless.worklist import channels
from filmless.worklist.channels import Channel
from filmless.worklist.reports import Report
from filmless.worklist.workitems import require_reading

log = structlog.get_logger()

POLL_S: Final = 0.25
RECHECK_S: Final = 15.0
"""So often it is looked up whether the caller still may listen, and whether another channel took over."""

OUTLIVE_S: Final = 0.2
MESSAGE_IDS: Final = range(1, 65536)

GOING_AWAY, NOT_ALLOWED, TRY_LATER, TAKEN_OVER = 1001, 1008, 1013, 4000

_PATH = re.compile(r"(?:/ws)?/subscribers/([^/]{1,64})")


class EventChannels:
    """The channels that are open in this process."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._woken: dict[Channel, asyncio.Event] = {}
        self._poller: asyncio.Task[None] | None = None
        self._is_stopping = False

    def stop(self) -> None:
        """Close all channels: the process ends."""
        self._is_stopping = True
        for woken in self._woken.values():
            woken.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one channel until either side closes it."""
        principal: Principal | None = scope.get("filmless.principal")
        match = _PATH.fullmatch(scope["path"].removeprefix(scope.get("root_path", "")))
        if principal is None or match is None:
            await _close(send, NOT_ALLOWED)
            return
        if self._is_stopping or len(self._woken) >= self._archive.settings.workitem_channels_max:
            await _close(send, TRY_LATER)
            return
        await receive()  # the request to connect
        try:
            channel = await run_in_threadpool(channels.open_channel, self._archive, principal, unquote(match[1]))
        except FilmlessError as error:
            log.info("channel_refused", caller=principal.name, reason=str(error))
            await _close(send, TRY_LATER if isinstance(error, Unavailable) else NOT_ALLOWED)
            return
        await send({"type": "websocket.accept"})
        for other, woken in self._woken.items():
            if other.subscriber_key == channel.subscriber_key:
                woken.set()  # this one takes over
        self._woken[channel] = asyncio.Event()
        self._woken[channel].set()
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), name="channels")
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            code = await self._tell(scope, principal, channel, gone, send)
            if not gone.done():
                gone.cancel()  # granian does not close while it is waited for what the client sends
                await asyncio.wait({gone})
                await _close(send, code)
        finally:
            gone.cancel()
            del self._woken[channel]
            await run_in_threadpool(self._let_go, channel)

    def _let_go(self, channel: Channel) -> None:
        try:
            channels.close_channel(self._archive, channel)
        except Unavailable as error:  # it is taken over by whoever comes next
            log.info("channel_not_closed", reason=str(error))

    async def _tell(
        self, scope: Scope, principal: Principal, channel: Channel, gone: asyncio.Future[None], send: Send
    ) -> int:
        """Give reports as they come; gives the code to close with."""
        woken, checked_at = self._woken[channel], time.monotonic()
        numbers = cycle(MESSAGE_IDS)
        while not gone.done():
            waiting: asyncio.Future[Any] = asyncio.ensure_future(woken.wait())
            both: set[asyncio.Future[Any]] = {gone, waiting}
            await asyncio.wait(both, timeout=RECHECK_S, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if self._is_stopping:
                return GOING_AWAY
            try:
                if time.monotonic() - checked_at >= RECHECK_S:
                    checked_at = time.monotonic()
                    if not await self._may_listen(scope):
                        return NOT_ALLOWED
                    if not await run_in_threadpool(channels.is_current, self._archive, channel):
                        return TAKEN_OVER
                woken.clear()
                given = await run_in_threadpool(channels.read, self._archive, channel)
                if given is None:
                    return TAKEN_OVER
                if given and await self._give(given, numbers, gone, send):
                    await run_in_threadpool(channels.strike, self._archive, principal, channel, given)
                    woken.set()  # there may be more
            except Unavailable as error:
                log.info("channel_waits", reason=str(error))
                await asyncio.sleep(POLL_S)
        return GOING_AWAY

    async def _give(self, given: list[Report], numbers: Any, gone: asyncio.Future[None], send: Send) -> bool:
        """Send reports; says whether the connection outlived them. One that takes nothing for too long is given up."""
        for report in given:
            text = orjson.dumps(_message(report, next(numbers))).decode()
            try:
                await asyncio.wait_for(
                    send({"type": "websocket.send", "text": text}), self._archive.settings.network_timeout_s
                )
            except (TimeoutError, OSError, RuntimeError):  # the servers raise different ones for a closed connection
                gone.cancel()
                await asyncio.wait({gone})
                return False
        await asyncio.wait({gone}, timeout=OUTLIVE_S)
        return not gone.done()

    async def _may_listen(self, scope: Scope) -> bool:
        recognise = scope.get("filmless.recognise")
        principal = scope["filmless.principal"] if recognise is None else await recognise()
        if principal is None:
            return False
        try:
            require_reading(principal)
        except FilmlessError:
            return False
        return True

    async def _poll(self) -> None:
        """Wake the channels for which reports wait: one look for all."""
        while self._woken:
            await asyncio.sleep(POLL_S)
            keys = [channel.subscriber_key for channel in self._woken]
            try:
                found = await run_in_threadpool(channels.with_reports, self._archive, keys)
            except Unavailable:
                continue
            for channel, woken in self._woken.items():
                if channel.subscriber_key in found:
                    woken.set()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def _close(send: Send, code: int) -> None:
    """Close; before it was accepted, that answers 403."""
    await send({"type": "websocket.close", "code": code})


def _message(report: Report, number: int) -> dict[str, Any]:
    """Write an event report as PS3.18 8.10.5 has it."""
    return {
        "00000002": {"vr": "UI", "Value": [at.PUSH_SOP_CLASS]},
        "00000110": {"vr": "US", "Value": [number]},
        "00001000": {"vr": "UI", "Value": [report.workitem_uid]},
        "00001002": {"vr": "US", "Value": [report.event_type]},
        **report.information,
    }
