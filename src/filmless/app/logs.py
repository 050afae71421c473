"""Structured logs on standard error: one JSON object a line, or text on a terminal. Never patient data."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from filmless.config import Settings

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def one_line(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Write control and other unprintable characters as escapes: a sender's text must not begin a line of its own.

    The JSON form does so by itself. A traceback, made later, keeps its lines.
    """
    return {key: _escaped(value) if isinstance(value, str) else value for key, value in event.items()}


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def configure_logs(settings: Settings, role: str) -> None:
    """Send structlog's and the libraries' logs to standard error in one form."""
    level = LEVELS.get(settings.log_level.lower(), logging.INFO)
    is_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    exceptions = structlog.processors.format_exc_info
    written: list[Any] = [one_line, exceptions] if is_text else [exceptions]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = structlog.dev.ConsoleRenderer() if is_text else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, *written, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(role=role)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *written,
                renderer,
            ],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(max(level, logging.WARNING))
