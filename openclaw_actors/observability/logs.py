"""Structured logs: JSON for machines, colour for a terminal, never blocking the event loop, never a whole phone number.

What a line is about (``call_id``, ``stage``, ``incarnation``, ``turn``, or ``request_id``) is bound once, to the
context (contextvars) in which the work is done: each actor has its own (actors/loop_actor.py), and whatever logs within
it, an engine or a library, has those fields without knowing of calls. What serves many calls runs `outside` of any.
"""

from __future__ import annotations

import atexit
import contextvars
import logging
import logging.handlers
import queue
import sys
from typing import Any, cast

import structlog

from openclaw_actors.observability.masking import NUMBER_KEYS, mask_digits, mask_numbers
from openclaw_actors.settings.sections import Logs

_QUEUE_SIZE = 10_000
"""Records waiting to be written; a terminal that stalls must cost log lines, never audio."""


_BOUND = "openclaw_bound"
"""The attribute of a library's record that holds what was bound where it logged."""

STOP_S = 5.0
"""For what is still to be written at the end: ten thousand lines take half a second."""


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that binds key=value pairs; ``name`` is the module's."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))


def bind(**fields: Any) -> None:
    """Let all that is logged in the current context from now on have these fields."""
    structlog.contextvars.bind_contextvars(**fields)


def outside() -> contextvars.Context:
    """A context for what outlives a call or a request, and serves many: nothing is bound in it."""
    return contextvars.Context()


class _Masked:
    """Renders a line, and masks phone numbers in all of it: keys, values, tracebacks, libraries' own words.

    Runs in the writer's thread, so that it costs the loop nothing.
    """

    def __init__(self, render: structlog.typing.Processor) -> None:
        self._render = render

    def __call__(self, logger: Any, name: str, fields: structlog.typing.EventDict) -> str:
        for key in NUMBER_KEYS & fields.keys():
            fields[key] = mask_digits(fields[key])
        line = self._render(logger, name, fields)
        return mask_numbers(line if isinstance(line, str) else str(line))


class _Dropping(logging.handlers.QueueHandler):
    """Hands records to the writer's thread and drops them when it can't keep up."""

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            return

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        # structlog's dictionary must reach the formatter unrendered; nothing here crosses a process. A library's record
        # takes along what is bound here: in the writer's thread nothing is.
        if not isinstance(record.msg, dict):
            setattr(record, _BOUND, structlog.contextvars.get_contextvars())
        return record


def _with_bound(_logger: Any, _name: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A library's line, with what was bound where it logged."""
    for name, value in getattr(fields.get("_record"), _BOUND, {}).items():
        fields.setdefault(name, value)
    return fields


class _Writer(logging.handlers.QueueListener):
    """Writes what waits; its end does not depend on whoever reads the log."""

    def stop(self) -> None:
        """Write the rest, for at most STOP_S; then the thread, a daemon, is left behind."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            self.queue.put(self._sentinel, timeout=STOP_S)  # type: ignore[attr-defined] # of CPython's own
        except queue.Full:
            return
        thread.join(STOP_S)


_listener: _Writer | None = None


def configure_logs(settings: Logs) -> None:
    """Send every log of the process through one writer thread to standard error.

    May be called again: the writer before is stopped, its records written.
    """
    global _listener  # noqa: PLW0603 - the process has one standard error, so one writer
    stop_logs()
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Here and not in the writer's thread, which has no exception to format; and without local variables, which
        # hold what callers said.
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    tail: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _Masked(renderer),
    ]
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[_with_bound, *shared], processors=tail))
    records: queue.Queue[logging.LogRecord] = queue.Queue(_QUEUE_SIZE)
    root = logging.getLogger()
    root.handlers = [_Dropping(records)]
    root.setLevel(settings.level.upper())
    for noisy in ("aioice", "aiortc", "alembic", "httpx", "httpcore", "openai", "aiohttp.access", "faster_whisper"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    _listener = _Writer(records, stream)
    _listener.start()
    atexit.register(stop_logs)


def follow_stderr() -> None:
    """Write to what ``sys.stderr`` is now: a progress bar takes its place for a while."""
    if _listener is not None:
        for handler in _listener.handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(sys.stderr)


def stop_logs() -> None:
    """Write what waits and stop the writer."""
    global _listener  # noqa: PLW0603 - see configure_logs
    if _listener is not None:
        _listener.stop()
        _listener = None
