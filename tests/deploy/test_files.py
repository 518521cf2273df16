"""The files that run a host elsewhere are valid by their schemas, agree with each other, and with the host's settings.

What is in them that runs is run in test_image.py and test_proxies.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from importlib.resources import files
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from openclaw_actors.host import GOODBYE_S
from openclaw_actors.observability.watchdog import EX_SOFTWARE
from openclaw_actors.settings.load import load_settings
from openclaw_actors.settings.sections import Server, Settings, Supervision
from tests.conftest import needs_program
from tests.deploy.image import ROOT, instructions, stages

DOCKER = ROOT / "config" / "docker"
UNIT = ROOT / "config" / "systemd" / "openclaw-actors.service"
COMPOSE = ROOT / "dashboards" / "compose.yaml"
MANIFESTS = ROOT / "config" / "kubernetes" / "openclaw-actors.yaml"

DRAIN_S = Server().drain_timeout_s + GOODBYE_S
"""The longest that a host takes to end after SIGTERM."""


def with_secrets_here(text: str, folder: Path) -> str:
    """Settings whose files of secrets are in ``folder``; each holds some secret."""
    for path in re.findall(r'_file = "([^"]+)"', text):
        (folder / Path(path).name).write_text(Path(path).name.ljust(32, "."))
        text = text.replace(path, str(folder / Path(path).name))
    return text


def settings_of(text: str, environ: dict[str, str], folder: Path) -> Settings:
    path = folder / "host.toml"
    path.write_text(with_secrets_here(text, folder))
    return load_settings(path, environ)


def secrets_of(environ: dict[str, str], folder: Path) -> dict[str, str]:
    """The same variables, with each file of a secret in ``folder``."""
    found = {}
    for name, value in environ.items():
        if name.endswith("_FILE"):
            (folder / name).write_text(name.ljust(32, "."))
            found[name] = str(folder / name)
        else:
            found[name] = value
    return found


# --- the image -----------------------------------------------------------------------------------


def test_the_image_runs_as_nobody_and_says_how_it_is():
    last = stages()[-1]
    told = dict(last)
    assert told["USER"] == "10001:10001"
    assert "/livez" in told["HEALTHCHECK"]
    assert "/readyz" not in told["HEALTHCHECK"]
    assert json.loads(told["ENTRYPOINT"]) + json.loads(told["CMD"]) == ["openclaw-actors", "serve"]
    assert "RUN" not in told, "what the second stage would run is no part of the first's cache"
    assert "pip" not in str(last)


def test_what_the_image_copies_is_what_the_context_lets_through():
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for kind, value in instructions()
        if kind == "COPY" and "--from" not in value
        for source in value.split()[:-1]
    }
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)


# --- compose -------------------------------------------------------------------------------------


def compose() -> dict:
    return yaml.safe_load(COMPOSE.read_text())


def interpolated(value: str, environ: dict[str, str]) -> str:
    """As compose does with ``${NAME:-default}``."""
    return re.sub(r"\$\{(\w+):-(.*?)\}", lambda found: environ.get(found[1]) or found[2], value)


def host_environ(**environ: str) -> dict[str, str]:
    variables = compose()["services"]["host"]["environment"]
    return {name: interpolated(value, environ) for name, value in variables.items()}


def test_compose_holds_to_the_compose_specification():
    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
    faults = [f"{fault.json_path}: {fault.message}" for fault in Draft202012Validator(schema).iter_errors(compose())]
    assert faults == []


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {
            "PUBLIC_URL": "https://voice.example.org",
            "TRUSTED_PROXIES": '["172.16.0.0/12"]',
            "ANNOUNCED_IPS": '["203.0.113.7"]',
            "ICE_SERVERS": '[{"urls": ["turn:voice.example.org:3478"]}]',
            "TURN_SECRET": "secret",
            "STORE_URL": "postgresql://openclaw:password@postgres/openclaw",
            "GATEWAY_URL": "http://10.0.0.7:18789/v1",
            "GATEWAY_TOKEN": "token",
        },
    ],
    ids=["as it is", "with everything in .env"],
)
def test_the_host_of_compose_has_settings_that_are_good_and_go_with_what_is_published(environ, tmp_path):
    settings = settings_of((DOCKER / "host.toml").read_text(), host_environ(**environ), tmp_path)
    host = compose()["services"]["host"]
    low, high = settings.webrtc.udp_port_range
    assert host["ports"] == [f"127.0.0.1:{settings.server.port}:8080", f"{low}-{high}:{low}-{high}/udp"]
    assert high - low + 1 > settings.server.max_calls > 0, "each call has a port of its own"
    mounted = {f"/run/secrets/{name}" for name in host["secrets"]}
    assert {*re.findall(r'_file = "([^"]+)"', (DOCKER / "host.toml").read_text())} == mounted
    for name, value in environ.items():
        assert any(value in str(each) for each in host_environ(**environ).values()), f"nothing takes {name}"


def test_compose_waits_for_the_drain_and_runs_the_host_without_rights():
    host = compose()["services"]["host"]
    assert int(host["stop_grace_period"].removesuffix("s")) > DRAIN_S
    assert host["read_only"] is True
    assert host["cap_drop"] == ["ALL"]


def test_everything_that_compose_mounts_builds_or_names_is_there():
    services, folder = compose()["services"], COMPOSE.parent
    for name, service in services.items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (folder / source).exists(), f"{name} mounts {source}"
            else:
                assert source in compose()["volumes"]
        assert {*service.get("secrets", [])} <= compose()["secrets"].keys()
    build = services["host"]["build"]
    assert (folder / build["context"] / build["dockerfile"]).is_file()


def test_prometheus_of_compose_asks_the_host_with_its_own_token():
    path = COMPOSE.parent / "prometheus" / "prometheus.yml"
    jobs = {job["job_name"]: job for job in yaml.safe_load(path.read_text())["scrape_configs"]}
    (job,) = [each for name, each in jobs.items() if "openclaw" in name]
    assert "host:8080" in [target for each in job["static_configs"] for target in each["targets"]]
    assert job["authorization"]["credentials_file"] == "/run/secrets/metrics_token"


# --- systemd -------------------------------------------------------------------------------------


def unit() -> dict[str, list[str]]:
    """The unit's settings; each may be there several times."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def unit_environ() -> dict[str, str]:
    return dict(each.split("=", 1) for line in unit()["Environment"] for each in line.split())


