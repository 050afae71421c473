"""The bare loop that C-STORE is measured against: receive, hash, write, sync, answer. No index, no checks, no database.

What it cannot do faster, no archive can on this machine with this client and Python.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from load import FORK

from dimse import C_STORE_RQ, accept, store_response


def _take(sock: socket.socket, folder: Path) -> None:
    with contextlib.suppress(ConnectionError):
        link = accept(sock)
        link.quickack = False
        pieces = bytearray()

        def keep(piece: memoryview) -> None:
            nonlocal pieces
            pieces += piece

        for number, message in enumerate(link.messages(keep)):
            if message.code != C_STORE_RQ:
                continue
            digest = hashlib.sha256(pieces)
            file = os.open(folder / f"{digest.hexdigest()}-{number}", os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(file, pieces)
            os.fdatasync(file)
            os.close(file)
            pieces.clear()
            link.send(message.context, store_response(message))


def _serve(listener: socket.socket, folder: Path) -> None:
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=_take, args=(sock, folder), daemon=True).start()


@contextlib.contextmanager
def bare_loop(folder: Path) -> Iterator[int]:
    """Run the loop in a process of its own; gives its port."""
    folder.mkdir()
    listener = socket.create_server(("127.0.0.1", 0), backlog=32)
    process = FORK.Process(target=_serve, args=(listener, folder), daemon=True)
    process.start()
    try:
        yield listener.getsockname()[1]
    finally:
        process.terminate()
        process.join(5)
        listener.close()
