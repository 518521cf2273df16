"""The smart-turn model, inside its worker process.

Input ``input_features[B, 80, 800]``: 8 s of Whisper's log-mel, of a waveform filled up with zeros in front and brought
to zero mean and unit variance. Output ``logits[B, 1]``: the probability that the turn is complete, a sigmoid already.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from openclaw_actors.errors import UnavailableEngineError
from openclaw_actors.messages import SAMPLE_RATE

_NAMED = {"smart-turn-v3": ("pipecat-ai/smart-turn-v3", "smart-turn-v3.2-cpu.onnx")}
_SAMPLES = 8 * SAMPLE_RATE
_SHAPE = (80, 800)


class SmartTurnModel:
    """Loads the model; called with PCM it gives the probability.

    Args:
        model: path of an ONNX file, or ``smart-turn-v3``, which is fetched from the model hub once.

    Raises:
        UnavailableEngineError: it can't be had, or is another model.
    """

    def __init__(self, model: str) -> None:
        # Whisper's features as faster-whisper makes them; importing it takes half a second.
        from faster_whisper.feature_extractor import FeatureExtractor  # noqa: PLC0415 - not in the host's process

        path = _path_of(model)
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common base but this
            raise UnavailableEngineError(f"turns.semantic_model: {path} is no ONNX model ({error})") from error
        self._features = FeatureExtractor()
        inputs = self._session.get_inputs()
        shape = tuple(inputs[0].shape[-2:]) if len(inputs) == 1 else ()
        if shape != _SHAPE:
            raise UnavailableEngineError(f"turns.semantic_model: {path} takes {shape}, not 80 x 800 as smart-turn does")
        self._input = inputs[0].name
        self(bytes(2 * SAMPLE_RATE))

    def __call__(self, pcm: bytes) -> float:
        """The probability that the turn is complete."""
        sound = np.frombuffer(pcm, "<i2").astype(np.float32)[-_SAMPLES:] / 32_768
        sound = np.pad(sound, (_SAMPLES - sound.size, 0))
        sound = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
        features: Any = self._features(sound, padding=0)
        (answer,) = self._session.run(None, {self._input: features[None].astype(np.float32)})
        return float(np.asarray(answer).reshape(-1)[0])


def _path_of(model: str) -> Path:
    if model not in _NAMED:
        path = Path(model).expanduser()
        if path.is_file():
            return path
        known = ", ".join(_NAMED)
        raise UnavailableEngineError(f"turns.semantic_model: there is no file {path}; give a path, or one of {known}")
    repository, name = _NAMED[model]
    import huggingface_hub  # noqa: PLC0415 - only who wants it fetched waits for it

    try:
        return Path(huggingface_hub.hf_hub_download(repository, name))
    except Exception as error:  # the hub's errors have no common base
        raise UnavailableEngineError(
            f"turns.semantic_model: {model} could not be fetched ({type(error).__name__}); fetch {name} from "
            f"huggingface.co/{repository} yourself and set turns.semantic_model to its path"
        ) from error
