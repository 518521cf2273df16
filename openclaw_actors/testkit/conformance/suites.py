"""The checks as pytest classes: subclass one, say how the engine is made, and run.

Each needs pytest and pytest-asyncio, in any of its modes. An engine that speaks with a server overrides ``faults`` too;
what can't be ordered there is skipped, and pytest's summary says why (``-rs``).
"""

# ruff: noqa: D102 - a test's name is what it promises

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import pytest
import pytest_asyncio

from openclaw_actors.engines.protocols import AgentEngine, Engine, SttEngine, TtsEngine
from openclaw_actors.testkit.conformance import agent, streaming, stt, tts
from openclaw_actors.testkit.conformance.bench import PATIENCE_S, Bench
from openclaw_actors.testkit.conformance.faults import Faults, NotOfferedError
from openclaw_actors.testkit.speakers import espeak

E = TypeVar("E", bound=Engine)

FAULTS = ("fail", "refuse", "garbage", "empty", "drop")


class _Conformance(Generic[E]):
    patience_s = PATIENCE_S
    """Seconds that any one thing may take."""

    @pytest.fixture
    def make_engine(self) -> Callable[[], E]:
        """Override: a function that makes one engine, not yet opened."""
        raise NotImplementedError("give your test class a fixture make_engine, which returns a function")

    @pytest.fixture
    def faults(self) -> Faults:
        """Override where there is a server that can be told to misbehave."""
        return Faults()

    @pytest.fixture
    def bench(self, make_engine: Callable[[], E], faults: Faults) -> Bench[E]:
        """What the checks are run on."""
        return Bench(make_engine, faults, self.patience_s)


async def _run(check: Awaitable[Any]) -> None:
    with _skipping():
        await check


@contextmanager
def _skipping() -> Iterator[None]:
    try:
        yield
    except NotOfferedError as error:
        pytest.skip(str(error))


