"""The semantic model of turns: a tiny model of the real one's shape, in its real worker process.

The model of these tests says that a turn is complete when its last half second is quieter than what came before.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from openclaw_actors.engines.smart_turn import SmartTurn
from openclaw_actors.engines.workers import WorkerPool
from openclaw_actors.errors import UnavailableEngineError
from openclaw_actors.testkit.speakers import flite, silence
from tests.conftest import needs_program


def make_model(path: Path, frames: int = 800) -> str:
    """sigmoid(4 * (mean of all - mean of the last 50 frames)), as [B, 1]."""
    constants = [
        helper.make_tensor("from", TensorProto.INT64, [1], [frames - 50]),
        helper.make_tensor("to", TensorProto.INT64, [1], [frames]),
        helper.make_tensor("time", TensorProto.INT64, [1], [2]),
        helper.make_tensor("both", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("four", TensorProto.FLOAT, [1], [4.0]),
        helper.make_tensor("column", TensorProto.INT64, [2], [-1, 1]),
    ]
    nodes = [
        helper.make_node("Slice", ["input_features", "from", "to", "time"], ["tail"]),
        helper.make_node("ReduceMean", ["tail", "both"], ["end"], keepdims=0),
        helper.make_node("ReduceMean", ["input_features", "both"], ["all"], keepdims=0),
        helper.make_node("Sub", ["all", "end"], ["fall"]),
        helper.make_node("Mul", ["fall", "four"], ["scaled"]),
        helper.make_node("Sigmoid", ["scaled"], ["flat"]),
        helper.make_node("Reshape", ["flat", "column"], ["logits"]),
    ]
    given = helper.make_tensor_value_info("input_features", TensorProto.FLOAT, ["batch", 80, frames])
    wanted = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])
    graph = helper.make_graph(nodes, "turn", [given], [wanted], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return str(path)


@pytest.fixture
async def smart_turn(tmp_path):
    model = SmartTurn(make_model(tmp_path / "turn.onnx"))
    await model.open()
    yield model
    await model.aclose()


@pytest.fixture
def sentence():
    needs_program("flite", "apt install flite")
    return flite("What is the weather like in Paris today?")


async def test_it_hears_the_end_of_a_voice(smart_turn, sentence):
    amid = await smart_turn.judge(sentence.pcm)
    over = await smart_turn.judge(sentence.then(silence(0.5)).pcm)
    assert 0 < amid < 0.5 < over < 1


async def test_only_the_last_eight_seconds_count(smart_turn, sentence):
    end = sentence.then(silence(0.5))
    rest = silence(8 - end.seconds)
    before = bytes(np.full(16_000, 9_000, "<i2"))
    assert await smart_turn.judge(before + rest.pcm + end.pcm) == await smart_turn.judge(rest.pcm + end.pcm)


async def test_a_path_that_leads_nowhere_is_told_with_what_to_do(tmp_path):
    with pytest.raises(UnavailableEngineError, match=r"no file .*nowhere\.onnx; give a path, or one of smart-turn-v3"):
        await SmartTurn(str(tmp_path / "nowhere.onnx")).open()


async def test_a_file_that_is_no_model_and_one_that_is_another_are_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(UnavailableEngineError, match="is no ONNX model"):
        await SmartTurn(str(tmp_path / "text.onnx")).open()
    with pytest.raises(UnavailableEngineError, match="not 80 x 800"):
        await SmartTurn(make_model(tmp_path / "short.onnx", frames=400)).open()


async def test_without_a_network_it_says_what_to_fetch(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(UnavailableEngineError, match=r"fetch smart-turn-v3\.2-cpu\.onnx from huggingface\.co"):
        await SmartTurn("smart-turn-v3").open()


@pytest.mark.parametrize("fault", ["Hangs", "Fails"])
async def test_a_model_that_fails_or_hangs_has_no_opinion(fault):
    pool = WorkerPool("smart-turn", f"tests.engines.test_smart_turn:{fault}", {})
    model = SmartTurn("", pool)
    await model.open()
    try:
        assert await model.judge(b"\0\0") is None
    finally:
        await model.aclose()


async def test_before_it_is_loaded_it_has_no_opinion(tmp_path):
    assert await SmartTurn(str(tmp_path / "turn.onnx")).judge(b"\0\0") is None


class Hangs:
    """A worker that never answers."""

    def __call__(self, payload):
        while True:
            pass


class Fails:
    """A worker whose model raises."""

    def __call__(self, payload):
        raise ValueError("a tensor of the wrong shape")
