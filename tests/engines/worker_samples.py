"""Small workers that test_workers.py runs in real processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from openclaw_actors.errors import RefusedEngineError, TransientEngineError


class Obedient:
    """Does what the payload names. ``begun`` is a file that gets a line for each job that has begun."""

    def __init__(self, begun=""):
        self.begun = begun

    def __call__(self, payload):
        verb, *rest = payload
        if self.begun:
            with Path(self.begun).open("a") as file:
                file.write(f"{verb} {os.getpid()}\n")
        return getattr(self, verb)(*rest)

    def echo(self, value):
        return value

    def pid(self):
        return os.getpid()

    def environment(self, name):
        return os.environ.get(name)

    def niceness(self):
        return os.nice(0)

    def hang(self):
        while True:
            signal.pause()

    def wait_for(self, marker):
        while not Path(marker).exists():
            time.sleep(0.005)

    def die(self, number=signal.SIGKILL):
        os.kill(os.getpid(), number)
        return self.hang()

    def die_once(self, marker):
        if Path(marker).exists():
            return "survived"
        Path(marker).touch()
        return self.die()

    def leave(self):
        os._exit(3)

    def fail(self):
        raise ValueError("seven is not a word")

    def read_missing_file(self):
        return Path("/nonexistent").read_bytes()

    def refuse(self):
        raise RefusedEngineError("no such voice")

    def stumble(self):
        raise TransientEngineError("once more, please")

    def unpicklable(self):
        return lambda: None

    def say(self, line):
        print(line)  # noqa: T201 - what native code does
        os.write(2, b"and on standard error\n")
        return "said"

    def count(self, to):
        yield from range(to)

    def count_then_die(self, to):
        yield from range(to)
        self.die()

    def count_until_told(self, marker):
        number = 0
        try:
            while True:
                yield number
                number += 1
                time.sleep(0.001)
        finally:
            Path(marker).touch()

    def garble(self):
        # The frames' socket is the only one that the worker has.
        for fd in range(3, 64):
            try:
                if Path(f"/proc/self/fd/{fd}").readlink().name.startswith("socket:"):
                    os.write(fd, b"\x00\x00\x00\x05hello")
            except OSError:
                continue
        return self.hang()


class Sociable(Obedient):
    """Takes up to four jobs at once; ``begun`` gets a line with the verbs of each batch too."""

    at_once = 4

    def together(self, payloads):
        with Path(self.begun).open("a") as file:
            file.write("+".join(verb for verb, *_ in payloads) + "\n")
        return [getattr(self, verb)(*rest) for verb, *rest in payloads]


class Forgetful(Sociable):
    """Loses an answer of each batch."""

    def together(self, payloads):
        return super().together(payloads)[1:]


def unwilling(reason):
    """A worker that can't serve here."""
    raise RuntimeError(reason)


def stillborn():
    """A worker whose native library takes the process with it."""
    sys.stderr.write("libvoice: bad magic\n")
    os.kill(os.getpid(), signal.SIGSEGV)
    signal.pause()


def sleeper():
    """A worker that never becomes warm."""
    signal.pause()


class Mortal(Obedient):
    """Comes to life once; every later process of it dies at its start, until ``marker`` is removed."""

    def __init__(self, marker):
        super().__init__()
        if Path(marker).exists():
            os.kill(os.getpid(), signal.SIGKILL)
        Path(marker).touch()
