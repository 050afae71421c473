"""A living installation moves: it takes in meanwhile, the mover is killed in the middle, and nothing is lost."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from typing import Any

import obstore
import pytest

import real_servers
from running import RunningServer, children_of, filmless, in_environment
from senders import Sender
from stored import in_bucket
from waiting import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_blobs_move_to_s3_under_load_although_mover_and_server_are_killed(
    server: RunningServer, servers: real_servers.Servers
) -> None:
    place = secrets.token_hex(8)
    words = ["migrate-blobs", "--to", f"s3://{real_servers.BUCKET}/{place}"]
    reaching: dict[str, Any] = {
        "blobs_endpoint": servers.s3,
        "blobs_access_key_id": real_servers.ACCESS_KEY_ID,
        "blobs_secret_access_key": real_servers.SECRET_ACCESS_KEY,
    }
    stop = threading.Event()
    senders = [Sender(server, stop) for _ in range(2)]

    def acknowledged() -> int:
        return sum(len(sender.acknowledged) for sender in senders)

    def objects() -> int:
        return len(obstore.list(real_servers.store_at(servers.s3), f"{place}/blobs").collect())

    for sender in senders:
        sender.start()
    until(lambda: acknowledged() >= 150)
    mover = subprocess.Popen(
        [sys.executable, "-m", "filmless", *words, "--at-once", "1", "--remove"],
        env={**os.environ, **in_environment(reaching), "FILMLESS_DATA": str(server.data)},
    )
    until(lambda: objects() >= 40)
    mover.kill()
    assert mover.wait() == -signal.SIGKILL
    left = len(list((server.data / "blobs").glob("???/*.dcm")))
    before = acknowledged()
    until(lambda: acknowledged() >= before + 20)
    assert server.process
    for pid in children_of(server.process.pid):  # each starts anew in the middle of the move
        os.kill(pid, signal.SIGKILL)
    before = acknowledged()
    until(lambda: acknowledged() >= before + 20)
    assert len(list((server.data / "blobs").glob("???/*.dcm"))) == left > 0
    done = filmless(server.data, *words, "--remove", settings=reaching)
    assert "All blobs are in the bucket" in done.stdout
    before = acknowledged()
    until(lambda: acknowledged() >= before + 20)
    stop.set()
    for sender in senders:
        sender.join(20)

    assert list((server.data / "blobs").glob("???/*.dcm")) == []
    sent = {uid: (sender.study, tail) for sender in senders for uid, tail in sender.acknowledged.items()}
    for uid, (study, tail) in list(sent.items())[:: len(sent) // 50]:  # the processes that served meanwhile
        series = f"{study}.{1 + int(uid.rpartition('.')[2]) // 40}"
        status, body, _ = server.get(f"/dicomweb/studies/{study}/series/{series}/instances/{uid}")
        assert status == 200
        assert tail in body.hex()
    server.stop()
    server.start(with_admin=False)  # without any setting: the data folder says where the blobs are
    assert filmless(server.data, "verify").returncode == 0
    from filmless.archive import Archive
    from filmless.archive.walks import stored_after

    with Archive.open(in_bucket(server.data, servers, blobs_url=words[2])) as archive:
        kept = {stored.sop_instance_uid: stored.blob for stored in stored_after(archive, 0)}
        assert set(sent) <= set(kept)
        for uid, (_, tail) in sent.items():
            assert archive.blobs.read(kept[uid]).hex().endswith(tail)
    assert [status for sender in senders for status in sender.refused if status != 0xA700] == []
