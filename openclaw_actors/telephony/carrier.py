"""What a carrier is to the rest of telephony: calls placed and steered by REST, webhooks read, streams let in.

A carrier's own words (routes' fields, documents, error codes, signatures) stay in its folder; what it can't do is said
by its Abilities, and handled here once for all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from multidict import MultiMapping

from openclaw_actors.errors import RefusalError
from openclaw_actors.transports.media_streams.framing import Framing

CALL = "call"
"""The name, in callbacks' URLs, of our own name for a call: a callback may be here before the carrier's name is."""
TOKEN = "token"  # noqa: S105 - its name
AGAIN = "again"
"""The hook by which a carrier asks what follows when a stream has ended."""
"""The parameter that says which call a stream is of."""


class CarrierError(RefusalError):
    """The carrier would not, or did not answer.

    Args:
        status: for the client of our API.
        code: of the problem.
        detail: with the carrier's words and a remedy.
        number: the carrier's error code, else the HTTP status, else 0.
        undecided: it may have been done all the same.
    """

    def __init__(self, status: int, code: str, detail: str, number: int = 0, *, undecided: bool = False) -> None:
        headers = {"Retry-After": "5"} if status == 503 else {}
        super().__init__(status, code, detail, headers)
        self.number = number
        self.undecided = undecided


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a carrier can do, where they differ.

    Args:
        signs_upgrades: the upgrade to a media stream is signed; else the token stands in the stream's URL.
        names_placed_calls: the answer to the request that places a call has the name by which all else calls it; else
            callbacks tell another.
        tells_ringing: it tells that the phone that was dialled rings.
        hears_beep: told to, it waits for an answering machine's greeting to end before it says that it is one.
        takes_messages: told to, it records what a caller says, in our place.
        asks_again: when a stream has ended it asks what follows, so that another host may go on.
        verdict_s: who has answered is known within that many seconds, or will never be.
    """

    signs_upgrades: bool
    names_placed_calls: bool
    tells_ringing: bool
    hears_beep: bool
    takes_messages: bool
    verdict_s: float
    asks_again: bool = False


@dataclass(frozen=True, slots=True)
class Dial:
    """A call to be placed.

    Args:
        to: in E.164.
        sender: one of the account's numbers.
        call_id: our own name for the call.
        token: lets its media stream in.
        ring_timeout_s: how long it may ring.
        time_limit_s: how long it may last; the carrier ends it then, whatever has become of us.
        machine: what is to be found out: whether a machine answers (``start``), and when its greeting ends (``end``).
    """

    to: str
    sender: str
    call_id: str
    token: str
    ring_timeout_s: int
    time_limit_s: int
    machine: Literal["", "start", "end"] = ""


# --- what webhooks tell ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Webhook:
    """A request of the carrier's whose signature was checked.

    Args:
        hook: the last part of its route: ``webhook``, ``status`` …
        target: its path and query as they came.
        query: of the URL.
        body: as it came.
    """

    hook: str
    target: str
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Incoming:
    """Somebody calls one of our numbers; each as far as possible in E.164."""

    caller: str
    callee: str


@dataclass(frozen=True, slots=True)
class Picked:
    """Somebody has taken the call that we placed, and the carrier asks what to do with it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The call that we placed is on its way."""

    rings: bool = False


@dataclass(frozen=True, slots=True)
class Over:
    """The call has ended, and how: a status of ours, and a reason."""

    status: Literal["completed", "busy", "no-answer", "failed", "canceled"]
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who or what has answered.

    Args:
        what: human, machine_start, machine_end_beep, machine_end_silence, machine_end_other, fax or unknown.
    """

    what: str


@dataclass(frozen=True, slots=True)
class StreamNews:
    """A media stream began or ended; why it failed, only the carrier knows."""

    state: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Transferring:
    """The carrier asks whom to connect a call with that is being given away; ``ticket`` is what we named it."""

    ticket: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """The carrier has taken a message in our place; empty: there was nothing to record."""

    recording_id: str


@dataclass(frozen=True, slots=True)
class Passing:
    """Something that is only written down."""

    about: str


News = Incoming | Picked | Progress | Over | Verdict | StreamNews | Transferring | Recorded | Passing


@dataclass(frozen=True, slots=True)
class Told:
    """What a webhook tells.

    Args:
        what: just that.
        carrier_call_id: the carrier's name for the call.
        call_id: ours, where we have placed it.
        key: the same when the carrier repeats itself.
    """

    what: News
    carrier_call_id: str
    call_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook is answered.

    Args:
        text: the document.
        act: what is to be done besides, for carriers that are told by REST.
    """

    text: str
    act: Callable[[], Awaitable[None]] | None = None


