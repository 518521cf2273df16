"""A phone number is connected by the wizard, looked at by doctor, and called from the shell."""

from __future__ import annotations

import asyncio
import json
import socket
import tomllib
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from openclaw_actors.cli.findings import Finding, attempt
from openclaw_actors.cli.phone_checks import PhoneChecks
from openclaw_actors.settings.sections import Numbers, Settings
from openclaw_actors.testkit.host import running_host
from openclaw_actors.testkit.providers.carrier.account import NUMBER
from openclaw_actors.testkit.providers.carrier.script import RestFault, Script
from openclaw_actors.testkit.providers.plivo.account import AUTH_ID, AUTH_TOKEN, FakePlivo
from openclaw_actors.testkit.providers.telnyx.account import API_KEY, FakeTelnyx
from openclaw_actors.testkit.providers.twilio.account import FakeTwilio
from tests.cli.conftest import EMBEDDED_TOML
from tests.phone.conftest import API_TOKEN, PERSON, phone_settings

EMBEDDED = ("--agent", "parrot", "--stt", "pocketsphinx", "--tts", "espeak-ng")
PUBLIC_URL = "https://voice.example.test"


@pytest.fixture
async def twilio():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # As if a tunnel led here: the public address is the host's own.
    async with FakeTwilio(f"http://127.0.0.1:{port}") as carrier:
        yield carrier


@pytest.fixture
def run(shell, twilio):
    """A command, beside the loop on which Twilio is played."""

    async def run(*words: str, stdin: str | None = None, **environ: str):
        variables = {"TWILIO__API_BASE_URL": twilio.api_base_url, **environ}
        return await asyncio.to_thread(lambda: shell(*words, stdin=stdin, **variables))

    return run


def account(twilio: FakeTwilio) -> tuple[str, ...]:
    return (
        "--twilio-account-sid", twilio.account_sid, "--twilio-auth-token", twilio.auth_token, "--twilio-number", NUMBER,
        "--public-url", PUBLIC_URL, "--allow-from", f"{PERSON}, +15550100009",
    )  # fmt: skip


# --- setup ----------------------------------------------------------------------------------------


async def test_setup_writes_the_account_points_the_number_here_and_shows_the_twiml(run, twilio, tmp_path):
    result = await run("setup", "--yes", "--no-check", *EMBEDDED, *account(twilio), "--pin", "4711")
    assert result.exit_code == 0, result.stderr
    written = tomllib.loads((tmp_path / "openclaw-actors.toml").read_text())
    assert written["twilio"] == {
        "account_sid": twilio.account_sid, "auth_token": twilio.auth_token, "from_number": NUMBER,
    }  # fmt: skip
    assert written["numbers"] == {"allow_from": [PERSON, "+15550100009"], "pin": "4711"}
    assert written["server"]["public_url"] == PUBLIC_URL
    assert len(written["auth"]["tokens"][0]) >= 32
    (number,) = twilio.numbers.values()
    assert (number["voice_url"], number["voice_method"]) == (f"{PUBLIC_URL}/voice/webhook", "POST")
    assert number["status_callback"] == f"{PUBLIC_URL}/voice/status"
    assert "before it asked https://demo.twilio.com/welcome/voice/" in result.stderr
    assert "<Stream" in result.stderr
    assert "wss://voice.example.test/voice/stream" in result.stderr
    assert twilio.auth_token not in result.output
    assert "4711" not in result.output


