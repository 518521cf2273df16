"""Pages that are followed from top to bottom, as a newcomer would: their shell runs as it stands, block after block.

`http://127.0.0.1:8080` is the address of the test's own host, and `.venv/bin/` this environment.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from openclaw_actors.testkit.host import serving
from tests.docs.examples import DOCS, ROOT, SHELLS, of_page

NOT_RUN = {
    "make serve": "it is what the test has started",
    "make serve CONFIG=config/openclaw.toml": "the same, with a Gateway; test_agent_pages.py asks one",
    "openclaw-actors doctor --config config/openclaw.toml": "it needs that Gateway",
    "docker compose up --detach": "needs a container engine",
    "docker compose logs --follow host": "the same",
    "docker build --file config/docker/Dockerfile --tag openclaw-actors .": "the same; tests/deploy/ carries it out",
}
"""Lines that are left out, and why. The rest of these pages is run."""

UNTIL = {"first-call.md": None, "connect.md": None, "deployment.md": "docker compose up --detach"}
"""The pages, and the line at which to stop: what follows is for a machine of one's own."""

FROM = {"deployment.md": "docker build --file config/docker/Dockerfile --tag openclaw-actors ."}
"""The line at which to begin, where what precedes is for a machine of one's own."""

CONFIG = (ROOT / "config" / "embedded.toml").read_text() + "[server]\nport = 0\n"


@pytest.fixture(scope="module")
def url():
    with serving(CONFIG) as url:
        yield url


@pytest.fixture
def environ(url, tmp_path):
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "openclaw-actors"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m openclaw_actors "$@"\n')
    command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENCLAW_ACTORS_")}
    return {
        **kept,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OPENCLAW_ACTORS_URL": url,
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }


@pytest.fixture
def clone(tmp_path):
    """What of a clone the pages name; what they write stays here."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("config", "dashboards"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("secrets"))
    (folder / "tests").symlink_to(ROOT / "tests")
    return folder


def script(page: str, url: str) -> str:
    """All of the page's shell that is run."""
    lines = [
        line.replace("http://127.0.0.1:8080", url).replace(".venv/bin/", "")
        for each in of_page(DOCS / page)
        if each.language in SHELLS
        for line in re.sub(r"\\\n *", "", each.text).splitlines()
    ]
    if page in FROM:
        lines = lines[lines.index(FROM[page]) :]
    if UNTIL[page]:
        lines = lines[: lines.index(UNTIL[page])]
    return "\n".join(line for line in lines if line not in NOT_RUN)


@pytest.mark.parametrize("page", UNTIL)
def test_the_page_can_be_followed(page: str, url: str, environ, clone: Path):
    lines = script(page, url)
    if page == "first-call.md":  # a Gateway and a Whisper model are not there, and it says so
        lines = lines.replace("\nopenclaw-actors doctor\n", "\nopenclaw-actors doctor || [ $? = 1 ]\n")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        env=environ,
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, f"{lines}\n{done.stdout}{done.stderr}"
    CHECKS[page](done.stdout, clone)


def check_first_call(said: str, clone: Path) -> None:
    heard = re.search(r"(?m)^.*weather.*$", said)
    assert heard, said
    assert "Your parcel has arrived." in said
    assert "What time is it?" in said


def check_connect(said: str, clone: Path) -> None:
    token = clone / "config" / "secrets" / "gateway-token"
    assert token.read_text() == "the Gateway's token\n"
    assert (token.stat().st_mode & 0o777, token.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "config/embedded.toml: good" in said


def check_deployment(said: str, clone: Path) -> None:
    """The secrets of compose: others on the machine can't reach them, the containers' users can read them."""
    folder = clone / "dashboards" / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    secrets = {path.name: path for path in folder.iterdir()}
    assert secrets.keys() == {"token", "metrics_token", "grafana_password"}
    assert all(len(path.read_text().strip()) == 64 for path in secrets.values())
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in secrets.values())


CHECKS = {"first-call.md": check_first_call, "connect.md": check_connect, "deployment.md": check_deployment}


def test_nothing_is_left_out_for_nothing():
    text = "\n".join(
        each.text.replace(".venv/bin/", "")
        for page in UNTIL
        for each in of_page(DOCS / page)
        if each.language in SHELLS
    )
    assert all(line in text for line in NOT_RUN)
