"""On a bad line the host hears all that the line did not lose, at once again when it is good again."""

from __future__ import annotations

import pytest
from aioice import ice

from openclaw_actors.observability import metrics
from openclaw_actors.settings.sections import Calls
from openclaw_actors.testkit.host import embedded_settings, running_host
from openclaw_actors.testkit.lossy import Impairment
from tests.chaos.lines import GRID, ODD, SENTENCES, Cell, simulate
from tests.chaos.network import measure_all
from tests.chaos.outage import long_outage, short_outage
from tests.conftest import needs_program


@pytest.fixture(autouse=True)
def speaker() -> None:
    needs_program("flite", "apt install flite")


@pytest.mark.parametrize("cell", [*GRID, *ODD], ids=lambda cell: cell.name)
def test_no_more_is_missed_than_was_lost_and_no_latency_stays(cell):
    measured = simulate(cell)
    assert measured.faults() == []
    assert measured.loss == pytest.approx(100 * cell.bad.loss, abs=5), "the line was as bad as it should be"


@pytest.mark.parametrize("jitter_s", [0.02, 0.06])
def test_jitter_alone_costs_no_packet_and_no_more_time_than_it_takes_itself(jitter_s):
    measured = simulate(Cell("jitter", Impairment(jitter_s=jitter_s)))
    assert measured.heard == measured.sent
    assert measured.late_p95_ms <= 1000 * jitter_s


def count(name: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"openclaw_actors_{name}") or 0.0


async def test_real_calls_on_bad_lines_keep_the_same_promises_and_are_understood():
    """Over sockets, three at once; `make chaos` measures the whole grid so."""
    lost, jitters = count("rtp_packets_lost_total"), count("rtp_jitter_seconds_count")
    cells = [
        Cell("as good as it gets", Impairment(delay_s=0.05), sentences=SENTENCES[:2]),
        Cell("loss 5%, jitter 20 ms", Impairment(0.05, delay_s=0.05, jitter_s=0.02), sentences=SENTENCES[:2]),
        Cell("loss 20%, jitter 60 ms", Impairment(0.20, delay_s=0.05, jitter_s=0.06), sentences=SENTENCES[:2]),
    ]
    rows = await measure_all(cells)
    assert [fault for measured in rows for fault in measured.faults()] == []
    good, bad, awful = rows
    assert good.word_errors == 0
    assert bad.word_errors <= 25, "measured: 0-5 % at 5 %; of 16 words"
    assert 0 < bad.lost < awful.lost
    assert count("rtp_packets_lost_total") >= lost + bad.lost + awful.lost
    assert count("rtp_jitter_seconds_count") > jitters


async def test_five_seconds_of_darkness_cost_the_caller_nothing_but_those():
    async with running_host() as host:
        survived = await short_outage(host, 5.0)
    assert survived.media_state == "connected", "6 s are worth a word to the operator"
    assert survived.voice_back_ms < 500
    assert survived.event_back_ms < 10_000


async def test_a_line_that_stays_dark_ends_the_call_and_leaves_nothing(monkeypatch):
    """The caller's own side ends by itself: consent expires after 6 unanswered checks, here 0.5 s apart and not 5."""
    monkeypatch.setattr(ice, "CONSENT_INTERVAL", 0.5)
    async with running_host(embedded_settings().model_copy(update={"calls": Calls(no_media_timeout_s=2)})) as host:
        ended = await long_outage(host, "no_media", (2.0, 5.0))
    assert ended.faults() == []
