"""Voice activity: how likely is it that 32 ms of sound hold a voice?

Silero v6 says so; the energy of the sound is the fallback. A window is WINDOW samples of float32 mono at 16 kHz,
full scale ±1; windows of one stream are given in order.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from collections import deque
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime

from openclaw_actors.errors import UnavailableEngineError

WINDOW = 512
"""Samples in one window: 32 ms at 16 kHz, the only length that Silero v6 takes."""

Window = npt.NDArray[np.float32]


SILENCE: Window = np.zeros(WINDOW, np.float32)
"""The window of digital silence, which a detector may know by its identity."""
SILENCE.flags.writeable = False


class Vad(Protocol):
    """What turn-taking needs of a voice detector; one object hears one stream."""

    def probability(self, window: Window) -> float:
        """The next WINDOW samples hold a voice with this probability, 0 to 1."""

    def reset(self) -> None:
        """Forget the stream: what comes next has nothing to do with what came before."""


_CONTEXT = 64
"""Samples of the window before that Silero wants in front of each window."""

_FADED = 0.1
"""Below it the last voice has faded out of the model."""

_NO_VOICE = 0.35
"""Below it nobody speaks."""

_SETTLED_WINDOWS, _STALE_WINDOWS = 31, 62
"""After 2 s without a voice the model's state goes back to what it was after 1 s, again and again. The cell state
grows without end while nobody speaks (|c| 5 after 0.2 s, 40 after 2 s, 232 after 96 s of zeros), and that deafens it:
after 60 s of quiet 2 of 15 flite utterances ("no") were not found at all and "Hello, what ..." came 640 ms late; so
kept, all 15 are found at once. Starting afresh instead, as Pipecat does, leaves less margin: mains hum then peaks at
0.33, not 0.24. In 15 minutes of white noise of 0.02 rms neither finds a voice."""

_INAUDIBLE = 8 / 32_768
"""Windows whose peak is no higher (-72 dBFS) are not run: speech scaled to a peak of 23/32768 is not found by the
model either. A muted caller then costs 6 µs a 20 ms frame instead of 70. After a second of them the model begins
afresh: of a sentence 20 dB softer than the one before, it finds nothing otherwise (0 windows of 52, afresh 31)."""


_loudest, _lowest = np.maximum.reduce, np.minimum.reduce
"""``max`` and ``min`` of an array, without the two calls of Python that those are."""


@functools.cache
def load_silero() -> Any:
    """The one ``onnxruntime.InferenceSession`` of the process: 25 ms the first time, 1.2 MB.

    The model (MIT, snakers4/silero-vad) lies in the faster-whisper wheel; it is found without importing that.

    Raises:
        UnavailableEngineError: the wheel or its model is not there.
    """
    wheel = importlib.util.find_spec("faster_whisper")
    folders = (wheel and wheel.submodule_search_locations) or []
    for folder in folders:
        model = Path(folder, "assets", "silero_vad_v6.onnx")
        if model.is_file():
            options = onnxruntime.SessionOptions()
            # One window is 55-115 µs of work: threads would only wait for each other, and for the loop's core.
            options.inter_op_num_threads = options.intra_op_num_threads = 1
            options.enable_cpu_mem_arena = False
            options.log_severity_level = 4
            return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    raise UnavailableEngineError("Silero's model is not in faster_whisper/assets: install faster-whisper>=1.2.1")


class SileroVad:
    """Silero v6 on one stream; the streams of a process share the model, each keeps its own state.

    Args:
        session: the model, by default ``load_silero()``.

    Raises:
        UnavailableEngineError: the model is not installed.
    """

    def __init__(self, session: Any = None) -> None:
        session = session or load_silero()
        self._run = session.run_with_iobinding
        self._input = np.zeros((1, _CONTEXT + WINDOW), np.float32)
        self._state, self._next_state, self._settled = (np.zeros((2, 1, 1, 128), np.float32) for _ in range(3))
        self._found = np.zeros(1, np.float32)
        # Bound once to where its numbers lie: to name and check them each time takes 20 µs of 160.
        self._binding = session.io_binding()
        for name, there in (("input", self._input), ("h", self._state[0]), ("c", self._state[1])):
            self._binding.bind_input(name, "cpu", 0, np.float32, there.shape, there.ctypes.data)
        for name, there in (("speech_probs", self._found), ("hn", self._next_state[0]), ("cn", self._next_state[1])):
            self._binding.bind_output(name, "cpu", 0, np.float32, there.shape, there.ctypes.data)
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._input.fill(0)
        self._state.fill(0)
        self._settled.fill(0)
        self._last = 0.0
        self._quiet = 0
        self._skipped = 0

    def _skip(self) -> None:
        self._skipped += 1
        if self._skipped == _SETTLED_WINDOWS:
            self._state.fill(0)
            self._quiet = 0

    def probability(self, window: Window) -> float:
        """The next WINDOW samples hold a voice with this probability, 0 to 1."""
        if self._skipped and window is SILENCE:  # what lies before it can't be heard either
            self._skip()
            return 0.0
        joined = self._input
        joined[0, :_CONTEXT] = joined[0, WINDOW:]
        joined[0, _CONTEXT:] = window
        if self._last < _FADED and _loudest(joined[0]) <= _INAUDIBLE and _lowest(joined[0]) >= -_INAUDIBLE:
            self._skip()
            return 0.0
        self._skipped = 0
        self._run(self._binding)
        self._state[:] = self._next_state
        self._last = float(self._found[0])
        self._quiet = self._quiet + 1 if self._last < _NO_VOICE else 0
        if self._quiet == _SETTLED_WINDOWS:
            self._settled[:] = self._state
        elif self._quiet == _STALE_WINDOWS:
            self._state[:] = self._settled
            self._quiet = _SETTLED_WINDOWS
        return self._last


_FLOOR_WINDOWS = 47
"""The noise floor is the quietest window of the last 1.5 s (minimum statistics: R. Martin, IEEE Trans. SAP 9(5),
2001): fluent speech dips between syllables well within that, a fan or a tone never does."""

_LIFT_DB = 12.0
"""So far above the floor a voice is as likely as not; 4 dB more or less make it 0.73 or 0.27."""

_AUDIBLE_DB = -50.0
"""The floor is taken to be no lower: a whisper of comfort noise in digital silence is no voice."""


class EnergyVad:
    """The fallback that needs no model: loudness over an adaptive noise floor.

    It takes any sudden loud sound for a voice until the floor has followed it, 1.5 s later.
    """

    def __init__(self) -> None:
        self._levels: deque[float] = deque(maxlen=_FLOOR_WINDOWS)

    def reset(self) -> None:
        """Forget the stream."""
        self._levels.clear()

    def probability(self, window: Window) -> float:
        """The next WINDOW samples hold a voice with this probability, 0 to 1."""
        level = 10 * math.log10(float(np.dot(window, window)) / WINDOW + 1e-10)
        self._levels.append(level)
        floor = max(min(self._levels), _AUDIBLE_DB)
        return 1 / (1 + math.exp(-(level - floor - _LIFT_DB) / 4))
