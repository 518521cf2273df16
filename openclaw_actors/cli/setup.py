"""``openclaw-actors setup``: questions, each also a flag; writes a configuration and looks whether it works."""

# ruff: noqa: PLR0913, PLR0917 - typer reads a command's options from its parameters

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from openclaw_actors.cli.doctor import EXIT_BAD, examine
from openclaw_actors.cli.faults import EXIT_SETTINGS, settings_faults
from openclaw_actors.cli.setup_phone import POLICIES, ask_phone, ask_voicemail, connect_numbers

DEFAULT_FILE = Path("openclaw-actors.toml")
GATEWAY_URL = "http://127.0.0.1:18789/v1"
AGENTS = ("openclaw", "openai", "parrot")
RECOGNISERS = ("faster-whisper", "openai", "pocketsphinx")
SPEAKERS = ("edge-tts", "openai", "espeak-ng")
LOOPBACK = ("127.0.0.1", "::1", "localhost")

_EMBEDDED = {"agent": "parrot", "stt": "pocketsphinx", "tts": "espeak-ng"}
"""What each list of engines ends with, so that a call is answered whatever else fails."""


@dataclass(slots=True)
class Answers:
    """What was asked for. ``given``: by flag; a question is asked only for what was not."""

    given: Mapping[str, Any]
    yes: bool
    tables: dict[str, Any] = field(default_factory=dict)

    def ask(self, name: str, question: str, default: str, *, hide: bool = False) -> str:
        """A text: the flag's, else the person's, else (with --yes) the default."""
        if self.given.get(name) is not None:
            return str(self.given[name])
        if self.yes:
            return default
        return str(
            typer.prompt(question, default=default, hide_input=hide, show_default=bool(default) and not hide, err=True)
        )

    def choose(self, name: str, question: str, choices: tuple[str, ...], default: str) -> str:
        """One of ``choices``; asked again until it is one. A flag that is none ends the command."""
        while True:
            answer = self.ask(name, f"{question} ({', '.join(choices)})", default)
            if answer in choices:
                return answer
            typer.echo(f"error: --{name.replace('_', '-')}: choose one of {', '.join(choices)}", err=True)
            if self.yes or self.given.get(name) is not None:
                raise typer.Exit(EXIT_SETTINGS)

    def put(self, key: str, value: Any) -> None:
        """Set a key, unless there is nothing to set."""
        if value in ("", None):
            return
        *path, last = key.split(".")
        table = self.tables
        for part in path:
            table = table.setdefault(part, {})
        table[last] = value


