"""The part of ``openclaw-actors setup`` that is about calls by phone."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from typing import TYPE_CHECKING, Any

import typer

from openclaw_actors.cli.faults import EXIT_SETTINGS

if TYPE_CHECKING:
    from openclaw_actors.cli.setup import Answers
    from openclaw_actors.settings.sections import Settings

POLICIES = ("allowlist", "open", "disabled")

TUNNELS = {
    "cloudflared": "cloudflared tunnel --url http://127.0.0.1:{port}",
    "tailscale": "tailscale funnel {port}",
    "ngrok": "ngrok http {port}",
}
"""What brings a public https address to a machine at home, and the command that does."""


def ask_phone(answers: Answers) -> None:
    """An account at Twilio, and who may call and be called; nothing when there is none."""
    account = answers.ask("twilio_account_sid", "Twilio's account SID, for calls by phone (empty: none)", "")
    if not account:
        return
    answers.put("twilio.account_sid", account)
    answers.put("twilio.auth_token", answers.ask("twilio_auth_token", "Its auth token", "", hide=True))
    number = answers.ask("twilio_number", "Your number there, such as +15550100001", "")
    answers.put("twilio.from_number", number)
    if answers.given.get("public_url") is None:
        _hint_at_tunnels(answers)
    answers.put(
        "server.public_url", answers.ask("public_url", "The https address under which Twilio reaches this host", "")
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


def _list(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _hint_at_tunnels(answers: Answers) -> None:
    port = answers.tables.get("server", {}).get("port", 8080)
    typer.echo(
        "Twilio must reach this machine by https. Without a proxy of your own, a tunnel brings it here:", err=True
    )
    for name, command in TUNNELS.items():
        there = "" if shutil.which(name) else "   (not installed)"
        typer.echo(f"  {command.format(port=port)}{there}", err=True)


def connect_number(settings: Settings, *, yes: bool) -> None:
    """Point the number's webhook here, and show what Twilio will be answered.

    Raises:
        typer.Exit: Twilio refuses; the file is written all the same.
    """
    # Only now: what speaks with Twilio takes 0.5 s to import.
    from openclaw_actors.errors import RefusalError  # noqa: PLC0415 - see above
    from openclaw_actors.telephony.twilio import twiml  # noqa: PLC0415 - see above
    from openclaw_actors.telephony.twilio.urls import Urls  # noqa: PLC0415 - see above

    urls = Urls(settings.server.public_url)
    number = settings.twilio.from_number
    if not number or not (yes or typer.confirm(f"Let {number} ask {urls.webhook} at Twilio?", default=True, err=True)):
        typer.echo(f"In Twilio's console, let the number's voice webhook be {urls.webhook} (HTTP POST).", err=True)
        return
    try:
        before = asyncio.run(_point(settings, urls))
    except RefusalError as error:
        typer.echo(f"error: the number's webhook could not be set: {error.detail}", err=True)
        raise typer.Exit(EXIT_SETTINGS) from error
    if before is None:
        typer.echo(f"error: {number} is not a number of this account; correct twilio.from_number", err=True)
        raise typer.Exit(EXIT_SETTINGS)
    typer.echo(f"{number} asks {urls.webhook} from now on; before it asked {before or 'nobody'}.", err=True)
    typer.echo("A caller's webhook will be answered with:", err=True)
    typer.echo(twiml.connect_stream(urls, "a-new-one-for-each-call"), err=True)


async def _point(settings: Settings, urls: Any) -> str | None:
    """Point the number's webhook here; where it pointed before, None when it is not the account's."""
    from openclaw_actors.cli.phone_checks import opened  # noqa: PLC0415 - as in connect_number

    async with opened(settings) as account:
        number = await account.number(settings.twilio.from_number)
        if number is None:
            return None
        await account.point(number, urls.webhook, urls.status)
        return number.voice_url
