"""The Dockerfile carried out without a container engine: its own commands, in a root of its own.

The root is an overlay over this machine's, in a mount and a network namespace of its own: what RUN says is run there
word for word, at the paths that it names, as root; then the root is made read-only but for the volumes, and the
entry point runs as the image's user, without capabilities. What differs from an engine: the base image is this
machine, and dependencies are not fetched but lent from this virtual environment, as /deps.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import site
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "config" / "docker" / "Dockerfile"

_LENT = {
    # pip takes nothing from anywhere, and builds with the setuptools that is lent.
    "PIP_NO_INDEX": "1",
    "PIP_NO_DEPS": "1",
    "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this one the wrong way round
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PYTHONPATH": "/deps",
}

_SETUP = """
set -eu
mount -t tmpfs none "$BASE"
mkdir "$BASE/upper" "$BASE/work" "$BASE/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$BASE/upper,workdir=$BASE/work" "$BASE/root"
cd "$BASE/root"
mkdir -p deps context
mount --bind "$DEPS" deps
mount --bind "$CONTEXT" context
mount --rbind /proc proc
mount --rbind /dev dev
mount -t tmpfs -o mode=1777 none tmp
# No link: a virtual environment would take this folder for the interpreter's home.
rm -f usr/local/bin/python
printf '#!/bin/sh\\nexec "%s" "$@"\\n' "$PYTHON" > usr/local/bin/python
chmod 755 usr/local/bin/python
# The base image's Python is everybody's; this machine's may be in a home.
folder=$(dirname "$PYTHON")
while [ "$folder" != / ]; do chmod go+rx ".$folder"; folder=$(dirname "$folder"); done
ip link set lo up
echo ready
exec sleep 600
"""


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, comments left out."""
    parser = DockerfileParser(fileobj=io.BytesIO(DOCKERFILE.read_bytes()))
    return [(each["instruction"], each["value"]) for each in parser.structure if each["instruction"] != "COMMENT"]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, FROM first."""
    found: list[list[tuple[str, str]]] = []
    for kind, value in instructions():
        if kind == "FROM":
            found.append([])
        if found:
            found[-1].append((kind, value))
    return found


class NotPermittedError(Exception):
    """This machine lets us make no such root."""


@dataclass
class Image:
    """A root of its own; a context. Once built, ``start`` runs what the image runs."""

    base: Path
    environ: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    workdir: str = "/"
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        told = {
            **os.environ,
            "BASE": str(self.base),
            "DEPS": site.getsitepackages()[0],
            "CONTEXT": str(ROOT),
            "PYTHON": str(Path(sys.executable).resolve()),
        }
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "--net", "sh", "-c", _SETUP],
            env=told,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout
        if self._holder.stdout.readline() != "ready\n":
            raise NotPermittedError(self._holder.communicate()[1].strip())
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.kill()
        self._holder.communicate()

    def _outside(self, *command: str) -> list[str]:
        """What runs ``command`` in the namespaces, as root, before the root is changed."""
        return ["nsenter", f"--target={self._holder.pid}", "--mount", "--net", "--", *command]

    def _inside(self, workdir: str, *command: str) -> list[str]:
        change = 'cd "$0" && exec "$@"'
        return self._outside("chroot", str(self.base / "root"), "sh", "-c", change, workdir, *command)

    def as_root(self, command: str, *, workdir: str = "/") -> None:
        """Run a line of the shell there.

        Raises:
            AssertionError: it failed.
        """
        environ = {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin", "HOME": "/root", **_LENT}
        done = subprocess.run(
            self._inside(workdir, "sh", "-c", command), env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    def build(self) -> None:
        """Carry out all stages, one after the other in the same root, without what a stage leaves behind."""
        first, last = stages()
        self._carry_out(first, self._copy_from_context)
        # The second stage sees what is copied into it and no more.
        self.as_root("rm -rf /src /dist")
        self._carry_out(last, self._copy_from_stage)
        for volume in self.volumes:
            self.as_root(f"owner=$(stat -c uid=%u,gid=%g,mode=%a {volume}) && mount -t tmpfs -o $owner none {volume}")
        self.as_root("umount /context")
        subprocess.run(self._outside("mount", "-o", "remount,ro", str(self.base / "root")), check=True)

    def _carry_out(self, stage: Sequence[tuple[str, str]], copy) -> None:
        for kind, value in stage:
            match kind:
                case "WORKDIR":
                    self.workdir = value
                    self.as_root(f"mkdir -p {value}")
                case "RUN":
                    self.as_root(re.sub(r"^--mount=\S+\s+", "", value), workdir=self.workdir)
                case "COPY":
                    copy(value)
                case "ENV":
                    self.environ |= dict(each.split("=", 1) for each in shlex.split(value))
                case "USER":
                    self.user = value
                case "VOLUME":
                    self.volumes.append(value)
                case "ENTRYPOINT" | "CMD":
                    self.command += json.loads(value)
                case "HEALTHCHECK":
                    self.healthcheck = json.loads(value.split("CMD", 1)[1])
                case "FROM" | "ARG" | "EXPOSE" | "STOPSIGNAL":
                    pass
                case _:
                    raise AssertionError(f"what does {kind} do?")

    def _copy_from_context(self, value: str) -> None:
        *sources, target = value.split()
        for source in sources:
            to = f"{target}{source}" if target.endswith("/") else target
            self.as_root(
                f"cp -r /context/{source} {to} && find {to} -name __pycache__ -prune -exec rm -rf {{}} +",
                workdir=self.workdir,
            )

    def _copy_from_stage(self, value: str) -> None:
        *flags, source, target = value.split()
        assert source == target, "stages share one root here"
        for flag in flags:
            if flag.startswith("--chown="):
                self.as_root(f"chown -R {flag.removeprefix('--chown=')} {target}")

    def start(self, command: Sequence[str], environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        """Run ``command`` as the image's user, without capabilities, in the read-only root."""
        uid, gid = self.user.split(":")
        path = self.environ["PATH"].replace("$PATH", "/usr/local/bin:/usr/bin:/bin")
        everything = {**self.environ, "PATH": path, "PYTHONPATH": "/deps", **environ}
        drop = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"]
        drop += ["--inh-caps=-all", "--bounding-set=-all", "--"]
        variables = [f"{name}={value}" for name, value in everything.items()]
        whole = self._inside(self.workdir, *drop, "env", "--ignore-environment", *variables, *command)
        with log.open("ab") as out:
            return subprocess.Popen(whole, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
