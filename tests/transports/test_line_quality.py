"""What a call's line tells the metrics."""

from __future__ import annotations

import time

import pytest

from openclaw_actors.media.codecs import PCMU
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.observability import metrics
from openclaw_actors.observability.e_model import mos
from openclaw_actors.transports.inbound import Inbound
from openclaw_actors.transports.line_quality import Leg, LineQuality
from openclaw_actors.transports.media_streams.sent_ahead import SentAhead

from .conftest import Listener

PREFIX = "openclaw_actors_"


def value(name, **labels):
    return metrics.REGISTRY.get_sample_value(PREFIX + name, labels) or 0.0


class Scores:
    """The estimates made since it was made."""

    def __init__(self):
        self._count, self._sum = value("mos_estimate_count"), value("mos_estimate_sum")

    @property
    def count(self):
        return value("mos_estimate_count") - self._count

    @property
    def mean(self):
        return (value("mos_estimate_sum") - self._sum) / self.count


@pytest.fixture
def scores():
    return Scores()


def test_a_line_is_as_good_as_its_worse_direction(scores):
    line = LineQuality("test")
    line.told(Leg(250, 25))
    line.look(Leg(250, 0), waits_s=0.02)
    assert scores.mean == pytest.approx(mos(0.04, 0.1))


def test_half_the_round_trip_and_the_wait_for_late_packets_are_delay(scores):
    line = LineQuality("test")
    line.round_trip_s = 0.4
    line.look(Leg(250, 0), waits_s=0.06)
    assert scores.mean == pytest.approx(mos(0.02 + 0.2 + 0.06, 0.0))


def test_each_look_counts_what_came_since_the_one_before(scores):
    line = LineQuality("test")
    line.look(Leg(250, 50), waits_s=0.0)
    bad = scores.mean
    line.look(Leg(500, 50), waits_s=0.0)
    assert scores.mean > bad
    assert scores.count == 2


def test_who_says_next_to_nothing_is_not_judged(scores):
    LineQuality("test").look(Leg(49, 30), waits_s=0.0)
    assert scores.count == 0


def test_what_the_far_end_has_lost_is_counted_once():
    before = value("rtp_remote_packets_lost_total")
    line = LineQuality("test")
    for lost in (3, 3, 7):
        line.told(Leg(100, lost))
    assert value("rtp_remote_packets_lost_total") - before == 7


def packets(numbers, now):
    return [RtpAudio(number, number * 160, b"\xff" * 160, now + number * 0.02) for number in numbers]


async def test_a_lost_packet_lowers_the_score_and_a_pause_of_the_caller_does_not(scores):
    now = time.monotonic()
    for lossy in (False, True):
        inbound = Inbound(PCMU, LineQuality("test"))
        inbound.attach(Listener(), 0)
        for packet in packets([n for n in range(200) if not (lossy and n % 10 == 5)], now):
            inbound.receive(packet)
        inbound.close()
        if not lossy:
            perfect = scores.mean
            assert perfect > 4.3
    assert scores.count == 2
    assert 2 * scores.mean - perfect < 4.0, "one in ten was lost"


def test_an_echo_tells_the_round_trip_beyond_the_sounds_own_length():
    ahead = SentAhead()
    ahead.sent(10, 5.0)
    first = ahead.mark(5.0)
    ahead.sent(10, 5.0)
    second = ahead.mark(5.0)
    ahead.echoed(first, 5.35)
    assert ahead.round_trip_s == pytest.approx(0.15)
    ahead.echoed(second, 5.52)
    assert ahead.round_trip_s == pytest.approx(0.12)


def test_an_echo_of_sound_that_was_sent_before_the_buffer_ran_dry_tells_nothing():
    ahead = SentAhead()
    ahead.sent(5, 5.0)
    late = ahead.mark(5.0)
    ahead.sent(5, 9.0)
    ahead.echoed(late, 9.1)
    assert ahead.round_trip_s == 0.0
