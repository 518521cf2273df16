"""The stub provider speaks OpenAI's shapes: held against the `openai` package itself, over a real socket."""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp
import openai
import pytest

from openclaw_actors.testkit.providers.openai import OpenAiStub, buzz
from openclaw_actors.testkit.providers.plan import Fault, StubPlan, always_elsewhere
from openclaw_actors.testkit.speakers import tone

FAST = StubPlan(stt_delay_s=0, first_token_s=0, token_s=0, tts_delay_s=0, leading_silence_s=0)
WAV = ("question.wav", b"RIFF" + bytes(40), "audio/wav")
ASK = [{"role": "user", "content": "Hello"}]


@pytest.fixture
async def stub():
    async with OpenAiStub(FAST) as server:
        yield server


@pytest.fixture
async def client(stub):
    async with openai.AsyncOpenAI(base_url=stub.base_url, api_key="k", max_retries=0) as api:
        yield api


async def chat(client: openai.AsyncOpenAI) -> str:
    stream = await client.chat.completions.create(model="m", messages=ASK, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def test_the_openai_package_understands_every_route(client, stub):
    assert (await client.audio.transcriptions.create(file=WAV, model="w")).text == FAST.transcript
    assert await chat(client) == FAST.reply
    whole = await client.chat.completions.create(model="m", messages=ASK)
    assert whole.choices[0].message.content == FAST.reply
    speech = await client.audio.speech.create(model="t", voice="alloy", input="Hi", response_format="pcm")
    assert speech.content == buzz("Hi")
    assert "stub" in [model.id async for model in client.models.list()]
    assert [request.outcome for request in stub.requests] == ["answered"] * 5
    assert stub.of("transcriptions")[0].audio == WAV[1]
    assert stub.of("chat")[0].body["messages"] == ASK


async def test_answers_may_be_scripted_by_what_was_sent(client, stub):
    stub.plan = StubPlan(
        stt_delay_s=0,
        first_token_s=0,
        transcript=lambda audio: f"{len(audio)} bytes",
        reply=lambda messages: f"You said {messages[-1]['content']}.",
        voice=lambda text: text.encode("utf-16-le"),
        leading_silence_s=0.01,
    )
    assert (await client.audio.transcriptions.create(file=WAV, model="w")).text == "44 bytes"
    assert await chat(client) == "You said Hello."
    speech = await client.audio.speech.create(model="t", voice="v", input="ab")
    assert speech.content == bytes(480) + "ab".encode("utf-16-le")


def test_a_benchmarks_answers_are_as_long_as_each_other_and_never_the_same():
    think = always_elsewhere("It is sunny in Paris. Paris is far.")
    answers = [think([]) for _ in range(2_000)]
    assert len(set(answers)) == 2_000
    assert {len(answer) for answer in answers} == {len("It is sunny in Paris. Paris is far.")}
    assert answers[0] == "It is sunny in Aaaaa. Aaaaa is far."


async def test_delays_are_kept(client, stub):
    stub.plan = StubPlan(stt_delay_s=0.1, first_token_s=0.15, token_s=0.02, reply="one two three four five")
    began = time.monotonic()
    await client.audio.transcriptions.create(file=WAV, model="w")
    heard = time.monotonic()
    await chat(client)
    answered = time.monotonic()
    assert 0.1 <= heard - began < 0.3
    assert 0.15 + 4 * 0.02 <= answered - heard < 0.5


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", 500), openai.InternalServerError),
        (Fault("status", 401), openai.AuthenticationError),
        (Fault("status", 429), openai.RateLimitError),
        (Fault("drop"), openai.APIConnectionError),
    ],
)
async def test_a_fault_hits_the_request_it_was_meant_for_and_no_other(client, stub, fault, error):
    stub.fail("chat", None, fault)
    assert await chat(client)
    with pytest.raises(error):
        await chat(client)
    assert await chat(client)
    assert [request.outcome for request in stub.of("chat")] == ["answered", "fault", "answered"]


async def test_a_stream_breaks_off_after_the_asked_number_of_tokens(client, stub):
    stub.fail("chat", Fault("drop", after=3))
    got = []

    async def read() -> None:
        async for chunk in await client.chat.completions.create(model="m", messages=ASK, stream=True):
            got.append(chunk.choices[0].delta.content)  # noqa: PERF401 - it raises half-way

    with pytest.raises(openai.APIConnectionError):
        await read()
    assert got == ["It", " is", " sunny"]


async def test_a_hanging_provider_is_noticed_as_cancelled_when_its_client_gives_up(client, stub):
    stub.plan = StubPlan(first_token_s=60)
    asking = asyncio.create_task(chat(client))
    request = await stub.wait_request("chat")
    asking.cancel()
    await asyncio.wait_for(request.finished.wait(), 5)
    assert request.outcome == "cancelled"
    await asyncio.gather(asking, return_exceptions=True)


async def test_closing_a_stream_half_way_counts_as_cancelled(client, stub):
    stub.plan = StubPlan(first_token_s=0, token_s=0.05, reply="word " * 500)
    stream = await client.chat.completions.create(model="m", messages=ASK, stream=True)
    async for _ in stream:
        break
    await stream.close()
    request = stub.of("chat")[0]
    await asyncio.wait_for(request.finished.wait(), 5)
    assert request.outcome == "cancelled"


async def test_garbage_and_emptiness_come_with_status_200(stub):
    stub.fail("speech", Fault("garbage"), Fault("empty"))
    stub.fail("transcriptions", Fault("garbage"))
    stub.fail("chat", Fault("empty"))
    async with aiohttp.ClientSession() as session:
        speak = {"input": "Hi", "model": "t", "voice": "v"}
        async with session.post(f"{stub.base_url}/audio/speech", json=speak) as response:
            assert response.status == 200
            assert b"nonsense" in await response.read()
        async with session.post(f"{stub.base_url}/audio/speech", json=speak) as response:
            assert await response.read() == b""
        form = aiohttp.FormData()
        form.add_field("file", b"x", filename="a.wav")
        async with session.post(f"{stub.base_url}/audio/transcriptions", data=form) as response:
            assert b"nonsense" in await response.read()
        async with session.post(
            f"{stub.base_url}/chat/completions", json={"messages": ASK, "stream": True}
        ) as response:
            assert b"[DONE]" in await response.read()
        async with session.post(f"{stub.base_url}/chat/completions", data=b"{") as response:
            assert response.status == 400


async def test_a_key_is_asked_for_when_one_is_set_and_faults_may_be_permanent(client, stub):
    stub.plan = StubPlan(api_key="right")
    with pytest.raises(openai.AuthenticationError):
        await client.models.list()
    stub.plan = FAST
    stub.fail_always("models", Fault("status", 503))
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await client.models.list()
    stub.fail_always("models", None)
    assert await client.models.list()


async def test_a_stopped_stub_refuses_connections(client, stub):
    await stub.stop()
    with pytest.raises(openai.APIConnectionError):
        await chat(client)


def test_the_buzz_is_loud_all_through():
    import numpy as np

    blocks = np.frombuffer(buzz("A sentence."), np.int16).reshape(-1, 240).astype(float)
    level = 20 * np.log10(np.sqrt((blocks**2).mean(axis=1)) / 32_768)
    assert level.min() > -30
    assert len(tone(1).pcm) == 32_000


async def test_as_a_process_it_prints_its_address_and_ends_with_its_starter():
    command = (sys.executable, "-m", "openclaw_actors.testkit.providers.openai", "--first-token-s", "0")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    async with aiohttp.ClientSession() as session, session.get(f"{line.split()[-1]}/models") as response:
        assert response.status == 200
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0
