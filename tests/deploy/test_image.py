"""The image is built and run, as far as can be without a container engine: see image.py."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from pathlib import Path

import pytest

from tests.deploy.image import ROOT, Image, NotPermittedError
from tests.deploy.test_files import unit, unit_environ

TOKEN = "t" * 32
EMBEDDED = {
    "OPENCLAW_ACTORS_STT__ENGINES": '["pocketsphinx"]',
    "OPENCLAW_ACTORS_AGENT__ENGINES": '["parrot"]',
    "OPENCLAW_ACTORS_TTS__ENGINES": '["espeak-ng"]',
}
ASK = """
import json, sys, time, urllib.error, urllib.request

def ask(path):
    request = urllib.request.Request("http://127.0.0.1:8080" + path, headers={"Authorization": "Bearer " + sys.argv[1]})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()

while ask("/readyz")[0] == 503:  # the engines are loading
    time.sleep(0.1)
for path in sys.argv[2:]:
    print(json.dumps([path, *ask(path)]))
"""


@pytest.fixture(scope="module")
def image():
    if os.getuid() != 0:
        pytest.skip("only root may make a root")
    with tempfile.TemporaryDirectory(prefix="openclaw-actors-image-") as folder:
        Path(folder).chmod(0o755)
        try:
            with Image(Path(folder)) as image:
                image.build()
                yield image
        except NotPermittedError as error:
            pytest.skip(f"no overlay or no namespaces here: {error}")


@pytest.fixture
def run(image, tmp_path):
    """Run something in the image to its end; what it printed."""

    def run(*command: str, status: int = 0, **environ: str) -> str:
        log = tmp_path / "ran"
        log.unlink(missing_ok=True)
        ended = image.start(command, environ, log).wait(60)
        said = log.read_text(errors="replace")
        assert ended == status, said
        return said

    return run


@pytest.fixture
def serve(image, run, tmp_path):
    """Run a host in the image until its health check passes; SIGTERM ends it, with 0."""
    running = []

    def serve(command, **environ: str):
        log = tmp_path / "host.log"
        host = image.start(command, environ, log)
        running.append(host)
        deadline = time.monotonic() + 60
        while image.start(image.healthcheck, {}, tmp_path / "health").wait(20) != 0:
            assert host.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.2)
        return host

    yield serve
    for host in running:
        if host.poll() is None:
            host.kill()
            host.wait()


def test_the_image_serves_as_nobody_in_a_read_only_root(image, serve, run):
    host = serve(image.command, OPENCLAW_ACTORS_AUTH__TOKENS=json.dumps([TOKEN]), **EMBEDDED)
    status = Path(f"/proc/{host.pid}/status").read_text().splitlines()
    told = dict(line.split(":", 1) for line in status)
    assert told["Uid"].split() == ["10001"] * 4
    assert int(told["CapEff"], 16) == int(told["CapBnd"], 16) == 0
    answers = run("python", "-c", ASK, TOKEN, "/", "/client.js", "/docs", "/openapi.json", "/readyz", "/metrics")
    got = {path: text for path, status, text in map(json.loads, answers.splitlines()) if status == 200}
    assert got.keys() == {"/", "/client.js", "/docs", "/openapi.json", "/readyz", "/metrics"}
    assert "openclaw_actors_build_info" in got["/metrics"]
    ready = json.loads(got["/readyz"])
    assert (ready["ready"], ready["store"]["ok"]) == (True, True)
    assert "Read-only file system" in run("touch", "/opt/openclaw-actors/x", status=1)
    where = "import openclaw_actors; print(openclaw_actors.__file__)"
    assert run("python", "-c", where).startswith("/opt/openclaw-actors/lib/")
    host.send_signal(signal.SIGTERM)
    assert host.wait(30) == 0
    assert run("ls", "/var/lib/openclaw-actors/openclaw_actors").split() >= ["calls.db"]
    assert "urlopen error" in run(*image.healthcheck, status=1)


def test_the_wheel_has_every_file_of_the_package(image, run):
    """The console, migrations, scripts of evals: what is no Python is easily forgotten in pyproject.toml."""
    package = ROOT / "openclaw_actors"
    there = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    where = run("python", "-c", "import openclaw_actors; print(openclaw_actors.__path__[0])").strip()
    installed = run("find", where, "-type", "f", "-printf", "%P\\n").split("\n")
    assert {each for each in there if "__pycache__" not in each} - {*installed} == set()


def test_without_a_token_the_image_says_what_is_missing(image, run):
    assert "auth" in run(*image.command, status=2)


def test_the_unit_s_command_serves_with_the_unit_s_variables(image, serve, run):
    """Where systemd keeps state and credentials, the image has its volume."""
    state = image.volumes[0]
    run("mkdir", "-p", f"{state}/openclaw-actors", f"{state}/credentials")
    for credential in unit()["LoadCredential"]:
        name = credential.split(":")[0]
        run("sh", "-c", f"echo {TOKEN} > {state}/credentials/{name}")
    run("sh", "-c", f"echo '[tts]\nengines = [\"espeak-ng\"]' > {state}/host.toml")
    environ = {
        name: value.replace("%S", state).replace("%d", f"{state}/credentials") for name, value in unit_environ().items()
    }
    (command,) = unit()["ExecStart"]
    words = command.replace("/etc/openclaw-actors/host.toml", f"{state}/host.toml").split()
    host = serve(words, **{**EMBEDDED, **environ})
    answers = run("python", "-c", ASK, TOKEN, "/v1/node", PYTHONPATH="/deps")
    assert json.loads(json.loads(answers)[2])["calls"] == 0
    host.send_signal(signal.SIGTERM)
    assert host.wait(30) == 0
