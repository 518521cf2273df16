"""What ``openclaw-actors doctor`` looks at when callers may leave messages."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime

from openclaw_actors.cli.findings import Check, Fault
from openclaw_actors.settings.hours import first_outside, named_zone, parse_span
from openclaw_actors.settings.sections import Settings
from openclaw_actors.telephony.numbers import Numbers, Refused
from openclaw_actors.telephony.voicemail.book import sound_folder
from openclaw_actors.telephony.voicemail.secretary import STAND_IN

_FEW_NAMED = 3
"""Of many numbers; the others are counted."""


class VoicemailChecks:
    """The checks of one configuration.

    Args:
        settings: what the host would run with.
        now: this moment, with a time zone.
    """

    def __init__(self, settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings = settings
        self._own = settings.voicemail
        self._now = now

    def all(self) -> list[tuple[str, Check]]:
        """Name and check of each that needs no engine."""
        if not self._own.enabled:
            return [("voicemail", self._off)]
        return [
            ("voicemail", self._callers),
            ("voicemail storage", self._storage),
            ("call-backs", self._call_backs),
            ("quiet hours", self._hours),
        ]

    def of_agent(self, serving: str) -> list[tuple[str, Check]]:
        """Those for which the agent must be known; ``serving``: the one that serves, empty: none does."""

        async def check() -> str:
            return self._answers(serving)

        return [("voicemail answers", check)] if self._own.enabled else []

    @property
    def _routes(self) -> list[str]:
        return [number for number, route in self._settings.numbers.routes.items() if route.voicemail]

    # --- leaving a message ------------------------------------------------------------------------

    async def _off(self) -> str:
        if self._routes:
            raise Fault(
                f"the callers of {_some(self._routes)} are to leave a message, and voicemail is off",
                "set voicemail.enabled = true, or take voicemail out of numbers.routes",
                "warning",
            )
        return "off: voicemail.enabled is false"

    async def _callers(self) -> str:
        when = self._own.when
        if self._own.closed_hours and "closed" not in when:
            raise Fault(
                "voicemail.closed_hours are not looked at, as voicemail.when does not hold closed",
                "add it there, or take the hours out",
                "warning",
            )
        who = [", ".join(when).replace("_", " ")] if when else []
        if self._routes:
            who.append(f"always on {_some(self._routes)}")
        return f"callers leave a message: {'; '.join(who) or 'those who ask for it'}"

    async def _storage(self) -> str:
        folder = sound_folder(self._settings).expanduser().absolute()
        trial = folder / f".doctor-{secrets.token_hex(4)}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            trial.write_bytes(b"\0")
            trial.unlink()
        except OSError as error:
            raise Fault(
                f"no message can be kept in {folder}: {error.strerror or error}",
                "let the host's user write there, or set voicemail.dir",
            ) from error
        free, most = shutil.disk_usage(folder).free, self._own.max_bytes
        if free < most:
            raise Fault(
                f"{free >> 20} MiB are left in {folder}, and messages may take {most >> 20} (voicemail.max_bytes)",
                "make room there, or set it lower",
                "warning",
            )
        keep = f"{self._own.keep_days} days" if self._own.keep_days else "for ever"
        return f"{folder} can be written; messages that are done with are kept {keep}"

    # --- answering it -----------------------------------------------------------------------------

    def _answers(self, serving: str) -> str:
        engines = self._settings.agent.engines
        if set(engines) == {STAND_IN}:
            raise Fault(
                "the parrot answers messages, by repeating them", "put an agent before it in agent.engines", "warning"
            )
        if serving in {"", STAND_IN}:
            raise Fault(
                f"no agent reads messages now; they wait for it, {self._own.give_up_h:g} h at most",
                f"repair {next(each for each in engines if each != STAND_IN)}",
                "warning",
            )
        return f"{serving} reads each message and prepares its answer"

    async def _call_backs(self) -> str:
        settings = self._settings
        if not self._own.call_back:
            return "none: voicemail.call_back is false"
        if not settings.carriers:
            raise Fault(
                "nobody can be called back: no carrier is configured",
                "set one up (docs/carriers.md), or set voicemail.call_back = false",
                "warning",
            )
        if settings.numbers.pin.get_secret_value():
            return "of browsers alone: where callers give a PIN, what they leave is only written down"
        sender = getattr(settings, settings.outbound.carrier or settings.carriers[0]).from_number
        if not sender:
            raise Fault("there is no number to call back from", "set the carrier's from_number", "warning")
        numbers = Numbers(settings.numbers, *(getattr(settings, name).from_number for name in settings.carriers))
        if not settings.numbers.outbound_per_hour:
            raise Fault(
                "nobody may be called: numbers.outbound_per_hour is 0",
                "set it, or set voicemail.call_back = false",
                "warning",
            )
        callers = settings.numbers.allow_from if settings.numbers.inbound_policy == "allowlist" else ()
        barred = [each for each in callers if isinstance(numbers.outbound(each, 0.0, sender=sender), Refused)]
        if barred:
            raise Fault(
                f"{_some(barred)} may call, and may not be called back",
                "add how they begin to numbers.outbound_prefixes",
                "warning",
            )
        return (
            f"from {sender}, {self._own.attempts} attempts at most, the first {self._own.call_back_after_s:g} s later"
        )

    async def _hours(self) -> str:
        spans = [parse_span(text) for text in self._own.quiet_hours]
        if not spans:
            if self._own.call_back and self._settings.carriers:
                raise Fault(
                    "none: people may be called back at night",
                    'set voicemail.quiet_hours, such as ["21:00-09:00"], and voicemail.time_zone',
                    "warning",
                )
            return "none are set"
        zone = named_zone(self._own.time_zone)
        if not self._own.time_zone and zone.key == "UTC":
            raise Fault(
                "they go by UTC, which is this machine's time zone or all that it tells of it",
                "set voicemail.time_zone to yours, such as Europe/Berlin",
                "warning",
            )
        now = self._now()
        free = first_outside(now, spans, zone)
        then = "not now" if free is None else f"till {free.astimezone(zone):%a %H:%M}"
        state = "calls may be made" if free is not None and free <= now else f"nobody is called back {then}"
        return f"{', '.join(self._own.quiet_hours)}; in {zone.key} it is {now.astimezone(zone):%a %H:%M}: {state}"


def _some(numbers: list[str]) -> str:
    """A few of them by name."""
    more = len(numbers) - _FEW_NAMED
    return ", ".join(numbers[:_FEW_NAMED]) + (f" and {more} more" if more > 0 else "")