async def test_setup_asks_for_all_of_it_and_hints_at_tunnels(run, twilio, tmp_path):
    quiet = ("--greeting", "", "--voice", "", "--port", "9000", "--host", "127.0.0.1")
    answers = [
        "twilio",
        twilio.account_sid,
        twilio.auth_token,
        NUMBER,
        PUBLIC_URL,
        "allowlist",
        PERSON,
        "",
        "+1555",
        "yes",
        "",
        "21:00-09:00, sun 00:00-24:00",
        "Europe/Berlin",
        "n",
    ]
    result = await run("setup", "--no-check", *EMBEDDED, *quiet, stdin="\n".join(answers) + "\n")
    assert result.exit_code == 0, result.stderr
    for hint in ("cloudflared tunnel --url http://127.0.0.1:9000", "ngrok http 9000", "tailscale funnel 9000"):
        assert hint in result.stderr
    assert f"voice webhook be {PUBLIC_URL}/voice/webhook" in result.stderr
    assert not twilio.requests, "it was not allowed to"
    written = tomllib.loads((tmp_path / "openclaw-actors.toml").read_text())
    assert written["numbers"] == {"allow_from": [PERSON], "outbound_prefixes": ["+1555"]}
    assert written["voicemail"] == {
        "enabled": True, "quiet_hours": ["21:00-09:00", "sun 00:00-24:00"], "time_zone": "Europe/Berlin",
    }  # fmt: skip


async def test_setup_tells_when_twilio_refuses(run, twilio):
    twilio.fail(RestFault(401, 20003, "Authenticate"))
    result = await run("setup", "--yes", "--no-check", *EMBEDDED, *account(twilio))
    assert result.exit_code == 2
    assert "check twilio.account_sid and twilio.auth_token" in result.stderr


async def test_setup_refuses_half_an_account(run, twilio, tmp_path):
    words = ("--twilio-account-sid", twilio.account_sid, "--twilio-number", "5550100")
    result = await run("setup", "--yes", "--no-check", *EMBEDDED, *words)
    assert result.exit_code == 2
    for fault in ("twilio.auth_token", "server.public_url", "twilio.from_number"):
        assert fault in result.stderr
    assert list(tmp_path.iterdir()) == []


# --- doctor ---------------------------------------------------------------------------------------


def settings_of(carrier: FakeTwilio, **changes) -> Settings:
    settings = phone_settings(carrier)
    port = int(carrier.exchange.public_url.rpartition(":")[2])
    server = settings.server.model_copy(update={"port": port})
    return settings.model_copy(update={"server": server, **changes})


async def findings(settings: Settings, *, runs: bool = False, **options) -> dict[str, Finding]:
    checks = PhoneChecks(settings, f"http://127.0.0.1:{settings.server.port}", is_running=lambda: runs, **options)
    return {name: await attempt(name, check) for name, check in checks.all()}


@asynccontextmanager
async def host_of(twilio: FakeTwilio, settings: Settings):
    async with running_host(settings) as running:
        twilio.exchange.reach = running.url
        yield running


async def test_doctor_finds_the_webhook_elsewhere_and_repairs_it_when_told(twilio):
    settings = settings_of(twilio)
    found = await findings(settings)
    assert {name: each.status for name, each in found.items()} == {
        "twilio account": "good",
        "twilio number": "good",
        "twilio webhook": "bad",
        "twilio to host": "good",
        "twilio media stream": "warning",
        "who may call": "good",
    }
    assert "--fix" in found["twilio webhook"].remedy
    assert "leads here" in found["twilio to host"].detail
    assert (await findings(settings, fix=True))["twilio webhook"].status == "good"
    assert (await findings(settings))["twilio webhook"].status == "good"


async def test_doctor_looks_through_the_public_url_at_the_host_that_runs(twilio):
    settings = settings_of(twilio)
    async with host_of(twilio, settings):
        found = await findings(settings, runs=True, fix=True)
        assert {each.status for each in found.values()} == {"good"}, found
        assert "knows Twilio's signature" in found["twilio to host"].detail
        strange = settings.twilio.model_copy(update={"auth_token": SecretStr("another")})
        found = await findings(settings.model_copy(update={"twilio": strange}), runs=True)
    assert found["twilio to host"].status == "bad"
    assert "does not know our signature" in found["twilio to host"].detail
    assert "401 in place of 101" in found["twilio media stream"].detail
    assert "auth_token" in found["twilio account"].detail


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        (Script(), "good", "heard the message"),
        (Script(outcome="busy"), "warning", "ended as busy"),
        (Script(outcome="failed", error_code="13227"), "bad", "carrier_failed:13227"),
    ],
    ids=["a person", "busy", "failed"],
)
async def test_doctor_places_a_test_call(twilio, script, status, words):
    settings = settings_of(twilio)
    twilio.scripts[PERSON] = script
    async with host_of(twilio, settings):
        found = await findings(settings, runs=True, call=PERSON)
    assert (found["test call"].status, words in found["test call"].detail) == (status, True), found["test call"]


