"""Logs are one line of JSON each, never block, and show neither what a caller said nor a whole phone number."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading

import pytest
import structlog

from openclaw_actors.actors.loop_actor import LoopActor, stop
from openclaw_actors.observability.logs import bind, configure_logs, follow_stderr, get_logger, stop_logs
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


async def test_what_is_bound_within_an_actor_stands_in_its_lines_alone(logs):
    """Two actors get mail in the context of two requests, and go on with work of their own."""
    LoopActor.live_here()
    logs.begin()
    first, second = Noting.start("call_1"), Noting.start("call_2")
    for number, ref in ((1, first), (2, second), (3, first)):
        with structlog.contextvars.bound_contextvars(request_id=f"request_{number}"):
            await ref.ask("now", block=False)
            ref.tell("later")
    get_logger("openclaw_actors.test").info("outside")
    await asyncio.gather(*(stop(ref) for ref in (first, second)))
    lines = logs.lines()
    assert len(lines) == 10
    assert {(line["event"].split()[0], line.get("call_id"), line.get("request_id")) for line in lines} == {
        ("call_1", "call_1", None),
        ("call_2", "call_2", None),
        ("outside", None, None),
    }


class Noting(LoopActor):
    """Logs that it got mail, and again from a task of its own."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def on_start(self):
        bind(call_id=self.name)

    def on_receive(self, message):
        get_logger("openclaw_actors.test").info(f"{self.name} got mail")
        if message == "now":
            return
        self.spawn(self._later())

    async def _later(self):
        logging.getLogger("a.library").info("%s worked", self.name)


@pytest.mark.parametrize(
    "said",
    ["+491512345667", "+1 (555) 123-4567", "sip:+15551234567@example.org", "whatsapp:+447946095812", "%2B15551234567"],
)
def test_no_line_holds_a_whole_phone_number_wherever_it_stands(logs, said):
    logs.begin()
    log = get_logger("openclaw_actors.test")
    log.info("refused", who=[said], caller=said, details={"numbers": [said]})
    logging.getLogger("a.library").warning("dialled %s", said)
    try:
        {}[f"no route to {said}"]
    except KeyError:
        log.exception("it failed")
        logging.getLogger("a.library").exception("so it did")
    lines = logs.lines()
    assert len(lines) == 4
    text = json.dumps(lines)
    assert said not in text
    assert text.count("****") == 6
    assert "no route to" in lines[2]["exception"]


def test_a_number_without_its_plus_is_masked_where_numbers_stand_and_an_address_is_not(logs):
    logs.begin()
    log = get_logger("openclaw_actors.test")
    log.info("call", caller="15551234567", to="(555) 123-4567", queue="15551234567")
    log.info("call", caller="192.168.100.101", call_id="call_01M8M2G4V2WS4MRR88ZPKCYSJJ")
    first, second = logs.lines()
    assert (first["caller"], first["to"], first["queue"]) == ("15****67", "55****67", "15551234567")
    assert second["caller"] == "192.168.100.101"
    assert second["call_id"] == "call_01M8M2G4V2WS4MRR88ZPKCYSJJ"


async def test_a_reader_of_the_log_that_stalls_costs_lines_and_never_the_loop(logs, monkeypatch):
    stalled, goes_on = threading.Event(), threading.Event()

    class Stalled(io.StringIO):
        def write(self, text):
            stalled.set()
            assert goes_on.wait(30)
            return super().write(text)

    logs.begin()
    monkeypatch.setattr(sys, "stderr", Stalled())
    follow_stderr()
    log = get_logger("openclaw_actors.test")
    log.info("the first")
    assert await asyncio.to_thread(stalled.wait, 30)
    for number in range(12_000):
        log.info("more", number=number)
    assert not goes_on.is_set()  # all of them were logged while nothing could be written
    goes_on.set()
    stop_logs()  # though its queue is full
    written = [json.loads(line) for line in sys.stderr.getvalue().splitlines()]
    assert 10_000 <= len(written) < 12_001