# --- the carrier ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands.

    Args:
        said: whose it is and its state, for a person.
        remedy: what to do about that; empty: nothing.
        usable: it can call.
    """

    said: str
    remedy: str = ""
    usable: bool = True


@dataclass(frozen=True, slots=True)
class OwnNumber:
    """A number of the account's.

    Args:
        number: in E.164.
        id: the carrier's name for it.
        asks: what is asked when it is called, as a person would say it; empty: nothing.
        is_ours: that is this host.
    """

    number: str
    id: str
    asks: str
    is_ours: bool


class Carrier(Protocol):
    """One carrier's account. Belongs to the running loop; ``open`` it first.

    What is awaited raises CarrierError.
    """

    name: str
    """Calls' ``transport``, and the label of metrics."""
    title: str
    """For people."""
    from_number: str
    """Calls are placed from it; in E.164."""
    abilities: Abilities
    framing: Framing
    content_type: str
    """Of the documents that answer webhooks."""
    nothing: str
    """The document that answers a webhook of which nothing follows."""
    webhook_url: str
    """What a number is to ask when it is called."""
    stream_url: str
    """Of media streams, without a token."""

    async def open(self) -> None:
        """Get ready; nothing is asked of the carrier yet."""

    async def aclose(self) -> None:
        """Close its connections."""

    # --- who asks ---------------------------------------------------------------------------------

    def unsigned(self, headers: MultiMapping[str]) -> str:
        """The name of a header without which nothing can be verified, where it is not there once; empty: all are."""

    def signs(self, target: str, body: bytes, headers: MultiMapping[str]) -> bool:
        """Whether the carrier has sent a request: its path and query, its body and headers as they came."""

    def signs_upgrade(self, target: str, headers: MultiMapping[str]) -> bool:
        """Whether the carrier opens a media stream; only of one that signs upgrades."""

    def read(self, webhook: Webhook) -> Told:
        """What a webhook tells.

        Raises:
            ValueError: it can't be read.
        """

    # --- answers ----------------------------------------------------------------------------------

    def connect(self, carrier_call_id: str, token: str) -> Answer:
        """Bring the call's sound to us, and ours to it."""

    def reject(self, carrier_call_id: str, reason: Literal["rejected", "busy"]) -> Answer:
        """Do not take the call: nobody pays for it."""

    def notice(self, words: str) -> Answer | None:
        """Take the call, say ``words`` in the carrier's own voice, and hang up; None of one that has no voice here."""

    def record(self, message_id: str, words: str, longest_s: int, silence_s: int) -> Answer | None:
        """Say ``words`` and take a message in our place; None of one that takes none.

        Args:
            message_id: what ``Recorded`` is told with, as if it were a call's.
            words: said before the tone.
            longest_s: of the message.
            silence_s: that ends it.
        """

    def dial_on(self, ticket: str) -> Answer:
        """Connect the call with whom ``transfer`` named, for carriers that ask."""

    # --- calls ------------------------------------------------------------------------------------

    async def place(self, dial: Dial) -> str:
        """Place a call; the carrier's name for it (see ``Abilities.names_placed_calls``)."""

    async def hang_up(self, carrier_call_id: str) -> None:
        """End a call, whether it rings or is up. One that is over is no error."""

    async def transfer(self, carrier_call_id: str, to: str, caller_id: str, time_limit_s: int) -> None:
        """Connect the call with ``to`` in place of us.

        Args:
            carrier_call_id: the carrier's name for it.
            to: in E.164, or a SIP address.
            caller_id: who is shown to call; empty: as the carrier does by itself.
            time_limit_s: how long it may last from then on.
        """

    # --- the account ------------------------------------------------------------------------------

    async def describe(self) -> Standing:
        """How the account stands."""

    async def number(self, number: str) -> OwnNumber | None:
        """The account's number; None when it is not the account's."""

    async def point(self, number: OwnNumber) -> None:
        """Let the number ask this host when it is called."""

    def probe(self) -> tuple[str, bytes, Mapping[str, str]]:
        """A webhook that tells nothing: URL, body, and headers that sign it; none where only the carrier can."""

    def probe_stream(self) -> tuple[str, Mapping[str, str]]:
        """The URL of a media stream, and headers that sign its upgrade; none where only the carrier can."""


def is_given_once(headers: MultiMapping[str], name: str) -> bool:
    """Whether there is one such header: of two nobody could say which is meant."""
    return len(headers.getall(name, [])) == 1
