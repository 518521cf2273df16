"""Logs are one line of JSON each, never block, and never show what a caller said in a traceback."""

from __future__ import annotations

import json
import logging

import pytest

from openclaw_actors.observability.logs import configure_logs, get_logger, stop_logs
from openclaw_actors.settings.sections import Logs


@pytest.fixture
def logs(capfd):
    """Configures logs in the test itself, since pytest exchanges standard error between its phases."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level

    class Configured:
        def begin(self):
            configure_logs(Logs(format="json", level="info"))

        def lines(self):
            stop_logs()
            return [json.loads(line) for line in capfd.readouterr().err.splitlines()]

    yield Configured()
    stop_logs()
    root.handlers = handlers
    root.setLevel(level)


def test_a_line_holds_its_fields(logs):
    logs.begin()
    get_logger("openclaw_actors.test").info("call started", call_id="call_1")
    (line,) = logs.lines()
    assert (line["event"], line["call_id"], line["level"]) == ("call started", "call_1", "info")
    assert line["timestamp"].endswith("Z")


def test_lines_below_the_level_are_not_written(logs):
    logs.begin()
    get_logger("openclaw_actors.test").debug("quiet")
    assert logs.lines() == []


def test_a_traceback_is_one_line_without_local_variables(logs):
    logs.begin()
    secret = "what the caller said"
    try:
        int("boom")
    except ValueError:
        get_logger("openclaw_actors.test").exception("it failed", length=len(secret))
    (line,) = logs.lines()
    assert "ValueError: invalid literal" in line["exception"]
    assert secret not in json.dumps(line)


def test_a_library_that_logs_the_plain_way_is_one_line_too(logs):
    logs.begin()
    logging.getLogger("aiohttp").warning("plain %s", "words")
    (line,) = logs.lines()
    assert line["event"] == "plain words"
