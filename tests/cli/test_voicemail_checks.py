"""What the wizard asks about messages, and what doctor finds where callers may leave them."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from openclaw_actors.cli.findings import Finding, attempt
from openclaw_actors.cli.voicemail_checks import VoicemailChecks
from openclaw_actors.settings import hours
from openclaw_actors.settings.sections import Agent, NumberRoute, Numbers, Outbound, Settings, Twilio, Voicemail
from tests.cli.conftest import EMBEDDED_TOML

EMBEDDED = ("--agent", "parrot", "--stt", "pocketsphinx", "--tts", "espeak-ng")
NIGHT = datetime(2026, 7, 1, 20, 30, tzinfo=UTC)
"""22:30 in Berlin, a Wednesday."""
TWILIO = Twilio(account_sid="AC1", auth_token=SecretStr("t"), from_number="+15550100001")


def settings_of(tmp_path, *, numbers=Numbers(allow_from=("+15550100007",)), twilio=TWILIO, **voicemail) -> Settings:  # noqa: B008 - frozen
    chosen = {"enabled": True, "dir": str(tmp_path / "sound"), "quiet_hours": ("21:00-09:00",)}
    return Settings(
        voicemail=Voicemail(**chosen | {"time_zone": "Europe/Berlin"} | voicemail), numbers=numbers, twilio=twilio
    )


async def findings(settings: Settings, at: datetime = NIGHT) -> dict[str, Finding]:
    checks = VoicemailChecks(settings, lambda: at)
    return {name: await attempt(name, check) for name, check in checks.all()}


async def answers(settings: Settings, serving: str) -> Finding:
    ((name, check),) = VoicemailChecks(settings).of_agent(serving)
    return await attempt(name, check)


async def test_where_all_is_well_doctor_says_what_will_happen(tmp_path):
    found = await findings(settings_of(tmp_path))
    assert {each.status for each in found.values()} == {"good"}, found
    assert "full, draining, closed, agent down" in found["voicemail"].detail
    assert str(tmp_path / "sound") in found["voicemail storage"].detail
    assert list((tmp_path / "sound").iterdir()) == [], "the trial is gone"
    assert "from +15550100001" in found["call-backs"].detail
    assert "Europe/Berlin it is Wed 22:30: nobody is called back till Thu 09:00" in found["quiet hours"].detail
    by_day = await findings(settings_of(tmp_path), NIGHT.replace(hour=12))
    assert "Wed 14:30: calls may be made" in by_day["quiet hours"].detail


@pytest.mark.parametrize(
    ("changes", "check", "said"),
    [
        ({"twilio": Twilio()}, "call-backs", "no carrier is configured"),
        ({"twilio": TWILIO.model_copy(update={"from_number": ""})}, "call-backs", "no number to call back from"),
        ({"numbers": Numbers(allow_from=("+4930123456",))}, "call-backs", "+4930123456 may call, and may not"),
        ({"numbers": Numbers(outbound_per_hour=0)}, "call-backs", "outbound_per_hour is 0"),
        ({"quiet_hours": ()}, "quiet hours", "called back at night"),
        ({"closed_hours": ("12:00-13:00",), "when": ("full",)}, "voicemail", "closed_hours are not looked at"),
        ({"max_bytes": 1 << 60}, "voicemail storage", "MiB are left"),
        (
            {"enabled": False, "numbers": Numbers(routes={"+15550100003": NumberRoute(voicemail=True)})},
            "voicemail",
            "+15550100003 are to leave a message",
        ),
    ],
)
async def test_what_keeps_messages_from_being_answered_is_a_warning_with_a_remedy(tmp_path, changes, check, said):
    found = await findings(settings_of(tmp_path, **changes))
    assert (found[check].status, said in found[check].detail) == ("warning", True), found[check]
    assert found[check].remedy
    assert [name for name, each in found.items() if each.status != "good"] == [check]


@pytest.mark.parametrize(
    ("changes", "check", "said"),
    [
        ({"call_back": False, "twilio": Twilio()}, "call-backs", "none: voicemail.call_back is false"),
        ({"numbers": Numbers(pin=SecretStr("4711"))}, "call-backs", "only written down"),
        ({"quiet_hours": (), "call_back": False}, "quiet hours", "none are set"),
        ({"enabled": False}, "voicemail", "off"),
        (
            {"when": (), "numbers": Numbers(routes={"+15550100003": NumberRoute(voicemail=True)})},
            "voicemail",
            "always on +15550100003",
        ),
    ],
)
async def test_what_was_chosen_so_is_told_and_is_no_warning(tmp_path, changes, check, said):
    found = await findings(settings_of(tmp_path, **changes))
    assert (found[check].status, said in found[check].detail) == ("good", True), found[check]


async def test_a_folder_that_can_not_be_written_is_bad(tmp_path):
    (tmp_path / "sound").write_text("a file, where there should be a folder")
    found = (await findings(settings_of(tmp_path)))["voicemail storage"]
    assert (found.status, "no message can be kept" in found.detail) == ("bad", True)
    assert "voicemail.dir" in found.remedy


async def test_hours_that_go_by_a_machine_without_a_time_zone_are_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(hours, "_own_zone", lambda: "UTC")
    found = (await findings(settings_of(tmp_path, time_zone="")))["quiet hours"]
    assert (found.status, "they go by UTC" in found.detail) == ("warning", True)
    assert "voicemail.time_zone" in found.remedy


async def test_calls_go_out_from_the_carrier_that_is_chosen(tmp_path):
    settings = settings_of(tmp_path)
    plivo = settings.plivo.model_copy(update={"auth_id": "MA1", "from_number": "+4930111111"})
    numbers = Numbers(allow_from=("+4930123456",))
    settings = settings.model_copy(update={"plivo": plivo, "outbound": Outbound(carrier="plivo"), "numbers": numbers})
    assert "from +4930111111" in (await findings(settings))["call-backs"].detail


@pytest.mark.parametrize(
    ("engines", "serving", "status", "said"),
    [
        (("openclaw", "parrot"), "openclaw", "good", "openclaw reads each message"),
        (("openclaw", "parrot"), "parrot", "warning", "no agent reads messages now"),
        (("openclaw",), "", "warning", "no agent reads messages now"),
        (("parrot",), "parrot", "warning", "by repeating them"),
    ],
)
async def test_doctor_tells_who_reads_messages(tmp_path, engines, serving, status, said):
    settings = settings_of(tmp_path).model_copy(update={"agent": Agent(engines=engines)})
    found = await answers(settings, serving)
    assert (found.status, said in found.detail) == (status, True), found


def test_doctor_looks_at_it_from_the_shell(shell, tmp_path):
    path = tmp_path / "host.toml"
    path.write_text(
        EMBEDDED_TOML + f'[store]\nurl = "sqlite:///{tmp_path}/calls.db"\n[voicemail]\nenabled = true\n'
        'quiet_hours = ["21:00-09:00"]\n'
    )
    result = shell("doctor", "--config", str(path), "--json")
    assert result.exit_code == 0, result.stdout
    found = {each["check"]: each for each in json.loads(result.stdout)["findings"]}
    assert found["voicemail storage"]["status"] == "good"
    assert (tmp_path / "voicemails").is_dir(), "beside the records"
    assert found["call-backs"]["status"] == "warning"
    assert "docs/carriers.md" in found["call-backs"]["remedy"]
    assert "repeating" in found["voicemail answers"]["detail"]


def test_setup_asks_about_messages_where_it_is_told_to(shell, tmp_path):
    words = ("--voicemail", "yes", "--voicemail-greeting", "Please leave a message.", "--quiet-hours", "21:00-09:00")
    result = shell("setup", "--yes", "--no-check", *EMBEDDED, *words, "--time-zone", "Europe/Berlin")
    assert result.exit_code == 0, result.stderr
    assert tomllib.loads((tmp_path / "openclaw-actors.toml").read_text())["voicemail"] == {
        "enabled": True, "greeting": "Please leave a message.", "quiet_hours": ["21:00-09:00"],
        "time_zone": "Europe/Berlin",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--voicemail", "maybe"), "choose one of yes, no"),
        (("--voicemail", "yes", "--quiet-hours", "at night"), "no span of hours"),
        (("--voicemail", "yes", "--quiet-hours", "21:00-09:00", "--time-zone", "Berlin"), "no time zone"),
    ],
)
def test_setup_refuses_what_no_clock_shows_and_writes_nothing(shell, tmp_path, words, said):
    result = shell("setup", "--yes", "--no-check", *EMBEDDED, *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []
