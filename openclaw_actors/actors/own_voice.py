"""OwnVoice: lines that are no answer of the agent's, such as a greeting, an excuse or what an operator wants said."""

from __future__ import annotations

from openclaw_actors.actors import pin
from openclaw_actors.actors.stage import CallContext
from openclaw_actors.messages import Say
from openclaw_actors.turns.phrases import PhraseSplitter
from openclaw_actors.turns.spoken_form import spoken_form

SAY_AGAIN = "Sorry, could you say that again?"
NO_ANSWER = "Sorry, I did not get an answer to that. Please try again."


class OwnVoice:
    """One call's. It belongs to the Floor."""

    def __init__(self, context: CallContext) -> None:
        self._context = context
        settings = context.settings
        self._known = {
            *(SAY_AGAIN, NO_ANSWER, pin.ASK, pin.WRONG, pin.WELCOME),
            *(context.greeting, settings.agent.back_from_hold, settings.recordings.notice),
            *(*settings.calls.silent_prompts, settings.calls.silent_goodbye),
        }
        """They hold nothing of the caller's, so their sound may be kept on disk, and each is one phrase."""

    def say(self, turn: int, text: str) -> None:
        """Give a line to the Tts, phrase by phrase, so that a long one does not run ahead of its credit."""
        language = self._context.language
        splitter = PhraseSplitter(language)
        known = text in self._known
        cut = [text] if known else [*splitter.push(text), *splitter.flush()] or [text]
        phrases = [spoken_form(phrase, language) for phrase in cut]
        delivery = self._context.memory.delivery
        for left, phrase in zip(range(len(phrases) - 1, -1, -1), phrases, strict=True):
            say = Say(turn, delivery.next_index(turn), phrase, last=not left, shareable=known)
            delivery.offer(say)
            self._context.ports["tts"].tell(say)