def test_systemd_finds_no_fault_with_the_unit(tmp_path):
    """Its command is not on this machine: one that is stands in for it."""
    analyze = needs_program("systemd-analyze", "apt install systemd")
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/opt/openclaw-actors/bin/openclaw-actors", "/bin/true"))
    found = subprocess.run([analyze, "verify", "--man=no", path], capture_output=True, text=True, check=False)
    ours = [line for line in (found.stdout + found.stderr).splitlines() if UNIT.stem in line]
    assert (ours, found.returncode) == ([], 0), found.stderr
    # What systemd counts as exposure, in tenths; a service without any of it has 96.
    exposure = [analyze, "security", "--offline=yes", "--threshold=20", path]
    rated = subprocess.run(exposure, capture_output=True, text=True, check=False)
    assert rated.returncode == 0, rated.stdout[-2000:]


def test_the_unit_waits_for_the_drain_and_starts_the_host_anew_when_its_loop_hung():
    settings = unit()
    assert int(settings["TimeoutStopSec"][0]) > DRAIN_S
    assert settings["KillMode"] == ["mixed"], "SIGTERM is for the host: its workers serve until the last call has ended"
    assert settings["Restart"] == ["on-failure"]
    assert EX_SOFTWARE not in map(int, settings["RestartPreventExitStatus"][0].split())
    assert int(settings["RestartSec"][0]) * int(settings["StartLimitBurst"][0]) < int(
        settings["StartLimitIntervalSec"][0]
    )