async def test_doctor_tells_a_tunnel_that_leads_elsewhere_and_one_that_is_down(twilio):
    async with FakeTwilio() as elsewhere:
        server = settings_of(twilio).server.model_copy(update={"public_url": elsewhere.api_base_url})
        found = await findings(settings_of(twilio, server=server))
        assert "does not lead to" in found["twilio to host"].detail
    found = await findings(settings_of(twilio, server=server))
    assert "does not answer" in found["twilio to host"].detail
    assert "tunnel" in found["twilio to host"].remedy


@pytest.mark.parametrize(
    ("numbers", "agent", "status"),
    [
        (Numbers(inbound_policy="open"), "default", "warning"),
        (Numbers(inbound_policy="open"), "receptionist", "good"),
        (Numbers(inbound_policy="open", pin=SecretStr("4711")), "default", "good"),
        (Numbers(inbound_policy="disabled"), "default", "good"),
        (Numbers(), "default", "warning"),
        (Numbers(allow_from=(PERSON,)), "default", "good"),
    ],
    ids=["open", "open, own agent", "open, PIN", "disabled", "nobody listed", "listed"],
)
async def test_doctor_warns_when_anybody_may_talk_with_the_default_agent(twilio, numbers, agent, status):
    settings = settings_of(twilio, numbers=numbers)
    engines = settings.agent.model_copy(
        update={
            "engines": ("openclaw", "parrot"),
            "openclaw": settings.agent.openclaw.model_copy(update={"agent": agent}),
        }
    )
    found = await findings(settings.model_copy(update={"agent": engines}))
    assert found["who may call"].status == status, found["who may call"]


async def test_doctor_tells_what_is_wrong_with_the_account(twilio):
    twilio.trial = True
    other = settings_of(twilio).twilio.model_copy(update={"from_number": "+15550100003"})
    found = await findings(settings_of(twilio, twilio=other))
    assert found["twilio account"].status == "warning"
    assert "trial" in found["twilio account"].detail
    assert "not a number of this account" in found["twilio number"].detail
    assert found["twilio webhook"].status == "bad"


async def test_doctor_prints_what_it_finds_and_repairs(run, twilio, tmp_path):
    port = twilio.exchange.public_url.rpartition(":")[2]
    config = tmp_path / "host.toml"
    config.write_text(
        EMBEDDED_TOML.replace("port = 0", f'port = {port}\npublic_url = "{twilio.exchange.public_url}"')
        + f'[auth]\ntokens = ["{API_TOKEN}"]\n[store]\nurl = "sqlite:///{tmp_path}/calls.db"\n'
        + f'[twilio]\naccount_sid = "{twilio.account_sid}"\nauth_token = "{twilio.auth_token}"\n'
        + f'from_number = "{NUMBER}"\n'
    )
    result = await run("doctor", "--config", str(config), "--fix", "--call", PERSON, "--json")
    assert result.exit_code == 1
    found = {each["check"]: each for each in json.loads(result.stdout)["findings"]}
    assert found["twilio webhook"]["status"] == "good"
    assert "from now on" in found["twilio webhook"]["detail"]
    assert found["test call"] | {"seconds": 0} == {
        "check": "test call", "status": "bad", "detail": "no host is running that could call",
        "remedy": "start it, then look again", "seconds": 0,
    }  # fmt: skip
    (number,) = twilio.numbers.values()
    assert number["voice_url"] == f"{twilio.exchange.public_url}/voice/webhook"


# --- other carriers -------------------------------------------------------------------------------


