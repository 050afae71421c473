"""Stands between us and a server, and can stop answering, answer too late, or answer with an error of its own."""

from __future__ import annotations

import select
import socket
import threading
from typing import Literal
from urllib.parse import urlsplit

Mode = Literal["well", "away", "stalled", "error"]

_ERROR = b"HTTP/1.1 503 Slow Down\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy"


class Faulty:
    """A TCP relay on loopback. `mode` counts for connections that are open too."""

    def __init__(self, endpoint: str) -> None:
        target = urlsplit(endpoint)
        assert target.hostname and target.port
        self._target = (target.hostname, target.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.mode: Mode = "well"
        self.delay_s = 0.0  # of each piece that the server sends
        self.requests_refused = 0
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop relaying."""
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            while not self._stop.is_set():
                mode = self.mode
                if mode == "away":
                    self.requests_refused += 1
                    return
                ready, _, _ = select.select([client, server], [], [], 0.05)
                if mode == "stalled" or self.mode != mode:
                    self._stop.wait(0.05)
                    continue
                for source in ready:
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    if mode == "error" and source is client:
                        self.requests_refused += 1
                        client.sendall(_ERROR)
                        return
                    if source is server and self.delay_s:
                        self._stop.wait(self.delay_s)
                    (server if source is client else client).sendall(data)
