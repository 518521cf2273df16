"""Who may call, who may be called, and how long: pure rules over the settings; the caller passes the clock.

A carrier says who calls, but anybody can forge that (see docs/phone.md); so a PIN may be asked for, and what calls
cost is bounded whoever makes them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from openclaw_actors.messages import NO_PROFILE, CallProfile
from openclaw_actors.settings.numbers import WITHHELD, country_code, is_e164, tidy
from openclaw_actors.settings.sections import Numbers as NumberSettings

HOUR_S = 3600.0
DAY_S = 86_400.0

Reason = Literal[
    "policy_disabled", "caller_not_allowed", "caller_withheld", "number_not_allowed", "own_number", "hourly_cap",
    "daily_minutes",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Admitted:
    """The call may be.

    Args:
        profile: by the number that is called.
        caller: who calls, in E.164; empty where the number is withheld.
    """

    profile: CallProfile = NO_PROFILE
    caller: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The call may not be: a stable word, a sentence that says what to do, and when it may be tried again."""

    reason: Reason
    detail: str
    retry_after_s: float = 0.0

    @property
    def is_for_now(self) -> bool:
        """Whether it may be later."""
        return self.reason in {"hourly_cap", "daily_minutes"}


class Numbers:
    """The rules of one host, and what its calls have used of them.

    Times are seconds of any one clock that does not go back.

    Args:
        settings: the section ``numbers``.
        own: the host's own numbers, one at each carrier.
    """

    def __init__(self, settings: NumberSettings, *own: str) -> None:
        self._settings = settings
        self._routes = {tidy(number): route for number, route in settings.routes.items()}
        self.own = frozenset({*own, *self._routes} - {""})
        """All numbers that are the host's."""
        self._allowed = frozenset(settings.allow_from)
        self._dialled: deque[float] = deque()
        self._talks: deque[tuple[float, float]] = deque()
        self._running: dict[str, float] = {}
        self._dialled_elsewhere: tuple[float, ...] = ()
        self._talks_elsewhere: tuple[tuple[float, float], ...] = ()

    # --- who --------------------------------------------------------------------------------------

    def inbound(self, caller: str, callee: str, now: float) -> Admitted | Refused:
        """Whether ``caller`` may call ``callee`` now, each as the carrier writes it."""
        settings = self._settings
        if settings.inbound_policy == "disabled":
            return Refused("policy_disabled", 'Nobody may call: numbers.inbound_policy is "disabled".')
        withheld = not is_e164(caller) or caller in WITHHELD
        if settings.inbound_policy == "allowlist" and (withheld or caller not in self._allowed):
            if withheld:
                return Refused("caller_withheld", "A caller whose number is withheld is not in numbers.allow_from.")
            return Refused("caller_not_allowed", f"{caller} is not in numbers.allow_from.")
        if not self.seconds_left(now):
            return self._out_of_minutes(now)
        return Admitted(
            profile=replace(self.profile(callee), asks_pin=bool(settings.pin.get_secret_value())),
            caller="" if withheld else caller,
        )

    def outbound(self, to: str, now: float, *, sender: str = "") -> Admitted | Refused:
        """Whether ``to`` may be called now from ``sender`` (else the host's own number), both in E.164.

        Changes nothing; ``dialled`` counts.
        """
        if to in self.own:
            return Refused("own_number", f"{to} is one of this host's own numbers: it would talk to itself.")
        prefixes = self._settings.outbound_prefixes or tuple(map(country_code, sorted({sender} - {""} or self.own)))
        if not is_e164(to) or not any(to.startswith(prefix) for prefix in prefixes):
            allowed = ", ".join(prefixes) or "none"
            return Refused(
                "number_not_allowed",
                f"{to} may not be called: the beginnings that may are {allowed} (numbers.outbound_prefixes).",
            )
        self._forget(now)
        dialled = sorted(at for at in (*self._dialled, *self._dialled_elsewhere) if at > now - HOUR_S)
        if len(dialled) >= self._settings.outbound_per_hour:
            wait = dialled[0] + HOUR_S - now if dialled else HOUR_S
            return Refused(
                "hourly_cap",
                f"{self._settings.outbound_per_hour} calls were placed within an hour, and no more may be "
                "(numbers.outbound_per_hour).",
                wait,
            )
        if not self.seconds_left(now):
            return self._out_of_minutes(now)
        return Admitted(profile=self.profile(sender), caller=sender)

    def profile(self, number: str) -> CallProfile:
        """What a call has that is for or from ``number``: as its route says, and how long it may last."""
        limit = self._settings.minutes_per_call * 60.0
        route = self._routes.get(tidy(number))
        if route is None:
            return CallProfile(max_duration_s=limit)
        return CallProfile(
            agent=route.agent,
            voice=route.voice,
            language=route.language,
            greeting=route.greeting,
            max_duration_s=limit,
        )

    def carrier_of(self, number: str) -> str:
        """At which carrier its route says that ``number`` is; empty: it does not say."""
        route = self._routes.get(tidy(number))
        return route.carrier if route is not None else ""

    # --- how much ---------------------------------------------------------------------------------

    def dialled(self, now: float) -> None:
        """A call is being placed: it counts for an hour, whatever comes of it."""
        self._dialled.append(now)

    def began(self, call_id: str, now: float) -> None:
        """A call by phone runs."""
        self._running[call_id] = now

    def ended(self, call_id: str, now: float) -> None:
        """It is over. One that did not run changes nothing."""
        began = self._running.pop(call_id, None)
        if began is not None:
            self._talks.append((now, now - began))

    def remember(self, ended_at: float, seconds: float) -> None:
        """A call of the time before this host was started. The oldest first, before all others."""
        self._talks.append((ended_at, seconds))

    def elsewhere(self, dialled: Sequence[float], talks: Sequence[tuple[float, float]]) -> None:
        """What the other hosts of a cluster have used, in place of what they had when this was told last.

        Args:
            dialled: when calls were placed.
            talks: when calls ended, or now where they run, and their seconds.
        """
        self._dialled_elsewhere, self._talks_elsewhere = tuple(dialled), tuple(talks)

    def seconds_left(self, now: float) -> float:
        """How much of the day's minutes is left; infinite without a bound, never below 0."""
        minutes = self._settings.minutes_per_day
        return max(0.0, minutes * 60.0 - self._used(now)) if minutes else float("inf")

    def exhausted_in(self, now: float) -> float:
        """In how many seconds the calls that run will have used up the day's minutes; infinite if never."""
        return self.seconds_left(now) / len(self._running) if self._running else float("inf")

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the calls by phone that run."""
        return tuple(self._running)

    def _used(self, now: float) -> float:
        self._forget(now)
        # Of a call that ended within the day, all counts: it may be a little too much, never too little.
        there = sum(seconds for ended_at, seconds in self._talks_elsewhere if ended_at > now - DAY_S)
        here = sum(seconds for _, seconds in self._talks) + sum(now - began for began in self._running.values())
        return here + there

    def _out_of_minutes(self, now: float) -> Refused:
        wait = self._talks[0][0] + DAY_S - now if self._talks else 60.0
        return Refused(
            "daily_minutes",
            f"The {self._settings.minutes_per_day} minutes of a day are used up (numbers.minutes_per_day).",
            wait,
        )

    def _forget(self, now: float) -> None:
        while self._dialled and self._dialled[0] <= now - HOUR_S:
            self._dialled.popleft()
        while self._talks and self._talks[0][0] <= now - DAY_S:
            self._talks.popleft()