@pytest.fixture(params=[FakeTelnyx, FakePlivo], ids=["telnyx", "plivo"])
async def other(request):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with request.param(f"http://127.0.0.1:{port}") as carrier:
        yield carrier


def flags_of(carrier) -> tuple[str, ...]:
    if carrier.name == "telnyx":
        keys = ("--telnyx-public-key", carrier.exchange.public_key, "--telnyx-api-key", API_KEY)
        return (*keys, "--telnyx-connection-id", carrier.exchange.connection_id, "--telnyx-number", NUMBER)
    return ("--plivo-auth-id", AUTH_ID, "--plivo-auth-token", AUTH_TOKEN, "--plivo-number", NUMBER)


async def test_setup_writes_another_carriers_account_and_points_the_number_here(shell, other, tmp_path):
    words = ("setup", "--yes", "--no-check", *EMBEDDED, *flags_of(other), "--public-url", PUBLIC_URL)
    base = {f"{other.name.upper()}__API_BASE_URL": other.api_base_url}
    result = await asyncio.to_thread(lambda: shell(*words, "--allow-from", PERSON, **base))
    assert result.exit_code == 0, result.stderr
    written = tomllib.loads((tmp_path / "openclaw-actors.toml").read_text())
    assert written[other.name]["from_number"] == NUMBER
    assert "twilio" not in written
    hook = f"{PUBLIC_URL}/voice/{other.name}/webhook"
    assert f"asks {hook} from now on" in result.stderr
    if other.name == "telnyx":
        assert other.application["webhook_event_url"] == hook
        assert other.numbers[0]["connection_id"] == other.application["id"]
    else:
        application = other.applications[other.numbers[NUMBER.removeprefix("+")]]
        assert (application["app_name"], application["answer_url"]) == ("openclaw_actors", hook)
        assert other.applications["1001"]["answer_url"] == "https://example.com/answer", "another's is left alone"
    for secret in (API_KEY, AUTH_TOKEN):
        assert secret not in result.output


async def test_doctor_looks_at_another_carrier_repairs_its_webhook_and_calls(other):
    settings = settings_of(other)
    name = other.name
    found = await findings(settings)
    assert {key: each.status for key, each in found.items()} == {
        f"{name} account": "good",
        f"{name} number": "good",
        f"{name} webhook": "bad",
        f"{name} to host": "good",
        f"{name} media stream": "warning",
        "who may call": "good",
    }
    async with host_of(other, settings):
        found = await findings(settings, runs=True, fix=True, call=PERSON)
    assert {each.status for each in found.values()} == {"good"}, found
    assert (await findings(settings))[f"{name} webhook"].status == "good"
    other.fail(RestFault(401, 10009, "Authentication failed"))
    refused = (await findings(settings))[f"{name} account"]
    assert refused.status == "bad"
    assert {"telnyx": "telnyx.api_key", "plivo": "plivo.auth_id"}[name] in refused.detail


# --- dial -----------------------------------------------------------------------------------------


async def test_a_number_is_dialled_from_the_shell_and_followed_to_its_end(run, twilio):
    async with host_of(twilio, settings_of(twilio)) as running:
        words = ("dial", PERSON, "--mode", "notify", "--message", "It is done.", "--agent", "desk", "--from", NUMBER)
        result = await run(*words, "--follow", "--json", URL=running.url, TOKEN=API_TOKEN)
        assert result.exit_code == 0, result.stderr
        events = [
            json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")
        ]  # the host logs there too
        assert (events[0]["type"], events[-1]["type"]) == ("call.queued", "call.ended")
        assert events[-1]["data"]["reason"] == "announced"
        twilio.scripts[PERSON] = Script(outcome="busy")
        result = await run("dial", PERSON, "--follow", URL=running.url, TOKEN=API_TOKEN)
        assert result.exit_code == 1
        assert "busy" in result.stdout
        result = await run("dial", "+4930123456", URL=running.url, TOKEN=API_TOKEN)
        assert result.exit_code == 1
        assert "numbers.outbound_prefixes" in result.stderr
