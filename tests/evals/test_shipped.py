"""The scripts that ship hold against a host that works, and see through one that does not."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from openclaw_actors.evals import report
from openclaw_actors.evals.judge import NO_JUDGE, JudgeOptions
from openclaw_actors.evals.runs import RunOptions, run
from openclaw_actors.evals.scripts import SHIPPED, load
from openclaw_actors.settings.sections import Agent, OpenAiAgent, OpenAiStt, Stt
from openclaw_actors.testkit.host import embedded_settings, running_host
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Fault, StubPlan
from tests.evals.samples import script

QUICK = {"listen": {"greeting_s": 0, "quiet_s": 0.5}}
PAGE = Path(__file__).parents[2] / "docs" / "evals.md"

pytestmark = pytest.mark.usefixtures("flite")


@asynccontextmanager
async def host_on(stub: OpenAiStub):
    """The stub hears and answers, and the parrot stands behind it."""
    key = {"base_url": stub.base_url, "api_key": "stub"}
    agent = Agent(engines=("openai", "parrot"), greeting="", openai=OpenAiAgent(**key, model="stub"))
    stt = Stt(engines=("openai",), openai=OpenAiStt(**key))
    async with running_host(embedded_settings().model_copy(update={"agent": agent, "stt": stt})) as running:
        yield running.url


def unheld(outcomes) -> list[str]:
    return [f"{o.script.name}: {c.what}: {c.detail}" for o in outcomes for c in o.checks if c.verdict == "failed"]


async def test_four_of_the_five_hold_with_the_embedded_engines_and_so_does_the_one_of_the_docs(tmp_path):
    (documented := tmp_path / "sums.toml").write_text(re.search(r"(?ms)^```toml\n(.*?)^```", PAGE.read_text())[1])
    short = embedded_settings().agent.model_copy(update={"greeting": "Hello!"})
    async with running_host(embedded_settings().model_copy(update={"agent": short})) as host:
        outcomes = await run(load([SHIPPED, documented]), RunOptions(host.url, parallel=3))
    assert unheld(outcomes) == []
    assert sorted(o.verdict for o in outcomes) == ["held"] * 5 + ["skipped"]
    (skipped,) = [o for o in outcomes if o.verdict == "skipped"]
    assert "a first agent engine that fails" in skipped.why
    unjudged = [check for o in outcomes for check in o.checks if check.verdict == "skipped"]
    assert {check.detail for check in unjudged} == {NO_JUDGE}

    (interrupted,) = [o for o in outcomes if o.script.path.stem == "interruption"]
    first, second = interrupted.as_dict()["steps"]
    assert "hang up" not in first["agent"]  # its last words, which were not spoken any more
    assert 0 < second["silent_ms"] < 1000
    _is_told_to_everybody(outcomes, tmp_path / "junit.xml")


def _is_told_to_everybody(outcomes, junit):
    console = Console(record=True, width=100)
    for outcome in outcomes:
        report.show(console, outcome)
    report.show_sum(console, outcomes)
    shown = console.export_text()
    assert "✓ The caller interrupts a long answer" in shown
    assert "5 held, 1 skipped" in shown
    assert json.loads(report.as_json(outcomes))["held"] == 5
    report.write_junit(junit, outcomes)
    suite = ET.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("6", "0", "1")


async def test_an_engine_that_is_told_to_fail_is_replaced_in_the_call_and_the_script_sees_it():
    async with OpenAiStub(StubPlan(transcript="What time is it?")) as stub, host_on(stub) as url:
        stub.fail_always("chat", Fault("status", 401))
        (outcome,) = await run(load([SHIPPED / "failing_engine.toml"]), RunOptions(url), plays=lambda _: True)
    assert unheld([outcome]) == []
    assert stub.of("chat")


async def test_what_does_not_hold_is_told_with_what_came_in_its_place(tmp_path):
    asked = {"text": "Are you there?", "expect": {"words": ["no"], "any": ["yes"], "judge": "It is rude."}}
    reply = "Yes, I am here."
    verdict = 'Sure: {"holds": false, "why": "It is friendly."}'
    plan = StubPlan(reply=lambda messages: verdict if "judge" in messages[0]["content"] else reply)
    async with OpenAiStub(plan) as stub, host_on(stub) as url:
        options = RunOptions(url, judge=JudgeOptions(stub.base_url, "stub", "stub"))
        (outcome,) = await run([script(asked, **QUICK)], options)
        judged = stub.of("chat")[-1].body
        stub.plan = replace(plan, reply=lambda messages: "Hm." if "judge" in messages[0]["content"] else reply)
        (unjudged,) = await run([script({"text": "Hello?"}, expect={"judge": "It greets."}, **QUICK)], options)
    assert unheld([outcome]) == [
        f"a script: says 'no': it said: {reply}",
        "a script: judge: It is rude.: It is friendly.",
    ]
    no_verdict = "it could not be judged: the judge answered what is no verdict: 'Hm.'"
    assert unheld([unjudged]) == [f"a script: judge: It greets.: {no_verdict}"]
    assert f"Caller: (types) Are you there?\nAssistant: {reply}" in judged["messages"][1]["content"]
    report.write_junit(tmp_path / "junit.xml", [outcome])
    failure = ET.parse(tmp_path / "junit.xml").find("testcase/failure")
    assert failure.get("message") == f"step 1 (text): says 'no': it said: {reply}"


async def test_a_host_that_is_not_there_fails_every_script():
    (outcome,) = await run([script({"text": "Hello?"})], RunOptions("http://127.0.0.1:9"))
    assert outcome.verdict == "failed"
    assert "the host can't be reached" in outcome.checks[0].detail
