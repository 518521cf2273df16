"""The part of ``openclaw-actors setup`` that is about calls by phone."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from openclaw_actors.cli.faults import EXIT_SETTINGS

if TYPE_CHECKING:
    from openclaw_actors.cli.setup import Answers
    from openclaw_actors.settings.sections import Settings
    from openclaw_actors.telephony.carrier import Carrier, OwnNumber

POLICIES = ("allowlist", "open", "disabled")

TUNNELS = {
    "cloudflared": "cloudflared tunnel --url http://127.0.0.1:{port}",
    "tailscale": "tailscale funnel {port}",
    "ngrok": "ngrok http {port}",
}
"""What brings a public https address to a machine at home, and the command that does."""


_ACCOUNTS: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "twilio": (
        ("account_sid", "Twilio's account SID", False),
        ("auth_token", "Its auth token", True),
    ),
    "telnyx": (
        ("api_key", "Telnyx's API key", True),
        ("public_key", "Its public key", False),
        ("connection_id", "The id of its Call Control application", False),
    ),
    "plivo": (
        ("auth_id", "Plivo's auth ID", False),
        ("auth_token", "Its auth token", True),
    ),
}
"""What is asked of each carrier, and whether it is hidden; by the first, given as a flag, the carrier is chosen."""


def ask_phone(answers: Answers) -> bool:
    """Accounts at carriers, and who may call and be called; whether there is any."""
    given = [name for name, keys in _ACCOUNTS.items() if answers.given.get(f"{name}_{keys[0][0]}")]
    if not given:
        chosen = answers.choose("carrier", "Calls by phone, over which carrier?", ("none", *_ACCOUNTS), "none")
        given = [] if chosen == "none" else [chosen]
    for name in given:
        _ask_account(answers, name)
    if not given:
        return False
    if answers.given.get("public_url") is None:
        _hint_at_tunnels(answers)
    answers.put(
        "server.public_url", answers.ask("public_url", "The https address under which carriers reach this host", "")
    )
    policy = answers.choose("inbound_policy", "Who may call?", POLICIES, "allowlist")
    answers.put("numbers.inbound_policy", policy if policy != "allowlist" else None)
    if policy == "allowlist":
        callers = answers.ask("allow_from", "Which numbers may call? (such as +15550100007, with commas between)", "")
        answers.put("numbers.allow_from", _list(callers) or None)
    if policy != "disabled":
        pin = answers.ask("pin", "A PIN that callers must enter, as numbers can be forged (empty: none)", "", hide=True)
        answers.put("numbers.pin", pin)
    prefixes = answers.ask("outbound_prefixes", "Which may be called? (beginnings; empty: those of your country)", "")
    answers.put("numbers.outbound_prefixes", _list(prefixes) or None)
    if not answers.tables.get("auth", {}).get("tokens"):
        # Through a tunnel the whole internet comes from this machine, so that nobody is let in for coming from here.
        answers.put("auth.tokens", [secrets.token_urlsafe(32)])
        typer.echo("Programs and pages must show the token that stands in the file, at auth.tokens.", err=True)
    return True


def ask_voicemail(answers: Answers) -> None:
    """Whether those who can't be answered leave a message, and when nobody is called back for it."""
    if answers.choose("voicemail", "Shall callers who can't be answered leave a message?", ("yes", "no"), "no") == "no":
        return
    answers.put("voicemail.enabled", True)
    greeting = answers.ask("voicemail_greeting", "What do they hear before the tone? (empty: the default)", "")
    answers.put("voicemail.greeting", greeting)
    quiet = answers.ask("quiet_hours", "When is nobody called back? (such as 21:00-09:00, with commas between)", "")
    answers.put("voicemail.quiet_hours", _list(quiet) or None)
    if quiet:
        zone = answers.ask("time_zone", "In which time zone? (such as Europe/Berlin; empty: this machine's)", "")
        answers.put("voicemail.time_zone", zone)


def _ask_account(answers: Answers, carrier: str) -> None:
    for key, asked, hidden in _ACCOUNTS[carrier]:
        answers.put(f"{carrier}.{key}", answers.ask(f"{carrier}_{key}", asked, "", hide=hidden))
    number = answers.ask(f"{carrier}_number", "Your number there, such as +15550100001", "")
    answers.put(f"{carrier}.from_number", number)


def _list(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _hint_at_tunnels(answers: Answers) -> None:
    port = answers.tables.get("server", {}).get("port", 8080)
    typer.echo(
        "Carriers must reach this machine by https. Without a proxy of your own, a tunnel brings it here:", err=True
    )
    for name, command in TUNNELS.items():
        there = "" if shutil.which(name) else "   (not installed)"
        typer.echo(f"  {command.format(port=port)}{there}", err=True)


def connect_numbers(settings: Settings, *, yes: bool) -> None:
    """Let each carrier's number ask this host, and show what it will be answered.

    Raises:
        typer.Exit: a carrier refuses; the file is written all the same.
    """
    # Only now: what speaks with carriers takes 0.5 s to import.
    from openclaw_actors.telephony.carriers import configured  # noqa: PLC0415 - see above

    for carrier in configured(settings).values():
        _connect(carrier, yes=yes)


def _connect(carrier: Carrier, *, yes: bool) -> None:
    from openclaw_actors.errors import RefusalError  # noqa: PLC0415 - as in connect_numbers

    url, number, title = carrier.webhook_url, carrier.from_number, carrier.title
    if not number or not (yes or typer.confirm(f"Let {number} ask {url} at {title}?", default=True, err=True)):
        typer.echo(f"In {title}'s console, let the number's voice webhook be {url} (HTTP POST).", err=True)
        return
    try:
        found = asyncio.run(_point(carrier))
    except RefusalError as error:
        typer.echo(f"error: the number's webhook could not be set: {error.detail}", err=True)
        raise typer.Exit(EXIT_SETTINGS) from error
    if found is None:
        typer.echo(f"error: {number} is not a number of this account; correct {carrier.name}.from_number", err=True)
        raise typer.Exit(EXIT_SETTINGS)
    typer.echo(f"{number} asks {url} from now on; before it asked {found.asks or 'nobody'}.", err=True)
    document = carrier.connect("", "a-new-one-for-each-call").text
    if document != carrier.nothing:
        typer.echo("A caller's webhook will be answered with:", err=True)
        typer.echo(document, err=True)


async def _point(carrier: Carrier) -> OwnNumber | None:
    """Let the number ask this host; what it asked before, None when it is not the account's."""
    from openclaw_actors.cli.phone_checks import opened  # noqa: PLC0415 - as in connect_numbers

    async with opened(carrier):
        number = await carrier.number(carrier.from_number)
        if number is not None:
            await carrier.point(number)
        return number