@pytest.mark.asyncio
class SttConformance(_Conformance[SttEngine]):
    """What a recogniser must hold."""

    said = ""
    """The words of ``speech`` that it must hear; empty: that it hears any is enough."""
    longest_s = 60.0
    """Of speech in one utterance: twice what a call hands over."""

    @pytest_asyncio.fixture
    async def speech(self) -> bytes:
        """Something said, 16 kHz, mono, s16; here by the embedded voice. Override with what your engine understands."""
        return (await espeak("What is the weather like today?")).pcm

    async def test_it_opens_and_closes_as_often_as_it_is_told(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(stt.opens_and_closes(bench, speech))

    async def test_one_that_was_never_opened_can_be_closed(self, bench: stt.SttBench) -> None:
        await _run(stt.closes_unopened(bench))

    async def test_it_hears_words_partials_and_any_language(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(stt.hears(bench, speech, self.said))

    async def test_no_sound_crashes_it(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(stt.takes_any_sound(bench, speech, self.longest_s))

    async def test_several_at_once_are_heard_as_each_would_be_alone(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(stt.serves_many(bench, speech))

    async def test_it_can_be_cancelled_at_any_moment(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(stt.can_be_cancelled(bench, speech))

    async def test_it_can_be_closed_in_the_middle_of_its_work(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(stt.closes_in_mid_work(bench, speech))

    async def test_a_server_that_hangs_is_given_up(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(stt.gives_up_a_server_that_hangs(bench, speech))

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_fault_of_the_server_has_its_kind(self, bench: stt.SttBench, speech: bytes, fault: str) -> None:
        await _run(stt.tells_faults_apart(bench, speech, fault))

    async def test_it_comes_back_with_its_server(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(stt.comes_back(bench, speech))

    async def test_words_of_any_script_come_as_they_were_sent(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(stt.passes_text_on(bench, speech))

    async def test_streamed_it_hears_while_it_is_said(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(streaming.hears_while_it_is_said(bench, speech))

    async def test_streamed_utterances_do_not_mix(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(streaming.takes_utterances_one_after_the_other(bench, speech))

    async def test_streamed_a_cancelled_finish_loses_nothing(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(streaming.loses_nothing_by_a_cancelled_finish(bench, speech))

    async def test_streamed_a_session_closes_at_any_moment(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(streaming.closes_at_any_moment(bench, speech))

    async def test_streamed_a_session_mends_itself(self, bench: stt.SttBench, speech: bytes) -> None:
        await _run(streaming.mends_itself(bench, speech))


@pytest.mark.asyncio
class AgentConformance(_Conformance[AgentEngine]):
    """What an agent must hold."""

    async def test_it_opens_and_closes_as_often_as_it_is_told(self, bench: agent.AgentBench) -> None:
        await _run(agent.opens_and_closes(bench))

    async def test_one_that_was_never_opened_can_be_closed(self, bench: agent.AgentBench) -> None:
        await _run(agent.closes_unopened(bench))

    async def test_it_answers_anything(self, bench: agent.AgentBench) -> None:
        await _run(agent.answers_anything(bench))

    async def test_several_calls_at_once_are_answered(self, bench: agent.AgentBench) -> None:
        await _run(agent.serves_many(bench))

    async def test_an_answer_can_be_closed_at_any_moment(self, bench: agent.AgentBench) -> None:
        await _run(agent.can_be_closed_at_any_moment(bench))

    async def test_it_can_be_closed_in_the_middle_of_its_work(self, bench: agent.AgentBench) -> None:
        await _run(agent.closes_in_mid_work(bench))

    async def test_a_server_that_hangs_is_given_up(self, bench: agent.AgentBench) -> None:
        await _run(agent.gives_up_a_server_that_hangs(bench))

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_fault_of_the_server_has_its_kind(self, bench: agent.AgentBench, fault: str) -> None:
        await _run(agent.tells_faults_apart(bench, fault))

    async def test_it_comes_back_with_its_server(self, bench: agent.AgentBench) -> None:
        await _run(agent.comes_back(bench))

    async def test_answers_of_any_script_come_as_they_were_sent(self, bench: agent.AgentBench) -> None:
        await _run(agent.passes_text_on(bench))


@pytest.mark.asyncio
class TtsConformance(_Conformance[TtsEngine]):
    """What a voice must hold."""

    async def test_it_opens_and_closes_as_often_as_it_is_told(self, bench: tts.TtsBench) -> None:
        await _run(tts.opens_and_closes(bench))

    async def test_one_that_was_never_opened_can_be_closed(self, bench: tts.TtsBench) -> None:
        await _run(tts.closes_unopened(bench))

    async def test_the_name_of_its_sound_stays(self, bench: tts.TtsBench) -> None:
        await _run(tts.names_its_sound(bench))

    async def test_it_speaks_any_text(self, bench: tts.TtsBench) -> None:
        await _run(tts.speaks_any_text(bench))

    async def test_it_speaks_whatever_voice_is_asked_for(self, bench: tts.TtsBench) -> None:
        await _run(tts.speaks_in_any_voice(bench))

    async def test_several_calls_at_once_are_spoken_to(self, bench: tts.TtsBench) -> None:
        await _run(tts.serves_many(bench))

    async def test_a_phrase_can_be_closed_at_any_moment(self, bench: tts.TtsBench) -> None:
        await _run(tts.can_be_closed_at_any_moment(bench))

    async def test_it_can_be_closed_in_the_middle_of_its_work(self, bench: tts.TtsBench) -> None:
        await _run(tts.closes_in_mid_work(bench))

    async def test_a_server_that_hangs_is_given_up(self, bench: tts.TtsBench) -> None:
        await _run(tts.gives_up_a_server_that_hangs(bench))

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_fault_of_the_server_has_its_kind(self, bench: tts.TtsBench, fault: str) -> None:
        await _run(tts.tells_faults_apart(bench, fault))

    async def test_it_comes_back_with_its_server(self, bench: tts.TtsBench) -> None:
        await _run(tts.comes_back(bench))
