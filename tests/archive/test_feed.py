"""The order of events: none is missed, whoever writes at the same time; cursors hold, or say that they do not."""

from __future__ import annotations

import random
import threading
import time

import pytest
from sqlalchemy import create_engine, func, make_url, select, text, update

from filmless.archive import Archive, events, feed
from filmless.archive.events import Event
from filmless.archive.tables import events as table
from filmless.errors import Gone, Refused

DAY_S = 86400.0


def publish(archive: Archive, key: str, name: str = "study", *, at: float | None = None) -> int:
    with archive.transaction() as session:
        number = events.publish(session, name, key, key)
        if at is not None:
            session.execute(update(table).where(table.c.id == number).values(at=at))
        return number


def read(archive: Archive, position: feed.Position = feed.START, limit: int = 10_000) -> list[Event]:
    with feed.reading(archive) as final:
        return final.read_after(position, limit)


def cursor_now(archive: Archive) -> str:
    with feed.reading(archive) as final:
        return feed.cursor_of(final.find_newest())


def follow(archive: Archive, cursor: str, keep_s: float = DAY_S) -> list[str]:
    with feed.reading(archive) as final:
        return [event.key for event in final.read_after(final.read_cursor(cursor, keep_s), 10_000)]


def test_a_follower_hears_of_everything_once_while_many_write(archive: Archive) -> None:
    writers, each = 6, 25
    heard: list[str] = []
    are_done = threading.Event()

    def write(writer: int) -> None:
        dice = random.Random(writer)
        for number in range(each):
            with archive.transaction() as session:
                events.publish(session, "study", f"{writer}.{number}", None)
                time.sleep(dice.random() * 0.004)  # others begin after us and commit before

    def listen() -> None:
        position, is_last = feed.START, False
        while not is_last:
            is_last = are_done.is_set()
            for event in read(archive, position, limit=7 if not is_last else 10_000):
                heard.append(event.key)
                position = feed.position_of(event)

    listener = threading.Thread(target=listen)
    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in (listener, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    are_done.set()
    listener.join()

    assert sorted(heard) == sorted(f"{writer}.{number}" for writer in range(writers) for number in range(each))
    assert heard == [event.key for event in read(archive)]


def test_what_commits_late_holds_back_what_came_after_it_and_is_not_skipped(archive: Archive) -> None:
    if archive.database.is_sqlite:
        pytest.skip("one transaction writes at a time")
    with archive.transaction() as late:
        events.publish(late, "study", "late", None)
        publish(archive, "early")
        with archive.reading() as session:
            numbers = session.execute(select(func.count()).select_from(table)).scalar_one()
        assert numbers == 1
        assert read(archive) == []

    assert [event.key for event in read(archive)] == ["late", "early"]


def test_a_transaction_in_another_database_holds_nothing_back(archive: Archive) -> None:
    if archive.database.is_sqlite:
        pytest.skip("it has no other database")
    elsewhere = create_engine(make_url(archive.database.url).set(database="postgres"))
    with elsewhere.begin() as session:
        session.execute(text("CREATE TEMPORARY TABLE busy (id int)"))
        publish(archive, "1")

        assert [event.key for event in read(archive)] == ["1"]
    elsewhere.dispose()


def test_a_transaction_that_is_taken_back_leaves_no_gap_for_followers(archive: Archive) -> None:
    publish(archive, "1")
    with pytest.raises(ZeroDivisionError), archive.transaction() as session:
        events.publish(session, "study", "never", None)
        raise ZeroDivisionError
    publish(archive, "2")

    assert [event.key for event in read(archive)] == ["1", "2"]


def test_a_cursor_goes_on_after_what_its_answer_held(archive: Archive) -> None:
    publish(archive, "1")
    cursor = cursor_now(archive)
    publish(archive, "2")

    assert follow(archive, cursor) == ["2"]
    assert follow(archive, cursor) == ["2"]


def test_the_cursor_of_an_empty_feed_misses_nothing(archive: Archive) -> None:
    cursor = cursor_now(archive)
    publish(archive, "1")

    assert follow(archive, cursor) == ["1"]
    with pytest.raises(Gone):
        follow(archive, cursor, keep_s=0.0)


def test_a_cursor_whose_successors_are_forgotten_says_how_to_start_over(archive: Archive) -> None:
    now = time.time()
    publish(archive, "1", at=now - 9 * DAY_S)
    cursor = cursor_now(archive)
    publish(archive, "2", at=now - 8 * DAY_S)
    publish(archive, "3", at=now - 7 * DAY_S)
    publish(archive, "4")

    with archive.transaction() as session:
        assert feed.forget_before(session, now - DAY_S) == 2

    assert [event.key for event in read(archive)] == ["3", "4"]
    with pytest.raises(Gone, match="since=latest"):
        follow(archive, cursor)


def test_a_cursor_outlives_its_events_when_nothing_happened_since(archive: Archive) -> None:
    now = time.time()
    publish(archive, "1", at=now - 9 * DAY_S)
    publish(archive, "2", at=now - 8 * DAY_S)
    cursor = cursor_now(archive)

    with archive.transaction() as session:
        feed.forget_before(session, now - DAY_S)
    publish(archive, "3")

    assert follow(archive, cursor) == ["3"]


def test_a_cursor_of_another_history_is_refused(archive: Archive) -> None:
    number = publish(archive, "1")
    cursor = cursor_now(archive)
    with archive.transaction() as session:  # a backup was restored, and other things happened since
        session.execute(update(table).where(table.c.id == number).values(at=time.time() + 1.0))

    with pytest.raises(Gone):
        follow(archive, cursor)


@pytest.mark.parametrize("cursor", ["", "x", "1", "1.", ".1", "-1.5", "1.2.3", "1" * 30 + ".1", "१.१"])
def test_what_is_no_cursor_is_refused(archive: Archive, cursor: str) -> None:
    with pytest.raises((Refused, Gone)):
        follow(archive, cursor)


def test_after_a_restore_into_a_younger_server_old_events_stay_before_new_ones(archive: Archive) -> None:
    if archive.database.is_sqlite:
        pytest.skip("its order is that of the numbers alone")
    for key in ("1", "2", "3"):
        publish(archive, key)
    with archive.transaction() as session:  # as a dump brings them: with the old server's high numbers
        session.execute(update(table).values(transaction_id=table.c.transaction_id + 10**12))
    with Archive.open(archive.settings) as reopened:
        cursor = cursor_now(reopened)
        publish(reopened, "4")

        assert [event.key for event in read(reopened)] == ["1", "2", "3", "4"]
        assert follow(reopened, cursor) == ["4"]


def test_the_table_of_names_has_every_event_that_the_code_publishes_and_no_other() -> None:
    import re
    from pathlib import Path

    import filmless

    call = re.compile(r"(?:publish\w*|_tell\w*|Coalescer)\([^()]*?[ (]f?\"([\w{}.]+)\"")
    sources = Path(filmless.__file__).parent.rglob("*.py")
    written = {name for path in sources for name in call.findall(path.read_text(encoding="utf-8"))}
    levels = ("study", "series", "instance")
    published = {name.replace("{target.level}", level) for name in written for level in levels}
    assert published == set(events.NAMES)
