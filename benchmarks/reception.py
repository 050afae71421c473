"""Times reception alone: threads that begin, write and finish, no network. Beside it, a bare write-hash-fsync loop.

python benchmarks/reception.py [--instances 1500] [--threads 1,4] [--kilobytes 512,128,8] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import os
import pstats
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / name) for name in ("src", "tests")]


import make
from filmless.access.policy import EVERYTHING
from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.config import Settings
from filmless.store.receive import begin

CHUNK_BYTES = 1 << 17


class Slices:
    """Data sets of one series that differ in UID and number, made by patching one: cheap next to what is timed."""

    def __init__(self, kilobytes: int, filler_bytes: int = 3000) -> None:
        columns = 512 if kilobytes > 100 else 64
        rows = max(1, kilobytes * 1024 // columns // 2)
        self.uid = "1.2.826.0.1.3680043.8.498.1" + "0" * 30
        template = make.ct_slice(rows=rows, columns=columns, SOPInstanceUID=self.uid)
        template.add_new(0x00291010, "OB", os.urandom(filler_bytes))  # as long as the header of a real CT
        template.add_new(0x00290010, "LO", "BENCH")
        self.series = str(template.SeriesInstanceUID).encode()
        self.data = make.dataset_bytes(template)

    def make(self, worker: int, number: int) -> tuple[str, bytes]:
        uid = f"{self.uid[:-16]}{worker:04d}{number:08d}{int(time.time()) % 10000:04d}"
        assert len(uid) == len(self.uid)
        return uid, self.data.replace(self.uid.encode(), uid.encode(), 1)

    def of_series(self, worker: int) -> Slices:
        """The same in a series of its own."""
        other = object.__new__(Slices)
        other.uid = self.uid
        other.series = self.series[:-3] + f"{worker:03d}".encode()
        other.data = self.data.replace(self.series, other.series, 1)
        return other


def timed(work: Callable[[int], None], threads: int) -> float:
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    began_at = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - began_at


def receive_all(archive: Archive, slices: Slices, threads: int, instances: int) -> float:
    """Instances per second through `begin`, `write`, `finish`."""
    peer = Principal("peer", 1, "BENCH", frozenset(), EVERYTHING, "127.0.0.1", "dimse")
    per_thread = instances // threads

    def work(worker: int) -> None:
        mine = slices.of_series(worker)
        for number in range(per_thread):
            uid, data = mine.make(worker, number)
            view = memoryview(data)
            reception = begin(
                archive,
                peer,
                sop_class_uid=make.CT,
                sop_instance_uid=uid,
                transfer_syntax_uid=make.EXPLICIT_LE,
                request=f"bench {worker}",
            )
            for start in range(0, len(data), CHUNK_BYTES):
                reception.write(view[start : start + CHUNK_BYTES])
            reception.finish()

    return per_thread * threads / timed(work, threads)


def write_all(folder: Path, slices: Slices, threads: int, instances: int) -> float:
    """Files per second: hash, write, fdatasync, rename, fsync of the folder."""
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    per_thread = instances // threads

    def work(worker: int) -> None:
        for number in range(per_thread):
            _, data = slices.make(worker, number)
            name = hashlib.sha256(data).hexdigest()
            temporary = folder / secrets.token_hex(8)
            file = os.open(temporary, os.O_CREAT | os.O_WRONLY)
            os.write(file, data)
            os.fdatasync(file)
            os.close(file)
            temporary.rename(folder / name)
            os.fsync(descriptor)

    rate = per_thread * threads / timed(work, threads)
    os.close(descriptor)
    return rate


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--instances", type=int, default=1500)
    parser.add_argument("--threads", default="1,4")
    parser.add_argument("--kilobytes", default="512,128,8")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    print(f"{'size':>8} {'threads':>7} {'received/s':>11} {'bare/s':>8} {'ratio':>6}")
    for kilobytes in map(int, options.kilobytes.split(",")):
        slices = Slices(kilobytes)
        for threads in map(int, options.threads.split(",")):
            root = Path(tempfile.mkdtemp(dir=options.folder))
            try:
                bare = write_all(root / "bare", slices, threads, options.instances)
                with Archive.open(Settings(data=root / "data")) as archive:
                    if options.profile:
                        profile(archive, slices, options.instances)
                        continue
                    received = receive_all(archive, slices, threads, options.instances)
            finally:
                shutil.rmtree(root)
            print(f"{kilobytes:>5} kB {threads:>7} {received:>11.0f} {bare:>8.0f} {received / bare:>6.2f}")


def profile(archive: Archive, slices: Slices, instances: int) -> None:
    """Where the time of one thread goes."""
    real = threading.Thread.run
    profiler = cProfile.Profile()
    threading.Thread.run = lambda self: profiler.runcall(real, self)  # type: ignore[method-assign]
    try:
        receive_all(archive, slices, 1, instances)
    finally:
        threading.Thread.run = real  # type: ignore[method-assign]
    pstats.Stats(profiler).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main()
