"""Where Whisper runs, with which numbers, and how many utterances at once. Imported in the worker process alone."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import ctranslate2

from openclaw_actors.errors import UnavailableEngineError

_FASTEST = {"cpu": "int8", "cuda": "float16"}
"""For Whisper: int8 halves the time on a CPU with AVX2; a GPU's matrix units are fed best with float16."""

_BATCH = {"cpu": 4, "cuda": 16}
"""Utterances at once. On a busy core, for each of 1, 2, 4 and 8 (4.5 s, trimmed) tiny takes 162, 96, 67 and 54 ms of
CPU, base 289, 174, 146 and 138: decoding gains, encoding does not, so that beyond 4 all wait longer for little. A GPU
gains until its memory's bandwidth is used up; 16 is careful (not measured)."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device and how to use it."""

    name: str
    compute_type: str
    batch: int


def gpu_seen() -> bool:
    """Whether there is an NVIDIA GPU with its driver. Whether it can be used is another question."""
    return bool(ctranslate2.get_cuda_device_count())


def choose_device(device: str, compute_type: str) -> Device:
    """The device that the settings ask for, or the best that is seen.

    Args:
        device: ``cpu``, ``cuda`` or ``auto``.
        compute_type: CTranslate2's name, or ``auto``.

    Raises:
        UnavailableEngineError: it is not here, or can't calculate so.
    """
    if device == "cuda" and not gpu_seen():
        raise UnavailableEngineError(
            'stt.faster_whisper.device is "cuda", but no NVIDIA GPU is seen here (does nvidia-smi list one?); '
            '"auto" takes the CPU then'
        )
    name = "cuda" if device != "cpu" and gpu_seen() else "cpu"
    if name == "cuda":
        _preload_cublas()
    known = ctranslate2.get_supported_compute_types(name)
    if compute_type == "auto":
        compute_type = _FASTEST[name] if _FASTEST[name] in known else "auto"
    elif compute_type not in {*known, "default"}:
        raise UnavailableEngineError(
            f"stt.faster_whisper.compute_type: this {name} can't calculate in {compute_type!r}; "
            f"it can in {', '.join(sorted(known))}"
        )
    return Device(name, compute_type, _BATCH[name])


def _preload_cublas() -> None:
    """Load NVIDIA's matrix library from its Python package, where CTranslate2 would not look for it."""
    with contextlib.suppress(ModuleNotFoundError):
        spec = importlib.util.find_spec("nvidia.cublas")
        for folder in spec.submodule_search_locations or () if spec else ():
            for library in sorted(Path(folder).glob("lib/libcublas.so.12")):
                ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
