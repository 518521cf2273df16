"""Every example on every page is checked, by language; what is to be run elsewhere, or can't be, stands in a list.

Settings load, commands are ones that there are, with such options; pages whose shell can run as it stands are followed
from top to bottom in test_followed_pages.py. Nothing may be in a list for nothing.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.main import get_command

from openclaw_actors.cli.main import app
from openclaw_actors.settings.load import load_settings
from tests.docs.examples import ROOT, SHELLS, Example, all_examples, commands

ELSEWHERE = {
    ("api.md", "bash"): "tests/client/test_docs.py",
    ("api.md", "python"): "tests/client/test_docs.py",
    ("webhooks.md", "python"): "tests/webhooks/test_documentation.py",
    ("voicemail.md", "python"): "tests/voicemail/test_calls.py",
    ("embedding.md", "python"): "tests/docs/test_embedding.py",
    ("engines/plug-ins.md", "python"): "tests/engines/test_plug_ins.py",
    ("engines/plug-ins.md", "toml"): "tests/engines/test_plug_ins.py",
    ("operations.md", "promql"): "tests/observability/test_rules.py",
    ("evals.md", "toml"): "tests/docs/test_evals_page.py",
    ("embedding.md", "html"): "tests/browser/test_embedding_page.py",
    ("carriers.md", "xml"): "tests/docs/test_carriers_page.py",
    ("phone.md", "xml"): "tests/docs/test_phone_page.py",
    ("phone.md", "nginx"): "tests/deploy/test_proxies.py",
    ("phone.md", "caddy"): "tests/deploy/test_proxies.py",
    ("deployment.md", "nginx"): "tests/deploy/test_proxies.py",
    ("deployment.md", "caddy"): "tests/deploy/test_proxies.py",
    ("recordings.md", "bash"): "tests/docs/test_networks_and_recordings.py",
    ("networks.md", "bash"): "tests/docs/test_networks_and_recordings.py",
    ("networks.md", "ini"): "tests/docs/test_networks_and_recordings.py",
    ("cluster.md", "ini"): "tests/docs/test_cluster_page.py",
}
"""What another test runs as it stands."""

OUTSIDE = {
    "docker": "needs a container engine; tests/deploy/ carries out the Dockerfile and checks compose.yaml",
    "kubectl": "needs a cluster; tests/deploy/ checks the manifests",
    "systemctl": "needs systemd as the machine's first process; tests/deploy/ checks the unit and runs its command",
    "journalctl": "the same",
}
"""Programs that no test may need, and why."""

FIGURES = {"mermaid"}
"""Pictures: the site draws them."""


def ids(examples: list[Example]) -> list[str]:
    return [str(each) for each in examples]


def parametrized(*languages: str):
    found = all_examples(*languages)
    return pytest.mark.parametrize("example", found, ids=ids(found))


def test_every_example_says_its_language_and_has_somebody_who_checks_it():
    known = {"toml", "json", "yaml", "text", *SHELLS, *FIGURES}
    strange = [
        f"{each} ({each.language or 'no language'})"
        for each in all_examples()
        if each.language not in known and (each.page, each.language) not in ELSEWHERE
    ]
    assert strange == [], "say the language; then check it here, or name in ELSEWHERE the test that runs it"


def test_nothing_is_in_a_list_for_nothing():
    there = {(each.page, each.language) for each in all_examples()}
    for (page, language), path in ELSEWHERE.items():
        assert (page, language) in there, f"{page} has no {language}"
        assert Path(page).name in (ROOT / path).read_text(), f"{path} does not speak of {page}"
    used = {words[0] for each in all_examples(*SHELLS) if not is_elsewhere(each) for words in commands(each)}
    assert OUTSIDE.keys() <= used


def is_elsewhere(example: Example) -> bool:
    return (example.page, example.language) in ELSEWHERE


@parametrized("toml")
def test_settings_load(example: Example, tmp_path: Path):
    assert tomllib.loads(example.text)
    if is_elsewhere(example):
        return
    text = example.text
    for name in re.findall(r'_file = "([^"]+)"', text):
        (tmp_path / Path(name).name).write_text(Path(name).name.ljust(32, "."))
        text = text.replace(f'"{name}"', f'"{tmp_path / Path(name).name}"')
    if example.page == "webhooks.md":  # its secret has a form of its own
        (tmp_path / "webhook-secret").write_text("whsec_" + "A" * 32)
    path = tmp_path / "example.toml"
    path.write_text(text)
    load_settings(path, {})


@parametrized("json")
def test_json_parses(example: Example):
    json.loads(example.text)


@parametrized("yaml")
def test_yaml_parses(example: Example):
    assert list(yaml.safe_load_all(example.text))


@parametrized(*SHELLS)
def test_every_command_is_one_that_there_is(example: Example):
    if is_elsewhere(example):
        return
    for words in commands(example):
        check(words)


def check(words: list[str]) -> None:
    """Raise AssertionError unless the command could run."""
    program, *rest = [*words]
    match Path(program).name, rest:
        case "openclaw-actors", _:
            parse(get_command(app), rest)
        case "python" | "python3", ["-m", module, *options]:
            assert importlib.util.find_spec(module), f"there is no module {module}"
            source = Path(importlib.util.find_spec(module).origin).read_text()
            if module.startswith(("tests.", "openclaw_actors.")):
                for option in options:
                    assert not option.startswith("--") or f'"{option}"' in source, f"{module} has no {option}"
        case "ray", [verb, *options]:
            from ray.scripts.scripts import cli

            cli.commands[verb].make_context(verb, options)
        case "make", targets:
            known = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
            assert {each for each in targets if "=" not in each} <= known, f"make knows no {targets}"
        case "pip", ["install", *packages]:
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            for named in re.findall(r"\[(\w+)\]", " ".join(packages)):
                assert named in extras, f"there is no extra {named}"
        case name, _ if name in OUTSIDE or name in TUNNELS:
            pass
        case name, _:
            assert name in BUILT_IN or shutil.which(name), f"what is {name}?"


TUNNELS = {"cloudflared", "tailscale", "ngrok"}
BUILT_IN = {"export", "cd", "for", "do", "done", "echo"}


def parse(command: Any, words: list[str]) -> None:
    """As the command line itself would, to the last option; nothing is run."""
    said, words = " ".join(words), ["1" if each.startswith("$") else each for each in words]
    context = None
    while hasattr(command, "commands"):
        if words and words[0] in {"--version", "--help", "--install-completion"}:
            return
        context = typer.Context(command, info_name=command.name, parent=context)
        assert words, f"{said}: which command?"
        assert words[0] in command.commands, f"{said}: there is no command {words[0]}"
        command = command.commands[words.pop(0)]
    try:
        command.make_context(command.name, words, parent=context)
    except typer.Exit:  # --help
        return
    except Exception as error:
        raise AssertionError(f"{said}: {error}") from error
