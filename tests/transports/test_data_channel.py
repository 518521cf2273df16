"""Events and commands over the data channel, within their bounds."""

from __future__ import annotations

import json

from pyee.base import EventEmitter

from openclaw_actors.errors import RefusalError
from openclaw_actors.settings.sections import Limits
from openclaw_actors.transports.webrtc.data_channel import EventChannel


class Channel(EventEmitter):
    """An RTCDataChannel whose client reads when the test says so."""

    def __init__(self, label: str = "events") -> None:
        super().__init__()
        self.label = label
        self.readyState = "open"
        self.bufferedAmount = 0
        self.sent: list[str] = []

    def send(self, text: str) -> None:
        self.sent.append(text)
        self.bufferedAmount += len(text.encode())

    def close(self) -> None:
        self.readyState = "closed"


class Setup:
    def __init__(self, limits: Limits | None = None) -> None:
        self.now = 100.0
        self.commands: list[dict] = []
        self.events = EventChannel(limits or Limits(), self.command, clock=lambda: self.now)
        self.channel = Channel()
        self.events.adopt(self.channel)

    def command(self, command: dict) -> None:
        if command.get("type") == "unknown":
            raise RefusalError(422, "bad_command", "There is no such command.")
        if command.get("type") == "crash":
            raise ZeroDivisionError
        self.commands.append(command)

    def receive(self, message: str | bytes) -> list[dict]:
        """What the client is answered."""
        before = len(self.channel.sent)
        self.channel.emit("message", message)
        return [json.loads(text) for text in self.channel.sent[before:]]

    def told(self, message: str | bytes) -> str:
        (answer,) = self.receive(message)
        assert answer["type"] == "error"
        assert answer["data"]["detail"]
        return answer["data"]["code"]


def test_an_object_becomes_a_command():
    setup = Setup()
    assert setup.receive('{"type":"say","text":"héllo"}') == []
    assert setup.commands == [{"type": "say", "text": "héllo"}]


def test_what_is_no_json_object_is_answered_and_harms_nothing():
    setup = Setup()
    assert setup.told("{") == "bad_event"
    assert setup.told("[1]") == "bad_event"
    assert setup.told("[" * 16_000) == "bad_event"
    assert setup.told(b'{"type":"say"}') == "bad_event"
    assert setup.told("1" * 5000) == "bad_event"
    assert setup.told('{"type":"unknown"}') == "bad_command"
    assert setup.told('{"type":"crash"}') == "internal_error"
    assert setup.receive('{"type":"interrupt"}') == []


def test_a_message_may_have_so_many_bytes_and_no_more():
    setup = Setup()
    fits = json.dumps({"text": "é" * 8184}, ensure_ascii=False)
    assert len(fits.encode()) == 16_380
    assert setup.receive(fits) == []
    assert setup.told(fits.replace("é", "éé", 3)) == "event_too_large"


def test_a_client_that_sends_too_fast_is_told_once_a_second():
    setup = Setup(Limits(events_per_second=5))
    answers = [answer for _ in range(50) for answer in setup.receive('{"type":"interrupt"}')]
    assert len(setup.commands) == 5
    assert [answer["data"]["code"] for answer in answers] == ["too_many_events"]
    setup.now += 1
    for _ in range(50):
        setup.receive('{"type":"interrupt"}')
    assert len(setup.commands) == 10
    assert len(setup.channel.sent) == 2


def test_a_client_that_does_not_read_costs_256_kib_at_most():
    setup = Setup()
    for _ in range(400):
        setup.events.send({"text": "x" * 1000})
    assert 250_000 < setup.channel.bufferedAmount <= 256 * 1024
    setup.channel.bufferedAmount = 0
    setup.events.send({"text": "again"})
    assert json.loads(setup.channel.sent[-1]) == {"text": "again"}


def test_events_before_the_channel_are_kept_the_last_256_in_order():
    events = EventChannel(Limits(), lambda _: None)
    for i in range(300):
        events.send({"n": i})
    channel = Channel()
    events.adopt(channel)
    assert [json.loads(text)["n"] for text in channel.sent] == list(range(44, 300))


def test_other_channels_are_closed_and_so_is_a_second_one():
    setup = Setup()
    other, second = Channel("chat"), Channel()
    setup.events.adopt(other)
    setup.events.adopt(second)
    assert (other.readyState, second.readyState, setup.channel.readyState) == ("closed", "closed", "open")


def test_a_closed_channel_is_no_error():
    setup = Setup()
    setup.channel.close()
    setup.events.send({"type": "x"})
    assert setup.channel.sent == []


def test_text_that_no_utf_8_can_carry_is_sent_all_the_same():
    setup = Setup()
    setup.events.send({"text": "\ud800"})
    assert json.loads(setup.channel.sent[-1].encode()) == {"text": "\ud800"}
