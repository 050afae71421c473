"""Moves the blobs of a living archive from its folder to a bucket: `filmless migrate-blobs`.

From its first instant on new blobs go to the bucket (`archive/movable_blobs.py`), so that what lies in the folder is a
fixed set. Each blob of it is copied in the order of arrival, read back from the bucket and compared with its digest;
how far that has come is kept, and the next run goes on there. When all are there, the folder is looked at no more.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from typing import Final

import structlog

from filmless.access import audit
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.archive.blobs import Blobs, Store, copy_blob, open_store
from filmless.archive.movable_blobs import MovableBlobs
from filmless.archive.moving import Move, find_move, move_file, move_to_bucket, only_one, write_for_owner, write_move
from filmless.config import Settings
from filmless.errors import Damaged, NotFound, Refused

logger = structlog.get_logger()

_COMMAND: Final = "migrate-blobs"

KINDS: Final = tuple(each.name for each in fields(Store))

NOT_WHOLE_MAX: Final = 1000
"""With so many files that are not what their name says the move stops: a disk fails, rather than a file."""

_BATCHES: Final = 8  # of each thread, between two times that the position is kept


@dataclass(slots=True)
class MoveResult:
    """What a run did."""

    copied: int = 0
    size_bytes: int = 0
    removed: int = 0
    is_over: bool = False
    not_whole: list[tuple[str, str]] = field(default_factory=list)  # kind, key


@dataclass(slots=True)
class Position:
    """How far the move is, for each kind of blobs: the arrival and key of the last that is in the bucket."""

    done: dict[str, tuple[int, str]] = field(default_factory=dict)
    not_whole: list[tuple[str, str]] = field(default_factory=list)


def move_blobs(
    settings: Settings,
    url: str | None = None,
    *,
    at_once: int = 8,
    removes: bool = False,
    without_damaged: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> MoveResult:
    """Move all blobs to a bucket, or go on with that; the server may run and take in meanwhile.

    Parameters
    ----------
    url: of the bucket, as `blobs_url`; the other `blobs_` settings say how it is reached. None: go on.
    at_once: blobs copied at once. removes: whether a file is deleted once its copy was read back.
    without_damaged: whether the move is over although files are left that do not match their digest.

    Raises
    ------
    Refused: no move was begun, another one runs, or one to elsewhere was begun, or the blobs are not in a folder.
    Unavailable: bucket, disk or database is away. What was done is done: run it again.
    """
    if settings.blobs_url is not None:
        raise Refused(
            "blobs_url is set: the blobs are in a bucket already, or will be looked for there. Take it out of the"
            " settings of the server too; the address is given with --to"
        )
    with only_one(settings.data, _COMMAND):
        known = find_move(settings.data)
        move = _which(settings, known, url)
        bucket = open_store(move.settings(settings))
        bucket.blobs.prepare()
        _announce(settings, move, is_new=known is None)
        folders = open_store(settings)
        result = MoveResult()
        position = _read_position(settings)
        for kind in KINDS:
            mover = _Mover(getattr(folders, kind), getattr(bucket, kind), kind, removes, result, position)
            mover.go_on(settings, at_once, on_progress)
        result.not_whole = position.not_whole
        if not result.not_whole or without_damaged:
            result.is_over = True
            _end(settings, move, result)
    return result


def _which(settings: Settings, known: Move | None, url: str | None) -> Move:
    """The move to go on with, or a new one."""
    if known is None:
        if url is None:
            raise Refused("no move was begun: name the bucket with --to s3://bucket/prefix")
        return move_to_bucket(settings, url)
    if url is None:
        return known
    if url != known.url:
        raise Refused(f"a move to {known.url} was begun: it can only be gone on with")
    return replace(move_to_bucket(settings, url), is_over=known.is_over)


def _announce(settings: Settings, move: Move, *, is_new: bool) -> None:
    """Have all processes put new blobs into the bucket; when this returns, none is put into the folder any more."""
    if is_new:
        with Archive.open(settings) as archive, archive.transaction() as session:
            audit.record(session, SYSTEM(_COMMAND), "blobs_move_began", object=move.url)
    write_move(settings.data, move)
    if not move.is_over:
        store = open_store(settings)
        for blobs in (getattr(store, kind) for kind in KINDS):
            assert isinstance(blobs, MovableBlobs)
            blobs.shut()


def _end(settings: Settings, move: Move, result: MoveResult) -> None:
    """Say that the folder need not be looked at any more."""
    if move.is_over:
        return
    write_move(settings.data, replace(move, is_over=True))
    with Archive.open(settings) as archive, archive.transaction() as session:
        detail = {"not_whole": len(result.not_whole)}
        audit.record(session, SYSTEM(_COMMAND), "blobs_moved", object=move.url, detail=detail)


@dataclass(slots=True)
class _Mover:
    """Copies the blobs of one kind."""

    source: MovableBlobs
    target: Blobs
    kind: str
    removes: bool
    result: MoveResult
    position: Position

    def go_on(self, settings: Settings, at_once: int, on_progress: Callable[[int, int], None]) -> None:
        """Copy what is beyond the position, and what was not whole the last time, in the order of arrival."""
        again = [key for kind, key in self.position.not_whole if kind == self.kind]
        self.position.not_whole = [each for each in self.position.not_whole if each[0] != self.kind]
        begin = (-1, "") if self.removes else self.position.done.get(self.kind, (-1, ""))
        with closing(sqlite3.connect("")) as order, ThreadPoolExecutor(at_once) as pool:  # a temporary file
            order.execute("CREATE TABLE arrivals (arrived_ns INTEGER, key TEXT)")
            order.executemany("INSERT INTO arrivals VALUES (?, ?)", self._files())
            (total,) = order.execute("SELECT count(*) FROM arrivals").fetchone()
            rows = order.execute("SELECT * FROM arrivals WHERE (arrived_ns, key) > (?, ?) ORDER BY 1, 2", begin)
            (rest,) = order.execute("SELECT count(*) FROM arrivals WHERE (arrived_ns, key) > (?, ?)", begin).fetchone()
            for _ in pool.map(self._move, again):
                pass
            done = total - rest
            while page := rows.fetchmany(at_once * _BATCHES):
                for _ in pool.map(self._move, [key for _, key in page]):
                    done += 1
                    on_progress(done, total)
                self.position.done[self.kind] = page[-1]
                _write_position(settings, self.position)
        _write_position(settings, self.position)

    def _files(self) -> Iterator[tuple[int, str]]:
        for key in self.source.keys_here():
            try:
                yield self.source.path(key).stat().st_mtime_ns, key
            except FileNotFoundError:  # deleted meanwhile
                continue

    def _move(self, key: str) -> None:
        """Copy one file unless it is there, read the copy back, and only then remove the file if that is wanted."""
        with self.source.held(key) as is_here:
            if not is_here:
                return
            length = self.source.path(key).stat().st_size
            try:
                if not self._is_there(key, length):
                    copy_blob(self.source, self.target, key)
                    self.result.copied += 1
                    self.result.size_bytes += length
                    if not self._is_there(key, length):
                        raise Damaged(f"blob {key} is not what was put, when read back from {self.target.name}")
            except Damaged as error:
                self._note_not_whole(key, str(error))
                return
            if self.removes:
                self.source.remove_here(key)
                self.result.removed += 1

    def _is_there(self, key: str, length: int) -> bool:
        try:
            return self.target.length(key) == length and self.target.digest(key) == key
        except NotFound:
            return False

    def _note_not_whole(self, key: str, reason: str) -> None:
        logger.error("blob_not_moved", kind=self.kind, blob=key, reason=reason)
        self.position.not_whole.append((self.kind, key))
        if len(self.position.not_whole) >= NOT_WHOLE_MAX:
            raise Refused(
                f"{NOT_WHOLE_MAX} files do not match their digest: the move has stopped. Look whether the disk of"
                " the data folder is whole; 'filmless verify' names the studies"
            )


def _read_position(settings: Settings) -> Position:
    """How far earlier runs came. What cannot be read is done again: copying twice does no harm."""
    try:
        read = json.loads(move_file(settings.data).with_name("position.json").read_text())
        done = {str(kind): (int(ns), str(key)) for kind, (ns, key) in read["done"].items()}
        return Position(done, [(str(kind), str(key)) for kind, key in read["not_whole"]])
    except (OSError, ValueError, KeyError):
        return Position()


def _write_position(settings: Settings, position: Position) -> None:
    path = move_file(settings.data).with_name("position.json")
    write_for_owner(path, json.dumps({"done": position.done, "not_whole": position.not_whole}))
