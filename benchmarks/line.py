"""A line of so many Mbit/s and so many ms between a browser and a server: a TCP proxy that takes its time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

PIECE = 8192
PIECES_AHEAD_MAX = 64  # what a connection may hold that is still on its way


class _Way:
    """One direction, shared by all connections: bytes leave one after the other and arrive a while later."""

    def __init__(self, mbit: float, delay_s: float) -> None:
        self._bytes_per_s, self._delay_s, self._free_at = mbit * 1e6 / 8, delay_s, 0.0

    def arrives_at(self, count: int) -> float:
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + count / self._bytes_per_s
        return self._free_at + self._delay_s

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes until it ends."""
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES_AHEAD_MAX)

        async def deliver() -> None:
            while True:
                when, piece = await on_the_way.get()
                await asyncio.sleep(max(0.0, when - asyncio.get_running_loop().time()))
                if not piece:
                    with contextlib.suppress(OSError):
                        writer.write_eof()
                    return
                writer.write(piece)
                await writer.drain()

        delivery = asyncio.create_task(deliver())
        try:
            while not delivery.done():
                piece = await reader.read(PIECE)
                await on_the_way.put((self.arrives_at(len(piece)), piece))
                if not piece:
                    break
            await delivery
        except (ConnectionError, TimeoutError):
            delivery.cancel()


@contextlib.contextmanager
def line_to(port: int, *, mbit: float, round_trip_ms: float) -> Iterator[int]:
    """Give a port on loopback whose connections reach `port` over the line; each is opened a round trip late."""
    loop, opened = asyncio.new_event_loop(), threading.Event()
    delay_s = round_trip_ms / 2e3
    up, down = _Way(mbit, delay_s), _Way(mbit, delay_s)
    ports: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * delay_s)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(up.carry(reader, far_writer), down.carry(far_reader, writer))
            far_writer.close()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        opened.set()
        with contextlib.suppress(asyncio.CancelledError):
            await server.serve_forever()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(task)
        for left in asyncio.all_tasks(loop):
            left.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    task = loop.create_task(serve())
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    opened.wait(10)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
