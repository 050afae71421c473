"""All frames of a CT series over a line of 50 Mbit/s: as stored, and as the HTJ2K copies that the server keeps.

    python benchmarks/renditions.py [--slices 100] [--side 512] [--mbit 50]

The line is a limit on how fast this process takes bytes from its six connections, as many as a browser opens.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import queue
import tempfile
import threading
import time
from pathlib import Path

import servers
from data import Slice, Source
from load import Sink, Web, store

RPCL = "1.2.840.10008.1.2.4.202"
STORED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
COPIES = f'{STORED}, multipart/related; type="image/jphc"; transfer-syntax={RPCL}'
CONNECTIONS = 6
PIECE = 8192


class Line:
    """A line that lets so many bytes through in a second, whoever they are for."""

    def __init__(self, mbit: float) -> None:
        self._bytes_per_s = mbit * 1e6 / 8
        self._lock = threading.Lock()
        self._free_at = 0.0
        self.bytes = 0

    def carry(self, count: int) -> None:
        """Wait until these bytes would have arrived."""
        with self._lock:
            self._free_at = max(self._free_at, time.perf_counter()) + count / self._bytes_per_s
            arrives_at = self._free_at
            self.bytes += count
        time.sleep(max(0.0, arrives_at - time.perf_counter()))


def fetch_all(web: Web, paths: list[str], accept: str, mbit: float) -> tuple[int, float]:
    """Fetch all paths over the line; give bytes of bodies and seconds."""
    line, waiting = Line(mbit), queue.SimpleQueue[str]()
    for path in paths:
        waiting.put(path)

    def client() -> None:
        connection = http.client.HTTPConnection(web.host, web.port, timeout=300)
        while True:
            try:
                path = waiting.get_nowait()
            except queue.Empty:
                connection.close()
                return
            connection.request("GET", web.root + path, headers=web.headers | {"Accept": accept})
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"{path}: {answer.status}")
            while piece := answer.read(PIECE):
                line.carry(len(piece))

    threads = [threading.Thread(target=client) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return line.bytes, time.perf_counter() - began


def has_copies(web: Web, paths: list[str]) -> bool:
    """Whether the last frame comes as a copy."""
    connection = http.client.HTTPConnection(web.host, web.port, timeout=60)
    connection.request("GET", web.root + paths[-1], headers=web.headers | {"Accept": COPIES})
    return RPCL.encode() in connection.getresponse().read()


def wait_for_copies(web: Web, paths: list[str]) -> None:
    """Wait until the series has its copies."""
    end = time.monotonic() + 600
    while not has_copies(web, paths):
        if time.monotonic() > end:
            raise RuntimeError("no copies after ten minutes")
        time.sleep(21)  # who asked for a series that has none is told so again for 20 s


def path_of(one: Slice) -> str:
    """The address of the one frame of a slice."""
    return f"/studies/{one.study}/series/{one.series}/instances/{one.instance}/frames/1"


def main() -> None:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--slices", type=int, default=100)
    words.add_argument("--side", type=int, default=512)
    words.add_argument("--mbit", type=float, default=50)
    asked = words.parse_args()
    slices = Source(11, asked.side).study(asked.slices, per_series=asked.slices)
    paths = [path_of(one) for one in slices]
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(Sink()) as sink,
        servers.filmless(Path(folder) / "filmless", sink.port, series_quiet_s="1") as server,
    ):
        store(server.peer, [slices], quickack=True)
        wait_for_copies(server.web, paths)
        for what, accept in (("as stored", STORED), ("HTJ2K copies", COPIES)):
            size, seconds = fetch_all(server.web, paths, accept, asked.mbit)
            print(f"{what:14} {size:12,} bytes {seconds:7.2f} s for {len(paths)} frames at {asked.mbit:g} Mbit/s")


if __name__ == "__main__":
    main()
