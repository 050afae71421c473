"""Event streams: to whom, from where on, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from callers import principal_of
from filmless.access.principal import Principal
from filmless.api import streams
from filmless.api.streams import Broadcaster, may_hear, stream
from filmless.archive import Archive, events
from filmless.archive.events import Event
from filmless.errors import Unavailable

RADIOLOGIST = principal_of("radiologist")


class Listener:
    """The server's side of one open stream, without the wire."""

    def __init__(self, principal: Principal | None = RADIOLOGIST) -> None:
        self.principal = principal
        self.is_gone = False
        self.scope = {"filmless.recognise": self.recognise}

    async def recognise(self) -> Principal | None:
        return self.principal

    async def is_disconnected(self) -> bool:
        return self.is_gone

    def open(self, archive: Archive, broadcaster: Broadcaster, start_id: int | None = None) -> AsyncIterator[bytes]:
        request: Any = SimpleNamespace(scope=self.scope, is_disconnected=self.is_disconnected)
        assert self.principal is not None
        return stream(archive, self.principal, request, broadcaster, start_id)


def publish(archive: Archive, name: str, key: str, study_instance_uid: str | None = None) -> int:
    with archive.transaction() as session:
        return events.publish(session, name, key, study_instance_uid)


async def read(lines: AsyncIterator[bytes]) -> str:
    return (await asyncio.wait_for(anext(lines), 5)).decode()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "POLL_S", 0.01)
    monkeypatch.setattr(streams, "RECHECK_S", 0.0)


def test_what_happens_is_told_to_every_listener(archive: Archive) -> None:
    async def play() -> list[str]:
        broadcaster = Broadcaster(archive)
        listeners = [Listener().open(archive, broadcaster) for _ in range(3)]
        for lines in listeners:
            assert await read(lines) == "retry: 2000\n\n"
        publish(archive, "study", "1.2.3", "1.2.3")
        return [await read(lines) for lines in listeners]

    told = asyncio.run(play())

    assert told == ['id: 1\nevent: study\ndata: {"name": "study", "key": "1.2.3"}\n\n'] * 3


def test_what_happened_before_is_not_told(archive: Archive) -> None:
    publish(archive, "study", "1.1", "1.1")

    async def play() -> str:
        lines = Listener().open(archive, Broadcaster(archive))
        await read(lines)
        publish(archive, "study", "1.2", "1.2")
        return await read(lines)

    assert '"1.2"' in asyncio.run(play())


def test_a_listener_that_comes_back_hears_what_it_missed_once(archive: Archive) -> None:
    first = publish(archive, "study", "1.1", "1.1")
    publish(archive, "study", "1.2", "1.2")

    async def play() -> list[str]:
        lines = Listener().open(archive, Broadcaster(archive), start_id=first)
        await read(lines)
        missed = await read(lines)
        publish(archive, "study", "1.3", "1.3")
        return [missed, await read(lines)]

    missed, new = asyncio.run(play())
    assert '"1.2"' in missed
    assert '"1.3"' in new


def test_a_listener_that_missed_too_much_is_told_to_fetch_anew(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BEHIND_MAX", 3)
    for number in range(6):
        publish(archive, "study", f"1.{number}", f"1.{number}")

    async def play() -> str:
        lines = Listener().open(archive, Broadcaster(archive), start_id=1)
        await read(lines)
        return await read(lines)

    assert asyncio.run(play()) == 'id: 6\nevent: reset\ndata: {"name": "reset", "key": ""}\n\n'


def test_a_quiet_stream_shows_that_it_lives(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.02)

    async def play() -> str:
        lines = Listener().open(archive, Broadcaster(archive))
        await read(lines)
        return await read(lines)

    assert asyncio.run(play()).startswith(":")


def test_whose_right_ends_hears_no_more(archive: Archive) -> None:
    async def play() -> None:
        listener = Listener()
        lines = listener.open(archive, Broadcaster(archive))
        await read(lines)
        listener.principal = None
        publish(archive, "study", "1.2", "1.2")
        with pytest.raises(StopAsyncIteration):
            await read(lines)

    asyncio.run(play())


def test_a_browser_that_went_away_is_let_go(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.02)

    async def play() -> Broadcaster:
        broadcaster = Broadcaster(archive)
        listener = Listener()
        lines = listener.open(archive, broadcaster)
        await read(lines)
        listener.is_gone = True
        with pytest.raises(StopAsyncIteration):
            await read(lines)
        return broadcaster

    broadcaster = asyncio.run(play())
    assert not broadcaster._queues
    assert broadcaster._poller is None


def test_a_listener_that_does_not_read_is_cut_off(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEHIND_MAX", 2)

    async def play() -> None:
        broadcaster = Broadcaster(archive)
        slow, quick = Listener().open(archive, broadcaster), Listener().open(archive, broadcaster)
        await read(slow)
        await read(quick)
        for number in range(8):
            publish(archive, "study", f"1.{number}", f"1.{number}")
            assert f'"1.{number}"' in await read(quick)
        with pytest.raises(StopAsyncIteration):
            await read(slow)

    asyncio.run(play())


def test_a_server_that_goes_down_ends_every_stream_and_takes_no_new_one(archive: Archive) -> None:
    async def play() -> None:
        broadcaster = Broadcaster(archive)
        lines = Listener().open(archive, broadcaster)
        await read(lines)
        broadcaster.stop()
        with pytest.raises(StopAsyncIteration):
            await read(lines)
        with pytest.raises(Unavailable):
            await broadcaster.join()

    asyncio.run(play())


def test_listeners_are_bounded(archive: Archive) -> None:
    async def play() -> None:
        broadcaster = Broadcaster(archive)
        for _ in range(archive.settings.event_streams_max):
            broadcaster._queues.add(asyncio.Queue())
        with pytest.raises(Unavailable):
            await broadcaster.join()

    asyncio.run(play())


def test_an_event_about_a_study_reaches_only_those_who_may_see_it(archive: Archive) -> None:
    event = Event(1, 0.0, "study", "1.2.3", "1.2.3")
    blind = principal_of("clinician", rights=frozenset({"store"}))

    assert may_hear(archive, RADIOLOGIST, event)
    assert not may_hear(archive, blind, event)


def test_an_event_about_no_study_reaches_only_administrators(archive: Archive) -> None:
    event = Event(1, 0.0, "job", "17", None)

    assert may_hear(archive, principal_of("administrator"), event)
    assert not may_hear(archive, RADIOLOGIST, event)


def test_a_name_cannot_break_out_of_its_line() -> None:
    told = streams.encode(Event(1, 0.0, "a\nevent: b", 'x"\n\ndata: y', None)).decode()

    assert told == 'id: 1\nevent: aevent: b\ndata: {"name": "aevent: b", "key": "x\\"\\n\\ndata: y"}\n\n'
