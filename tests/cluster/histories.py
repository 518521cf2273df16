"""Random histories of a cluster: hosts start, take calls, drain and die, Ray's head and the database go and come back.

What decides is the code itself: the placement, the names of calls and tokens, the records' own SQL (in a SQLite in
memory), which end the calls of hosts that are gone, and the keys that let a token be used once. What is simulated is
what can't be made to fail at will a thousand times over: processes, Ray's knowledge of them, locks, and the moment.

``World.check`` holds after each step, ``World.settle`` at the end: no call has two owners, none is taken from an owner
that lives, each ends once, and none that is on record is forgotten.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Connection, create_engine, select
from sqlalchemy.pool import StaticPool

from openclaw_actors.cluster.placement import HostState, place
from openclaw_actors.messages import Event
from openclaw_actors.names import Names, host_of_call
from openclaw_actors.store import commands, tables
from openclaw_actors.store.entries import CallEntry, Entry, EventEntry
from openclaw_actors.store.recording import Recording
from openclaw_actors.store.records import FINAL_STATUSES, Fresh

KEY = b"the same for all hosts of a cluster"
WEBHOOK = "https://hooks.example.org/calls"
PLACES = 4
TRIES = 3
NOW = "2026-01-01T00:00:00.000Z"


class Claim:
    """A lock of the database, as store.claims has it; ``locks`` are those that are held."""

    def __init__(self, host: str, locks: set[str]) -> None:
        self.host = host
        self._locks = locks

    def take(self, connection: Connection) -> None:
        self._locks.add(self.host)

    def alive(self, connection: Connection, host: str) -> bool:
        return host == self.host or host in self._locks

    def release(self) -> None:
        self._locks.discard(self.host)


@dataclass
class Boot:
    """One start of a host: a process."""

    host: str
    names: Names
    claim: Claim
    recording: Recording
    calls: dict[str, None] = field(default_factory=dict)
    """In the order in which they came: a seed is one history, whatever chance is in their names."""
    pending: list[list[Entry]] = field(default_factory=list)
    """What its writer has not committed yet."""
    draining: bool = False
    cut_off: bool = False
    """Ray takes it for dead and has begun it anew, but it runs on behind a broken network."""


@dataclass
class Caller:
    """Who made a call, and what they hold of it."""

    call: str
    token: str
    done: bool = False
    """They hung up."""


class World:
    """A cluster and its callers.

    Args:
        seed: of the history.
        hosts: how many hosts Ray keeps.
    """

    def __init__(self, seed: int, hosts: int = 4) -> None:
        self.rng = random.Random(seed)
        self.seen_steps: Counter[str] = Counter()
        self.locks: set[str] = set()
        self.boots: dict[str, Boot | None] = {f"h{n}": None for n in range(hosts)}
        """The process of each host; None: Ray has yet to start it."""
        self.cut_off: list[Boot] = []
        self.dead: set[str] = set()
        """Record names of processes that died, of which Ray does not know yet, by host."""
        self.believed: dict[str, str] = {}
        """What Ray and the hosts' last words say: the record name of each host's process."""
        self.view: dict[str, HostState] = {}
        self.head = True
        self.callers: list[Caller] = []
        self.owner: dict[str, Boot] = {}
        """Of each call ever: whose it was."""
        self.never_written: set[str] = set()
        """Calls whose host died before it had committed their beginning."""
        self.resumed: Counter[str] = Counter()
        """How often each call was taken up."""
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        tables.metadata.create_all(self._engine)
        self._events = 0
        for host in self.boots:
            self._start(host)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def step(self) -> str:
        """Something happens; what."""
        steps = {
            self.call: 30, self.hang_up: 8, self.commit: 30, self.tell: 20, self.bury: 12, self.redial: 14,
            self.die: 6, self.notice: 8, self.restart: 6, self.drain: 3, self.roll: 3, self.end_drain: 2,
            self.lose_head: 1, self.head_back: 3, self.lose_locks: 1, self.retake_locks: 4, self.cut: 1,
            self.cut_ends: 2,
        }  # fmt: skip
        chosen = self.rng.choices(list(steps), list(steps.values()))[0]
        chosen()
        self.seen_steps[chosen.__name__] += 1
        return chosen.__name__

    # --- callers ----------------------------------------------------------------------------------

    def call(self) -> None:
        """Somebody calls."""
        self._place("")

    def hang_up(self) -> None:
        """A call ends as it should."""
        boot = self._any_boot(lambda boot: boot.calls)
        if boot is None:
            return
        call = self.rng.choice(list(boot.calls))
        del boot.calls[call]
        for caller in self.callers:
            caller.done |= caller.call == call
        boot.pending.append(
            [self._event("call.ended", call, 2), CallEntry(call, NOW, {"status": "completed", "end_reason": "hangup"})]
        )

    def redial(self) -> None:
        """Whose call is gone calls again, with the token; sometimes twice at once."""
        gone = [caller for caller in self.callers if not caller.done and not self._is_up(caller.call)]
        if not gone:
            return
        caller = self.rng.choice(gone)
        for _ in range(self.rng.choice((1, 1, 2))):
            self._resume(caller)

    def _resume(self, caller: Caller) -> None:
        boot = self._any_boot(lambda boot: not boot.cut_off)
        if boot is None or not self.head:
            return  # 503: the page tries again
        call = boot.names.call_of(caller.token)
        assert call == caller.call
        if self._status(call) not in FINAL_STATUSES:
            self._bury(boot)
            if self._status(call) not in FINAL_STATUSES:
                return  # 503, or never on record: 410, and the page calls anew
        with self._engine.begin() as connection:
            if not isinstance(commands.begin(connection, "resume", caller.token, "", 0.0), Fresh):
                return  # 410
            commands.finish(connection, "resume", caller.token, 200, "", 0.0)
        if self._place(call):
            self.resumed[call] += 1
            caller.done = True
        else:
            with self._engine.begin() as connection:
                commands.forget(connection, "resume", caller.token)

    def _place(self, resumed_from: str) -> bool:
        if not self.head:
            return False  # 503 head_away
        for _ in range(TRIES):
            name = place(list(self.view.values()), self.rng.randrange)
            if name is None:
                return False  # 503 full
            boot = self.boots[name]
            if boot is None or boot.host in self.dead or boot.draining or len(boot.calls) >= PLACES:
                self.view[name] = HostState(name, "", 0, 0, draining=False, ready=False)
                continue
            self._admit(boot, resumed_from)
            return True
        return False

    def _admit(self, boot: Boot, resumed_from: str) -> None:
        call = boot.names.call_id()
        assert call not in self.owner
        self.owner[call] = boot
        boot.calls[call] = None
        values = {"status": "in-progress", "transport": "webrtc", "resumed_from": resumed_from}
        boot.pending.append([self._event("call.initiated", call, 1), CallEntry(call, NOW, values)])
        self.callers.append(Caller(call, boot.names.resume_token(call)))

    # --- hosts ------------------------------------------------------------------------------------

    def commit(self) -> None:
        """A host's writer writes what waits."""
        boot = self._any_boot(lambda boot: boot.pending)
        if boot is not None:
            self._commit(boot)

    def tell(self) -> None:
        """A host says how it does."""
        boot = self._any_boot(lambda boot: not boot.cut_off)
        if boot is not None:
            self.believed[boot.host] = boot.claim.host
            self.view[boot.host] = HostState(boot.host, "", len(boot.calls), PLACES, draining=boot.draining, ready=True)

    def drain(self) -> None:
        """A host takes no new calls."""
        boot = self._any_boot()
        if boot is not None:
            boot.draining = True

    def end_drain(self) -> None:
        """It takes them again."""
        boot = self._any_boot()
        if boot is not None:
            boot.draining = False

    def roll(self) -> None:
        """A host that has drained ends in order, to be started anew."""
        boot = self._any_boot(lambda boot: boot.draining and not boot.calls and not boot.cut_off)
        if boot is not None:
            self._commit(boot)
            boot.claim.release()
            self.boots[boot.host] = None
            self.believed.pop(boot.host, None)

    def bury(self) -> None:
        """A host looks whether others are gone."""
        boot = self._any_boot(lambda boot: not boot.cut_off)
        if boot is not None:
            self._bury(boot)

    def _bury(self, boot: Boot) -> None:
        """As Host.bury_lost: who holds no lock, and of whom Ray does not say that they live."""
        if not self.head:
            return
        self.believed |= {each.host: each.claim.host for each in self._live() if not each.cut_off}
        with self._engine.begin() as connection:
            gone = set(boot.recording.gone(connection))
            alive = {boot.claim.host, *self.believed.values()}
            if dead := gone - alive:
                boot.recording.adopt(connection, spared=gone - dead)

    # --- faults -----------------------------------------------------------------------------------

    def die(self) -> None:
        """kill -9: memory and what was not written are gone, the lock is free; Ray learns of it later."""
        boot = self._any_boot(lambda boot: not boot.cut_off)
        if boot is not None:
            self._die(boot)
            self.dead.add(boot.host)

    def notice(self) -> None:
        """Ray finds that a process is dead."""
        if self.head and self.dead:
            host = self.rng.choice(sorted(self.dead))
            self.dead.discard(host)
            self.boots[host] = None
            self.believed.pop(host, None)

    def restart(self) -> None:
        """Ray starts a host anew."""
        waiting = [host for host, boot in self.boots.items() if boot is None]
        if self.head and waiting:
            self._start(self.rng.choice(waiting))

    def lose_head(self) -> None:
        """Nothing is placed, started or buried."""
        self.head = False

    def head_back(self) -> None:
        """It has its memory from Redis."""
        self.head = True

    def lose_locks(self) -> None:
        """The database was started anew: all locks are free, though their holders live."""
        if not self.cut_off:  # with a process that Ray has given up, that were two faults at once
            self.locks.clear()

    def retake_locks(self) -> None:
        """Each writer has its connection again, and the lock with it."""
        for boot in self._live():
            self.locks.add(boot.claim.host)

    def cut(self) -> None:
        """The network to a host breaks: Ray takes it for dead. It goes on, and holds its lock."""
        boot = self._any_boot(lambda boot: not boot.cut_off)
        if boot is not None and self.head and {each.claim.host for each in self._live()} <= self.locks:
            boot.cut_off = True
            self.cut_off.append(boot)
            self.boots[boot.host] = None
            self.believed.pop(boot.host, None)

    def cut_ends(self) -> None:
        """Its node's raylet gives up, and ends it."""
        if self.cut_off:
            boot = self.cut_off.pop(self.rng.randrange(len(self.cut_off)))
            self._die(boot)

    # --- within -----------------------------------------------------------------------------------

    def _start(self, host: str) -> None:
        claim = Claim(f"{self.rng.getrandbits(64):016x}", self.locks)
        boot = Boot(host, Names(host, KEY), claim, Recording(claim, [WEBHOOK], "node_lost"))
        with self._engine.begin() as connection:
            claim.take(connection)
        self.boots[host] = boot

    def _die(self, boot: Boot) -> None:
        begun = {entry.event.call_id for batch in boot.pending for entry in batch if _is_beginning(entry)}
        self.never_written |= begun
        boot.calls.clear()
        boot.pending.clear()
        boot.claim.release()

    def _commit(self, boot: Boot) -> None:
        with self._engine.begin() as connection:
            for batch in boot.pending:
                boot.recording.apply(connection, batch)
        boot.pending.clear()

    def _event(self, kind: str, call: str, sequence: int) -> EventEntry:
        self._events += 1
        return EventEntry(Event(f"evt_{self._events}", kind, NOW, call, sequence, {}))

    def _live(self) -> list[Boot]:
        running = [boot for boot in self.boots.values() if boot is not None and boot.host not in self.dead]
        return [*running, *self.cut_off]

    def _any_boot(self, wanted=lambda _: True) -> Boot | None:
        found = [boot for boot in self._live() if wanted(boot)]
        return self.rng.choice(found) if found else None

    def _is_up(self, call: str) -> bool:
        return any(call in boot.calls for boot in self._live())

    def _status(self, call: str) -> str:
        with self._engine.begin() as connection:
            return connection.scalar(select(tables.calls.c.status).where(tables.calls.c.id == call)) or ""

    # --- what must hold ---------------------------------------------------------------------------

    def check(self) -> None:
        """After each step."""
        holders = Counter(call for boot in self._live() for call in boot.calls)
        assert all(count == 1 for count in holders.values()), "a call has two owners"
        for boot in self._live():
            for call in boot.calls:
                assert host_of_call(call) == boot.host
                assert self.owner[call] is boot
        with self._engine.begin() as connection:
            final = select(tables.calls.c.id).where(tables.calls.c.status.in_(FINAL_STATUSES))
            over = set(connection.scalars(final))
        assert not over & holders.keys(), "a call was taken from an owner that lives"
        assert all(count == 1 for count in self.resumed.values()), "a token was used twice"

    def settle(self) -> None:
        """All faults end, and time passes; then look at the records."""
        self.head = True
        while self.cut_off:
            self.cut_ends()
        while self.dead:
            self.notice()
        while None in self.boots.values():
            self.restart()
        self.retake_locks()
        for boot in self._live():
            self._commit(boot)
            self.believed[boot.host] = boot.claim.host
        self._bury(self._live()[0])
        self.check()
        with self._engine.begin() as connection:
            calls = {row.id: row for row in connection.execute(select(tables.calls))}
            ends = Counter(
                connection.scalars(select(tables.events.c.call_id).where(tables.events.c.type == "call.ended"))
            )
            told = Counter(
                connection.scalars(
                    select(tables.webhook_outbox.c.call_id).where(tables.webhook_outbox.c.event_type == "call.ended")
                )
            )
            senders = set(connection.scalars(select(tables.webhook_outbox.c.host)))
        live = {call for boot in self._live() for call in boot.calls}
        for call in self.owner:
            if call in live:
                assert call in calls
                assert call not in ends
            elif call in calls:
                assert calls[call].status in FINAL_STATUSES, f"{call} is forgotten"
                assert ends[call] == told[call] == 1, f"{call} ended {ends[call]} times"
            else:
                assert call in self.never_written, f"{call} is on no record"
        assert senders <= {boot.claim.host for boot in self._live()}, "webhooks wait for a host that is gone"


def _is_beginning(entry: Entry) -> bool:
    return isinstance(entry, EventEntry) and entry.event.type == "call.initiated"


def run(seed: int, steps: int = 150) -> World:
    """One history, checked; the world at its end. Its assertions name the seed."""
    world = World(seed)
    done: list[str] = []
    try:
        for _ in range(steps):
            done.append(world.step())
            world.check()
        world.settle()
    except AssertionError as fault:
        raise AssertionError(f"history {seed}, after {' '.join(done[-12:])}: {fault}") from fault
    finally:
        world.close()
    return world