def setup(
    file: Annotated[Path, typer.Option("--file", "-f", help="Where to write the configuration.")] = DEFAULT_FILE,
    agent: Annotated[str | None, typer.Option(help=f"Who answers: {', '.join(AGENTS)}.")] = None,
    gateway_url: Annotated[str | None, typer.Option(help="The OpenClaw Gateway's address, ending in /v1.")] = None,
    gateway_token: Annotated[str | None, typer.Option(help="Its token.")] = None,
    llm_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible server, ending in /v1.")] = None,
    llm_key: Annotated[str | None, typer.Option(help="Its key.")] = None,
    llm_model: Annotated[str | None, typer.Option(help="Its model.")] = None,
    stt: Annotated[str | None, typer.Option(help=f"Who hears: {', '.join(RECOGNISERS)}.")] = None,
    stt_url: Annotated[str | None, typer.Option(help="For openai: the server, ending in /v1.")] = None,
    stt_key: Annotated[str | None, typer.Option(help="For openai: its key.")] = None,
    whisper_model: Annotated[str | None, typer.Option(help="For faster-whisper: tiny, base, small, medium.")] = None,
    tts: Annotated[str | None, typer.Option(help=f"Who speaks: {', '.join(SPEAKERS)}.")] = None,
    tts_url: Annotated[str | None, typer.Option(help="For openai: the server, ending in /v1.")] = None,
    tts_key: Annotated[str | None, typer.Option(help="For openai: its key.")] = None,
    voice: Annotated[str | None, typer.Option(help="The voice; `voices` lists them.")] = None,
    greeting: Annotated[str | None, typer.Option(help="What a caller hears first.")] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port.")] = None,
    carrier: Annotated[str | None, typer.Option(help="Calls by phone: none, twilio, telnyx or plivo.")] = None,
    twilio_account_sid: Annotated[str | None, typer.Option(help="Twilio's account SID, for calls by phone.")] = None,
    twilio_auth_token: Annotated[str | None, typer.Option(help="Its auth token.")] = None,
    twilio_number: Annotated[str | None, typer.Option(help="Your number there, in E.164.")] = None,
    telnyx_api_key: Annotated[str | None, typer.Option(help="Telnyx's API key, for calls by phone.")] = None,
    telnyx_public_key: Annotated[str | None, typer.Option(help="Its public key.")] = None,
    telnyx_connection_id: Annotated[str | None, typer.Option(help="The id of its Call Control application.")] = None,
    telnyx_number: Annotated[str | None, typer.Option(help="Your number there, in E.164.")] = None,
    plivo_auth_id: Annotated[str | None, typer.Option(help="Plivo's auth ID, for calls by phone.")] = None,
    plivo_auth_token: Annotated[str | None, typer.Option(help="Its auth token.")] = None,
    plivo_number: Annotated[str | None, typer.Option(help="Your number there, in E.164.")] = None,
    public_url: Annotated[str | None, typer.Option(help="The https address of your proxy or tunnel.")] = None,
    inbound_policy: Annotated[str | None, typer.Option(help=f"Who may call: {', '.join(POLICIES)}.")] = None,
    allow_from: Annotated[str | None, typer.Option(help="For allowlist: numbers, with commas between.")] = None,
    pin: Annotated[str | None, typer.Option(help="Digits that callers must enter.")] = None,
    outbound_prefixes: Annotated[str | None, typer.Option(help="Beginnings of numbers that may be called.")] = None,
    voicemail: Annotated[str | None, typer.Option(help="Whether callers leave messages: yes or no.")] = None,
    voicemail_greeting: Annotated[str | None, typer.Option(help="What they hear before the tone.")] = None,
    quiet_hours: Annotated[str | None, typer.Option(help="When nobody is called back, such as 21:00-09:00.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Whose hours those are, such as Europe/Berlin.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: flags and defaults.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    check: Annotated[bool, typer.Option(help="Run doctor on it afterwards.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print doctor's findings as JSON; asks nothing.")] = False,
) -> None:
    """Write a configuration: finds a Gateway, picks engines, connects a phone number, then checks all of it."""
    given = {
        name: value for name, value in locals().items() if name not in {"file", "yes", "force", "check", "as_json"}
    }
    answers = Answers(given, yes or as_json)
    if file.exists() and not force and (answers.yes or not typer.confirm(f"Replace {file}?", err=True)):
        typer.echo(f"error: {file} is there already; name another with --file, or replace it with --force", err=True)
        raise typer.Exit(EXIT_SETTINGS)
    ask_agent(answers, find_gateway)
    _ask_recogniser(answers)
    _ask_speaker(answers)
    answers.put("agent.greeting", answers.ask("greeting", "What does a caller hear first?", "") or None)
    _ask_address(answers)
    if ask_phone(answers) or answers.given.get("voicemail"):
        ask_voicemail(answers)
    with settings_faults():
        settings = _write(file, answers.tables)
        connect_numbers(settings, yes=answers.yes)
        findings = examine(settings, source=str(file), as_json=as_json) if check else []
    if not as_json:
        typer.echo(f"Wrote {file}. Start with: openclaw-actors serve --config {file}")
    if any(finding.status == "bad" for finding in findings):
        raise typer.Exit(EXIT_BAD)


# --- questions ------------------------------------------------------------------------------------


def ask_agent(answers: Answers, find: Callable[[str], bool]) -> None:
    """Who answers; ``find`` tells whether a Gateway is at an address."""
    url = str(answers.given.get("gateway_url") or GATEWAY_URL)
    found = find(url)
    if found:
        typer.echo(f"There is an OpenClaw Gateway at {url}.", err=True)
    choice = answers.choose("agent", "Who answers?", AGENTS, "openclaw" if found else "parrot")
    answers.put("agent.engines", _with_embedded("agent", choice))
    if choice == "openclaw":
        answers.put("agent.openclaw.base_url", answers.ask("gateway_url", "The Gateway's address", url))
        answers.put("agent.openclaw.token", answers.ask("gateway_token", "Its token (empty: none)", "", hide=True))
    elif choice == "openai":
        answers.put("agent.openai.base_url", answers.ask("llm_url", "The server's address (empty: OpenAI's own)", ""))
        answers.put("agent.openai.api_key", answers.ask("llm_key", "Its key (empty: none)", "", hide=True))
        answers.put("agent.openai.model", answers.ask("llm_model", "Which model?", "gpt-4o-mini"))


def _ask_recogniser(answers: Answers) -> None:
    choice = answers.choose("stt", "Who hears?", RECOGNISERS, "faster-whisper")
    answers.put("stt.engines", _with_embedded("stt", choice))
    if choice == "faster-whisper":
        answers.put("stt.faster_whisper.model", answers.ask("whisper_model", "Which Whisper?", "small"))
    elif choice == "openai":
        answers.put("stt.openai.base_url", answers.ask("stt_url", "The server's address (empty: OpenAI's own)", ""))
        answers.put("stt.openai.api_key", answers.ask("stt_key", "Its key (empty: none)", "", hide=True))


def _ask_speaker(answers: Answers) -> None:
    choice = answers.choose("tts", "Who speaks?", SPEAKERS, "edge-tts")
    answers.put("tts.engines", _with_embedded("tts", choice))
    section = choice.replace("-", "_")
    if choice == "openai":
        answers.put("tts.openai.base_url", answers.ask("tts_url", "The server's address (empty: OpenAI's own)", ""))
        answers.put("tts.openai.api_key", answers.ask("tts_key", "Its key (empty: none)", "", hide=True))
    answers.put(f"tts.{section}.voice", answers.ask("voice", "Which voice? (empty: the default)", ""))


def _ask_address(answers: Answers) -> None:
    host = answers.ask("host", "Listen on which address? (0.0.0.0: others reach it too)", LOOPBACK[0])
    port = answers.ask("port", "On which port?", "8080")
    answers.put("server.host", host if host != LOOPBACK[0] else None)
    answers.put("server.port", int(port) if port.isdigit() and int(port) != 8080 else None)
    if not port.isdigit():
        typer.echo(f"error: --port: {port!r} is no number", err=True)
        raise typer.Exit(EXIT_SETTINGS)
    if host not in LOOPBACK:
        answers.put("auth.tokens", [secrets.token_urlsafe(32)])
        typer.echo("Others must show the token that stands in the file, at auth.tokens.", err=True)


def _with_embedded(kind: str, choice: str) -> list[str]:
    return [choice] if choice == _EMBEDDED[kind] else [choice, _EMBEDDED[kind]]


def find_gateway(url: str) -> bool:
    """Whether an OpenAI-compatible server answers at ``url`` (its list of models; 401 and 403 are answers)."""
    import urllib.error  # noqa: PLC0415 - only the wizard asks
    import urllib.request  # noqa: PLC0415 - only the wizard asks

    if not url.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(f"{url}/models", timeout=2):  # noqa: S310 - http(s), as was just looked at
            return True
    except urllib.error.HTTPError as error:
        return error.code in {401, 403}
    except OSError:
        return False


# --- the file -------------------------------------------------------------------------------------


def _write(file: Path, tables: Mapping[str, Any]) -> Any:
    """Write it for its owner's eyes alone, as keys are in it; what it means as settings.

    Raises:
        SettingsError: what was answered is no good configuration; nothing is left of it.
    """
    from openclaw_actors.settings.load import load_settings  # noqa: PLC0415 - pydantic, 0.15 s
    from openclaw_actors.settings.show import as_toml  # noqa: PLC0415 - likewise

    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write("# Made by `openclaw-actors setup`; config/default.toml explains every key.\n\n")
            out.write(as_toml(tables))
        settings = load_settings(draft, os.environ)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return settings
