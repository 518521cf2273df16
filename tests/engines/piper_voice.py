"""A Piper voice small enough to make in a test: an ONNX model of the real voices' signature that hums its phonemes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

RATE = 16_000
SAMPLES_A_PHONEME = 256


def make_voice(path: Path, *, speakers: int = 1) -> Path:
    """``input`` (1, n) and ``scales`` (noise, length, noise width) → sound of n * 256 * length samples."""
    ids = helper.make_tensor_value_info("input", TensorProto.INT64, [1, "n"])
    lengths = helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1])
    scales = helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3])
    inputs = [ids, lengths, scales]
    if speakers > 1:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, [1]))
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, "samples"])
    constants = [
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("per", TensorProto.FLOAT, [1], [float(SAMPLES_A_PHONEME)]),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("step", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("turn", TensorProto.FLOAT, [], [2 * np.pi * 300 / RATE]),
        helper.make_tensor("shape", TensorProto.INT64, [4], [1, 1, 1, -1]),
        helper.make_tensor("scalar", TensorProto.INT64, [0], []),
    ]
    nodes = [
        helper.make_node("Gather", ["scales", "one"], ["length"]),
        helper.make_node("Cast", ["input_lengths"], ["count"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["count", "per"], ["plain"]),
        helper.make_node("Mul", ["plain", "length"], ["long"]),
        helper.make_node("Reshape", ["long", "scalar"], ["limit"]),
        helper.make_node("Range", ["zero", "limit", "step"], ["time"]),
        helper.make_node("Mul", ["time", "turn"], ["angle"]),
        helper.make_node("Sin", ["angle"], ["wave"]),
        helper.make_node("Reshape", ["wave", "shape"], ["output"]),
    ]
    graph = helper.make_graph(nodes, "hum", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    symbols = ["_", "^", "$", *" abcdefghijklmnopqrstuvwxyz.,!?'ɐəɹˈˌːɪʊɛæɔʌðθŋʃʒɾɜɑ"]
    config = {
        "audio": {"sample_rate": RATE, "quality": "x_low"},
        "espeak": {"voice": "en-us"},
        "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_id_map": {symbol: [number] for number, symbol in enumerate(symbols)},
        "num_symbols": len(symbols),
        "num_speakers": speakers,
        "speaker_id_map": {f"speaker{number}": number for number in range(speakers)} if speakers > 1 else {},
    }
    path.with_name(f"{path.name}.json").write_text(json.dumps(config))
    return path
