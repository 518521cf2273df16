"""What the whole suite shares: programs that tests need, and what they say on the phone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest
import structlog

from openclaw_actors.testkit import speakers
from openclaw_actors.testkit.speakers import Speech, Voice

# structlog's default draws each traceback with its local variables, which takes a second of the loop that media shares;
# the host's own configuration does not (observability/logs.py).
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


def needs_program(name: str, remedy: str) -> str:
    """The program's path. A missing one skips the test on a developer's machine and fails it with CI=true."""
    # Debian's servers are where only root looks.
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if path is not None:
        return path
    reason = f"{name} is not installed: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def flite() -> Callable[[str, Voice], Speech]:
    """Speech by flite, already encoded: encoding 3 s inside a call would hold its loop for 40 ms."""
    needs_program("flite", "apt install flite")

    def speak(text: str, voice: Voice = "slt") -> Speech:
        speech = speakers.flite(text, voice)
        _ = speech.packets
        return speech

    return speak


@pytest.fixture(scope="session")
def chromium() -> str:
    return needs_program("chromium", "apt install chromium")
