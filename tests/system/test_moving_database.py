"""A living installation moves to PostgreSQL: it takes in meanwhile, all are killed now and then, nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid

import pytest
from sqlalchemy import create_engine, make_url, text

import real_servers
from filmless.archive import Archive
from filmless.archive.database_move import begun_file, moved_file, old_database
from filmless.archive.walks import stored_after
from filmless.config import Settings
from running import RunningServer, children_of, filmless
from senders import Sender
from waiting import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_the_database_moves_to_postgresql_under_load_although_mover_and_server_are_killed(
    server: RunningServer, servers: real_servers.Servers
) -> None:
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(servers.postgres, isolation_level="AUTOCOMMIT")
    with engine.connect() as session:
        session.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(servers.postgres).set(database=name).render_as_string(hide_password=False)
    words = [sys.executable, "-m", "filmless", "migrate-database", "--data", str(server.data), "--to", url]
    stop = threading.Event()
    senders = [Sender(server, stop) for _ in range(2)]

    def acknowledged() -> int:
        return sum(len(sender.acknowledged) for sender in senders)

    def until_more_come() -> None:
        before = acknowledged()
        until(lambda: acknowledged() >= before + 20, 60)

    for sender in senders:
        sender.start()
    until(lambda: acknowledged() >= 100, 60)
    for file in (begun_file(server.data), moved_file(server.data)):  # killed in the middle, and in the last instant
        mover = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        until(file.exists, 60)
        mover.kill()
        assert mover.wait() == -signal.SIGKILL
        assert server.process
        for pid in children_of(server.process.pid):
            os.kill(pid, signal.SIGKILL)
        until_more_come()
    done = filmless(server.data, "migrate-database")
    assert str(old_database(server.data)) in done.stdout
    until_more_come()
    stop.set()
    for sender in senders:
        sender.join(20)

    sent = {uid: (sender.study, tail) for sender in senders for uid, tail in sender.acknowledged.items()}
    told, cursor = [], ""
    while True:
        status, body, _ = server.get(f"/api/v1/changes?limit=1000{cursor}")
        assert status == 200
        page = json.loads(body)
        told += page["items"]
        cursor = f"&since={page['cursor']}"
        if not page["items"]:
            break
    stored = [change["key"] for change in told if change["name"] == "instance_stored"]
    assert len(stored) == len(set(stored))
    assert set(sent) <= set(stored)
    for sender in senders:
        status, body, _ = server.get(f"/dicomweb/instances?StudyInstanceUID={sender.study}&limit=5000")
        assert status == 200
        found = {instance["00080018"]["Value"][0] for instance in json.loads(body)}
        assert set(sender.acknowledged) <= found
    server.stop()
    server.start(with_admin=False)  # without any setting: the data folder says where the database is
    assert filmless(server.data, "verify").returncode == 0
    with Archive.open(Settings(data=server.data)) as archive:
        assert not archive.database.is_sqlite
        kept = {row.sop_instance_uid: row.blob for row in stored_after(archive, 0)}
        assert set(sent) <= set(kept)
        for uid, (_, tail) in sent.items():
            assert archive.blobs.read(kept[uid]).hex().endswith(tail)
    assert [status for sender in senders for status in sender.refused if status != 0xA700] == []
    assert not (server.data / "filmless.db").exists()
    server.stop()
    with engine.connect() as session:
        session.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
