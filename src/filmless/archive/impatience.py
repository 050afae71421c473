"""Connections to PostgreSQL that do not wait for ever.

A server that is halted, or cut off without a word, answers no statement and closes no connection: every thread that
asks it would hang until the system gives up, which may take hours. No setting of the server helps then.
"""

from __future__ import annotations

import math
from typing import Any, Final

import psycopg
from psycopg import errors
from sqlalchemy import Engine, event

_CONNECT_MAX_S: Final = 10.0


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that is closed when a statement has no answer in time."""

    answer_timeout_s: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, as psycopg does.

        Raises
        ------
        psycopg.OperationalError: there was none in time; the connection is closed, as nobody knows its state.
        """
        if timeout is not None or self.answer_timeout_s is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_timeout_s)
        except errors._WaitTimeout as error:
            self.close()
            raise psycopg.OperationalError(f"no answer within {self.answer_timeout_s:g} s") from error


def limit_waiting(engine: Engine, timeout_s: float) -> None:
    """Have the connections of an engine wait no longer than that for an answer, and 10 s at most to be made."""

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, args: list[Any], options: dict[str, Any]) -> ImpatientConnection:
        options.setdefault("connect_timeout", max(2, math.ceil(min(timeout_s, _CONNECT_MAX_S))))
        connection = ImpatientConnection.connect(*args, **options)
        connection.answer_timeout_s = timeout_s
        return connection