def test_the_unit_s_variables_are_settings_and_its_secrets_are_credentials(tmp_path):
    environ = unit_environ()
    ours = {name: value for name, value in environ.items() if name.startswith("OPENCLAW_ACTORS_")}
    # As the page installs it: sed '/_file = /d' config/openclaw.toml
    lines = (ROOT / "config" / "openclaw.toml").read_text().splitlines()
    (tmp_path / "host.toml").write_text("\n".join(line for line in lines if "_file = " not in line))
    settings = load_settings(tmp_path / "host.toml", secrets_of(ours, tmp_path))
    assert settings.agent.openclaw.token.get_secret_value()
    loaded = {each.split(":")[0] for each in unit()["LoadCredential"]}
    assert {f"%d/{name}" for name in loaded} == {value for name, value in ours.items() if name.endswith("_FILE")}


# --- Kubernetes ----------------------------------------------------------------------------------


def manifests() -> dict[str, dict]:
    return {each["kind"]: each for each in yaml.safe_load_all(MANIFESTS.read_text())}


def pod() -> dict:
    return manifests()["Deployment"]["spec"]["template"]["spec"]


def container() -> dict:
    (found,) = pod()["containers"]
    return found


@pytest.mark.parametrize("version", ["1.29", "1.33"])
def test_the_manifests_hold_to_the_schemas_of_kubernetes(version):
    assert manifests().keys() == {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget"}
    for each in manifests().values():
        kubernetes_validate.validate(each, version, strict=True)


def test_the_manifests_select_each_other():
    found = manifests()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    volumes = {each["name"]: each for each in pod()["volumes"]}
    assert {each["name"] for each in container()["volumeMounts"]} == volumes.keys()
    assert volumes["settings"]["configMap"]["name"] == found["ConfigMap"]["metadata"]["name"]


def test_a_draining_pod_is_not_ready_and_is_not_killed():
    one = container()
    assert one["livenessProbe"]["httpGet"]["path"] == one["startupProbe"]["httpGet"]["path"] == "/livez"
    assert one["readinessProbe"]["httpGet"]["path"] == "/readyz"
    slept = float(one["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod()["terminationGracePeriodSeconds"] > DRAIN_S + slept
    patience = one["livenessProbe"]["periodSeconds"] * one["livenessProbe"]["failureThreshold"]
    assert patience > Supervision().loop_abort_s, "the watchdog ends a hung loop first, and says where it hung"


def test_the_host_of_the_pod_has_settings_that_are_good(tmp_path):
    environ = {each["name"]: each.get("value", "") for each in container()["env"]}
    store = environ.pop("OPENCLAW_ACTORS_STORE__URL")
    assert store == "", "it comes from the Secret"
    environ.pop("NODE_IP")
    environ = {name: value.replace("$(NODE_IP)", "192.0.2.7") for name, value in environ.items()}
    text = manifests()["ConfigMap"]["data"]["host.toml"]
    settings = settings_of(text, secrets_of(environ, tmp_path), tmp_path)
    assert settings.webrtc.announced_ips == ("192.0.2.7",)
    mounts = {each["mountPath"] for each in container()["volumeMounts"]}
    assert all(str(Path(value).parent) in mounts for name, value in environ.items() if name.endswith("_FILE"))
    assert container()["args"] == ["serve", "--config", "/etc/openclaw-actors/host.toml"]
    (port,) = container()["ports"]
    assert port["containerPort"] == settings.server.port


def test_the_pod_runs_the_image_as_the_image_is_made():
    told = dict(instructions())
    uid, gid = map(int, told["USER"].split(":"))
    security = pod()["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (uid, gid, gid)
    assert {each["mountPath"] for each in container()["volumeMounts"]} >= {told["VOLUME"], "/tmp"}
    assert container()["securityContext"]["readOnlyRootFilesystem"] is True


def test_all_settings_of_drain_are_one():
    config = tomllib.loads(manifests()["ConfigMap"]["data"]["host.toml"])
    assert config["server"]["drain_timeout_s"] == Server().drain_timeout_s
