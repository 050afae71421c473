"""The one writer of SQLite: what is promised to whom, and when."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from filmless.archive import Archive
from filmless.archive.tables import uids
from filmless.config import Settings
from filmless.errors import Unavailable
from waiting import until

pytestmark = pytest.mark.embedded  # PostgreSQL commits in groups by itself


def add(archive: Archive, uid: str) -> None:
    with archive.transaction() as session:
        session.execute(insert(uids).values(uid=uid))


def kept(archive: Archive) -> set[str]:
    with archive.reading() as session:
        return set(session.execute(select(uids.c.uid)).scalars())


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_a_row_is_there_when_the_block_is_left(archive: Archive) -> None:
    add(archive, "1.2")
    with sqlite3.connect(str(archive.database.path)) as other:
        assert other.execute("SELECT uid FROM uids").fetchall() == [("1.2",)]


def test_a_body_that_raises_keeps_nothing_and_the_next_is_not_harmed(archive: Archive) -> None:
    with pytest.raises(ZeroDivisionError), archive.transaction() as session:
        session.execute(insert(uids).values(uid="1.2"))
        raise ZeroDivisionError
    add(archive, "1.3")
    assert kept(archive) == {"1.3"}


def test_a_body_that_raises_in_a_shared_group_takes_back_only_its_own(archive: Archive) -> None:
    def work(number: int) -> None:
        for turn in range(20):
            try:
                with archive.transaction() as session:
                    session.execute(insert(uids).values(uid=f"{number}.{turn}"))
                    if turn % 3 == 0:
                        raise KeyError(turn)
            except KeyError:
                pass

    run_all([threading.Thread(target=work, args=(number,)) for number in range(8)])

    assert kept(archive) == {f"{number}.{turn}" for number in range(8) for turn in range(20) if turn % 3}


def test_a_statement_that_fails_takes_back_only_its_own_body(archive: Archive) -> None:
    add(archive, "1.2")
    with pytest.raises(Exception, match="UNIQUE"), archive.transaction() as session:
        session.execute(insert(uids).values(uid="1.3"))
        session.execute(insert(uids).values(uid="1.2"))
    add(archive, "1.4")
    assert kept(archive) == {"1.2", "1.4"}


def test_transactions_that_wait_together_share_commits(archive: Archive) -> None:
    commits: list[str] = []
    threads = [threading.Thread(target=add, args=(archive, f"1.{number}")) for number in range(32)]

    with archive.transaction():
        writer = archive.database._writer
        assert writer is not None
        writer._driver.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        for thread in threads:
            thread.start()
        until(lambda: len(writer._waiting) == len(threads))
    for thread in threads:
        thread.join()

    assert len(kept(archive)) == len(threads)
    assert len(commits) < len(threads) / 2  # one, unless the machine is so busy that groups grow old


def test_nobody_is_told_before_the_commit(archive: Archive) -> None:
    """Whoever returns finds its own row through another connection at once."""
    missing = []

    def work(number: int) -> None:
        for turn in range(25):
            add(archive, f"{number}.{turn}")
            with archive.reading() as session:
                if session.execute(select(uids.c.id).where(uids.c.uid == f"{number}.{turn}")).first() is None:
                    missing.append((number, turn))

    run_all([threading.Thread(target=work, args=(number,)) for number in range(8)])

    assert missing == []


def test_turns_are_given_first_come_first_served(archive: Archive) -> None:
    order: list[int] = []

    def work(number: int) -> None:
        with archive.transaction():
            order.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    with archive.transaction():
        for thread in threads:
            thread.start()
            time.sleep(0.02)
    for thread in threads:
        thread.join()
    assert order == list(range(10))


def test_a_failed_commit_is_told_to_everyone_in_the_group(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    add(archive, "1")
    writer = archive.database._writer
    assert writer is not None
    results: list[str] = []
    real = writer._driver

    class FullDisk:
        """The driver of a connection whose disk is full at COMMIT."""

        def execute(self, sql: str) -> object:
            if sql == "COMMIT":
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            return real.execute(sql)

        @property
        def in_transaction(self) -> bool:
            return real.in_transaction

    def work(number: int) -> None:
        try:
            add(archive, f"2.{number}")
            results.append("stored")
        except Unavailable as error:
            results.append(str(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    monkeypatch.setattr(writer, "_driver", FullDisk())
    run_all(threads)
    monkeypatch.undo()

    assert results == ["the database cannot be used: no space is left on the disk"] * 5
    add(archive, "3")
    assert kept(archive) == {"1", "3"}


def test_a_turn_that_does_not_come_is_unavailable(settings: Settings) -> None:
    impatient = settings.model_copy(update={"transaction_timeout_s": 0.1})
    with Archive.open(impatient) as archive:
        outcomes: list[str] = []

        def work() -> None:
            try:
                add(archive, "1")
            except Unavailable as error:
                outcomes.append(str(error))

        with archive.transaction():
            thread = threading.Thread(target=work)
            thread.start()
            thread.join(10)
        add(archive, "2")

        assert outcomes == ["the database was busy for 0.1 s"]
        assert kept(archive) == {"2"}


def test_another_process_that_holds_the_database_makes_it_unavailable(settings: Settings) -> None:
    impatient = settings.model_copy(update={"transaction_timeout_s": 0.1})
    with Archive.open(impatient) as archive, Archive.open(impatient) as other:
        with other.transaction(), pytest.raises(Unavailable, match="another process held"):
            add(archive, "1")
        add(archive, "2")
        assert kept(other) == {"2"}


def test_a_transaction_inside_a_transaction_is_a_bug_and_not_a_deadlock(archive: Archive) -> None:
    with archive.transaction(), pytest.raises(RuntimeError, match="inside a transaction"), archive.transaction():
        pass
    add(archive, "1")


def test_processes_take_turns(settings: Settings) -> None:
    """Two archives on one file, as two processes have them: neither starves."""
    counts = {}
    stop = threading.Event()
    with Archive.open(settings) as first, Archive.open(settings) as second:

        def work(name: str, archive: Archive) -> None:
            counts[name] = 0
            while not stop.is_set():
                add(archive, f"{name}.{counts[name]}")
                counts[name] += 1

        threads = [threading.Thread(target=work, args=pair) for pair in (("a", first), ("b", second))]
        for thread in threads:
            thread.start()
        time.sleep(1)
        stop.set()
        for thread in threads:
            thread.join()
        with first.reading() as session:
            total = session.execute(select(func.count()).select_from(uids)).scalar_one()

    assert total == counts["a"] + counts["b"]
    assert min(counts.values()) > 0.2 * max(counts.values())


def test_a_body_that_raises_for_what_it_saw_is_told_when_that_is_durable(archive: Archive) -> None:
    """Two add the same: whoever fails finds the other's row committed."""
    lost = []
    barrier = threading.Barrier(8)

    def work() -> None:
        for turn in range(30):
            barrier.wait()
            try:
                add(archive, f"{turn}")
            except IntegrityError:
                with archive.reading() as session:
                    if session.execute(select(uids.c.id).where(uids.c.uid == f"{turn}")).first() is None:
                        lost.append(turn)

    run_all([threading.Thread(target=work) for _ in range(8)])

    assert lost == []
    assert len(kept(archive)) == 30


def test_reading_cannot_write(archive: Archive) -> None:
    with pytest.raises(Exception, match="read-only"), archive.reading() as session:
        session.execute(insert(uids).values(uid="1"))


def test_reading_sees_one_snapshot(archive: Archive) -> None:
    with archive.reading() as session:
        before = session.execute(select(func.count()).select_from(uids)).scalar_one()
        add(archive, "1")
        after = session.execute(select(func.count()).select_from(uids)).scalar_one()
    assert (before, after) == (0, 0)
