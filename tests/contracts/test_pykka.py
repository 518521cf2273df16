"""The private names of pykka that actors/loop_actor.py stands on: each fails here when pykka changes it."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import pykka
import pytest
from pykka import _actor, _envelope, messages


def test_the_pinned_series():
    assert version("pykka").startswith("4.5")


def test_the_documented_extension_points():
    for name in ("_create_actor_inbox", "_create_future", "_start_actor_loop"):
        assert callable(getattr(pykka.Actor, name)), name


def test_starting_registers_and_then_starts_the_loop():
    source = inspect.getsource(pykka.Actor.start)
    assert source.index("ActorRegistry.register") < source.index("_start_actor_loop")


def test_the_parts_of_the_actors_loop_that_we_call():
    for name in ("_actor_loop_setup", "_actor_loop_teardown", "_handle_failure", "_handle_receive"):
        assert callable(getattr(pykka.Actor, name)), name
    assert list(inspect.signature(pykka.Actor._handle_receive).parameters) == ["self", "message"]


def test_a_failed_start_marks_the_actor_stopped():
    source = inspect.getsource(pykka.Actor._handle_failure)
    assert "actor_stopped.set()" in source
    assert "ActorRegistry.unregister" in source
    assert "self._handle_failure" in inspect.getsource(pykka.Actor._actor_loop_setup)


def test_an_envelope_holds_a_message_and_where_to_reply():
    envelope = _envelope.Envelope("m", reply_to=None)
    assert (envelope.message, envelope.reply_to) == ("m", None)


def test_a_stop_is_an_ordinary_message():
    assert messages._ActorStop() == messages._ActorStop()
    assert "_ActorStop" in inspect.getsource(_actor)


def test_a_reference_holds_its_actor_weakly():
    assert "_actor_weakref" in inspect.getsource(pykka.ActorRef.__init__)


def test_a_threading_future_keeps_its_result_behind_a_condition():
    future = pykka.ThreadingFuture()
    assert future._result is None
    with future._condition:
        pass
    future.set(7)
    assert future._result is not None
    assert future.get(timeout=0) == 7


def test_a_future_resolves_once():
    future = pykka.ThreadingFuture()
    future.set_exception((ValueError, ValueError("x"), None))
    with pytest.raises(ValueError, match="x"):
        future.get(timeout=0)
