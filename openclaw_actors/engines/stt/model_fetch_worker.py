"""Finds a Whisper model on this machine, or fetches it from the model hub, inside a worker process.

The private names of faster-whisper and huggingface_hub that this needs are used here alone.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# Plain HTTP writes each chunk as it comes; a transfer that buffers would look like one that stalls.
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

import huggingface_hub
from faster_whisper.utils import _MODELS, download_model
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.file_download import repo_folder_name

from openclaw_actors.errors import UnavailableEngineError

_FILES = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
"""What faster-whisper's ``download_model`` takes from a repository."""

_ASK_S = 5.0
"""For the hub to say what the model is; it answers in 0.3 s or there is no way to it."""

_STALL_S = 60.0
"""Without one more byte. The hub's client itself gives up a silent connection after 10 s and tries again."""

_POLL_S = 0.2


class Fetcher:
    """Jobs are ``("find", model)``, answered by its repository and its path here or None, and ``("fetch", model)``,
    which streams the part that has arrived, 0 to 1, until all has.
    """  # noqa: D205 - one sentence, longer than a line

    def __call__(self, job: tuple[str, str]) -> Any:
        """Do a job."""
        verb, model = job
        return self._find(model) if verb == "find" else self._fetch(model)

    def _find(self, model: str) -> tuple[str, str | None]:
        repository = self._repository(model)
        try:
            path = download_model(model, local_files_only=True)
        except (OSError, ValueError):  # LocalEntryNotFoundError is both, by the hub's version
            return repository, None
        # A download that broke off leaves the directory behind.
        complete = all((Path(path) / name).is_file() for name in ("model.bin", "config.json"))
        return repository, str(path) if complete else None

    def _repository(self, model: str) -> str:
        repository = model if "/" in model else _MODELS.get(model)
        if repository is None:
            known = ", ".join(_MODELS)
            raise UnavailableEngineError(
                f"stt.faster_whisper.model: there is no model {model!r}; name a directory, a repository, or one of "
                + known
            )
        return repository

    def _fetch(self, model: str) -> Iterator[float]:
        repository = self._repository(model)
        try:
            about = huggingface_hub.HfApi().model_info(repository, files_metadata=True, timeout=_ASK_S)
        except Exception as error:
            raise UnavailableEngineError(f"the model hub does not answer ({_brief(error)})") from error
        files = [file for file in about.siblings or () if any(fnmatch(file.rfilename, name) for name in _FILES)]
        total = sum(file.size or 0 for file in files)
        blobs = Path(HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model") / "blobs"
        stale = _bytes_in(blobs, "*.incomplete")
        download = _Download(model)
        download.start()
        arrived, moved_at = 0, time.monotonic()
        while download.is_alive():
            yield min(1.0, arrived / total) if total else 0.0
            download.join(_POLL_S)
            now = _bytes_in(blobs, "*") - stale
            if now != arrived:
                arrived, moved_at = now, time.monotonic()
            elif time.monotonic() - moved_at > _STALL_S:
                raise UnavailableEngineError(f"the download stands still at {arrived} of {total} bytes")
        if download.error is not None:
            raise UnavailableEngineError(f"the download broke off ({_brief(download.error)})") from download.error
        yield 1.0


class _Download(threading.Thread):
    """Beside the thread that reports progress. A daemon: it may hang in a socket when the process is to end."""

    def __init__(self, model: str) -> None:
        super().__init__(name="download", daemon=True)
        self._model = model
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            download_model(self._model)
        except Exception as error:  # noqa: BLE001 - told by the thread that waits
            self.error = error


def _bytes_in(folder: Path, pattern: str) -> int:
    total = 0
    for path in folder.glob(pattern):
        try:
            total += path.stat().st_size
        except OSError:  # renamed meanwhile: it was complete
            continue
    return total


def _brief(error: BaseException) -> str:
    """The first line: the hub's errors go on with advice that is not for a voice host's operator."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
