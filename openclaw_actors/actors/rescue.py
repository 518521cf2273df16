"""Rescue: what becomes of the work of a stage that went down, and when another engine has to do it."""

from __future__ import annotations

from dataclasses import dataclass

from openclaw_actors.actors.floor import Floor
from openclaw_actors.actors.stage import CallContext
from openclaw_actors.actors.tree import Tree
from openclaw_actors.errors import RefusedEngineError, UnavailableEngineError
from openclaw_actors.messages import Stage
from openclaw_actors.observability.logs import get_logger

_log = get_logger(__name__)

CRASHES_AN_ENGINE = 2
"""Failures on one utterance, question or phrase after which the next engine tries it. What then? The caller is asked to
say the utterance again, hears an excuse for the answer, and is spared the phrase."""

CRASHES_A_PHRASE = 3
"""Failures on one phrase, where no other engine speaks, after which it is left out: the back-off was 0.25 s by then."""


@dataclass(slots=True)
class _Failures:
    """How often, one after the other, the same piece of work has brought its stage down."""

    work: object = None
    count: int = 0

    def another(self, work: object) -> int:
        """It has done so (again); how often now."""
        self.count = self.count + 1 if work == self.work else 1
        self.work = work
        return self.count

    def forgive(self) -> None:
        """Another engine has its own chances."""
        self.work, self.count = None, 0


class Rescue:
    """One call's. It belongs to the Call.

    Args:
        context: the call's.
        floor: who speaks.
        tree: the stages, and whose engine can be replaced.
    """

    def __init__(self, context: CallContext, floor: Floor, tree: Tree) -> None:
        self._context = context
        self._memory = context.memory
        self._floor = floor
        self._tree = tree
        self._at_utterance = _Failures()
        self._at_phrase = _Failures()

    def stage_lost(self, stage: Stage, error: BaseException | None) -> None:
        """A stage went down; the others have nothing of theirs to lose."""
        if stage == "agent":
            self._agent_lost(error)
        elif stage == "stt":
            self._stt_lost(error)
        elif stage == "tts":
            self._tts_lost(error)

    def _agent_lost(self, error: BaseException | None) -> None:
        turn, delivery = self._floor.turn, self._memory.delivery
        untouched = isinstance(error, RefusedEngineError | UnavailableEngineError)  # it refused before it did anything
        failed_before = turn is not None and turn.kind == "reply" and turn.attempt >= CRASHES_AN_ENGINE
        replaced = not untouched and failed_before and self._tree.replace_engine("agent", error)
        if turn is None or (delivery.turn == turn.number and delivery.complete):
            return
        unasked = self._memory.asked < turn.number
        repeat = untouched or unasked or self._context.engines.agent.repeatable
        self._floor.reply_failed(turn.number, repeat=repeat, offered=delivery.words(turn.number), fresh=replaced)

    def _stt_lost(self, error: BaseException | None) -> None:
        owed = next((known.utterance for known in self._memory.unheard.values() if known.end is not None), None)
        if owed is None:
            return
        crashes = self._at_utterance.another(owed)
        if crashes == CRASHES_AN_ENGINE and self._tree.replace_engine("stt", error):
            self._at_utterance.forgive()
        elif crashes >= CRASHES_AN_ENGINE:
            self._floor.ask_again(owed)

    def _tts_lost(self, error: BaseException | None) -> None:
        delivery = self._memory.delivery
        if not delivery.unsaid or self._memory.fence.stale(delivery.turn):
            return
        crashes = self._at_phrase.another((delivery.turn, min(delivery.unsaid)))
        if crashes == CRASHES_AN_ENGINE and self._tree.replace_engine("tts", error):
            self._at_phrase.forgive()
        elif crashes >= CRASHES_A_PHRASE:
            _log.error("a phrase is left out")
            delivery.skip()
            self._at_phrase.forgive()
