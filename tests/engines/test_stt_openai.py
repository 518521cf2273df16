"""An OpenAI-compatible recogniser, over a real socket: what is asked, and what each fault of the server means."""

from __future__ import annotations

import asyncio
import io
import wave
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from pydantic import SecretStr

from openclaw_actors.engines.stt.openai import OpenAiSttEngine
from openclaw_actors.errors import (
    BrokenEngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.settings.sections import OpenAiStt
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Fault, StubPlan

PCM = bytes(range(256)) * 125  # one second


def api_error(status, code, message="no"):
    body = {"error": {"message": message, "type": code, "code": code, "param": None}}
    return web.json_response(body, status=status)


class Server:
    """``/v1/models`` and ``/v1/audio/transcriptions`` as OpenAI's reference describes them; faults on demand."""

    def __init__(self) -> None:
        self.key = "sk-right"
        self.answer = lambda: web.json_response({"text": " Hello there. "})
        self.forms: list[dict] = []
        self.wavs: list[bytes] = []
        self.lists_models = True
        self.hang = False
        self.hung = asyncio.Event()
        self.hung_up = asyncio.Event()
        self.url = ""
        self.connections: set[tuple[str, int]] = set()

    @asynccontextmanager
    async def serve(self):
        app = web.Application(client_max_size=30_000_000)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()

    def _refused(self, request):
        if request.headers.get("Authorization") == f"Bearer {self.key}":
            return None
        return api_error(401, "invalid_api_key", "Incorrect API key provided")

    async def _models(self, request):
        if not self.lists_models:
            return web.Response(status=404)
        self.connections.add(request.transport.get_extra_info("peername"))
        return self._refused(request) or web.json_response({"object": "list", "data": []})

    async def _transcribe(self, request):
        if (refused := self._refused(request)) is not None:
            return refused
        self.connections.add(request.transport.get_extra_info("peername"))
        form = await request.post()
        if not {"file", "model"} <= form.keys():
            return api_error(400, "invalid_request_error", "file and model are required")
        with form["file"].file as file:
            self.wavs.append(file.read())
        self.forms.append({name: value for name, value in form.items() if name != "file"})
        if self.hang:
            self.hung.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.hung_up.set()
        return self.answer()


@pytest.fixture
async def server():
    async with Server().serve() as server:
        yield server


@pytest.fixture
def engine(server, closing):
    return closing(OpenAiSttEngine(OpenAiStt(base_url=server.url, api_key=SecretStr(server.key), model="whisper-9")))


async def test_the_utterance_is_sent_as_16_khz_wav_and_its_text_comes_back(engine, server):
    await engine.open()
    transcript = await engine.transcribe(PCM)
    assert transcript.text == "Hello there."
    with wave.open(io.BytesIO(server.wavs[0])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.readframes(file.getnframes()) == PCM
    assert server.forms[0]["model"] == "whisper-9"
    assert "language" not in server.forms[0]


async def test_the_language_is_named_as_the_api_wants_it(engine, server):
    transcript = await engine.transcribe(PCM, language="de-CH")
    assert server.forms[0]["language"] == transcript.language == "de"


async def test_sound_too_short_for_the_api_costs_no_request(engine, server):
    assert (await engine.transcribe(bytes(3000))).text == ""
    assert server.wavs == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda: api_error(401, "invalid_api_key"), RefusedEngineError),
        (lambda: api_error(403, "permission_error"), RefusedEngineError),
        (lambda: api_error(429, "insufficient_quota"), RefusedEngineError),
        (lambda: api_error(429, "rate_limit_exceeded"), TransientEngineError),
        (lambda: api_error(500, "server_error"), TransientEngineError),
        (
            lambda: web.Response(status=502, text="<html>bad gateway</html>", content_type="text/html"),
            TransientEngineError,
        ),
        (lambda: web.Response(status=503), TransientEngineError),
        (lambda: web.Response(text="<html>log in</html>", content_type="text/html"), BrokenEngineError),
        (lambda: web.Response(text='{"text": "cut of', content_type="application/json"), BrokenEngineError),
        (lambda: web.json_response({"transcript": "other shape"}), BrokenEngineError),
        (lambda: web.json_response({"text": None}), BrokenEngineError),
        (lambda: web.json_response(["a list"]), BrokenEngineError),
    ],
)
async def test_each_fault_of_the_server_has_its_kind_and_is_not_retried(engine, server, answer, error):
    server.answer = answer
    with pytest.raises(error):
        await engine.transcribe(PCM)
    assert len(server.wavs) == 1


async def test_a_server_that_has_gone_is_a_passing_fault_of_a_transcription(closing):
    async with Server().serve() as server:
        engine = closing(OpenAiSttEngine(OpenAiStt(base_url=server.url, api_key=SecretStr(server.key))))
        await engine.open()
    with pytest.raises(TransientEngineError):
        await engine.transcribe(PCM)
    with pytest.raises(UnavailableEngineError):
        await engine.open()


async def test_cancelling_ends_the_request(engine, server):
    server.hang = True
    asking = asyncio.create_task(engine.transcribe(PCM))
    async with asyncio.timeout(10):
        await server.hung.wait()
        asking.cancel()
        await server.hung_up.wait()


async def test_unconfigured_it_says_what_to_set(closing):
    engine = closing(OpenAiSttEngine(OpenAiStt()))
    with pytest.raises(UnavailableEngineError, match=r"stt\.openai\.base_url or stt\.openai\.api_key"):
        await engine.open()


async def test_a_wrong_key_is_found_when_it_is_opened(server, closing):
    engine = closing(OpenAiSttEngine(OpenAiStt(base_url=server.url, api_key=SecretStr("sk-wrong"))))
    with pytest.raises(RefusedEngineError, match="Incorrect API key"):
        await engine.open()


async def test_a_server_that_lists_no_models_serves_all_the_same(engine, server):
    server.lists_models = False
    await engine.open()
    assert (await engine.transcribe(PCM)).text == "Hello there."


async def test_it_serves_again_after_it_was_closed_and_opened(engine):
    await engine.aclose()
    await engine.aclose()
    await engine.open()
    assert (await engine.transcribe(PCM)).text == "Hello there."


# --- streamed -------------------------------------------------------------------------------------------------------


@pytest.fixture
def streaming(closing):
    """An engine, and a server that answers ``stream=true`` in one of the ways that there are."""

    @asynccontextmanager
    async def start(how, said="Wie spät ist es?", **settings):
        async with OpenAiStub(StubPlan(stt_delay_s=0, transcript=said, transcript_stream=how)) as stub:
            yield closing(OpenAiSttEngine(OpenAiStt(base_url=stub.base_url, **settings))), stub

    return start


@pytest.mark.parametrize("how", ["openai", "vllm", "ignored", "refused"])
async def test_whatever_the_server_makes_of_streaming_the_transcript_is_whole(streaming, how):
    async with streaming(how) as (engine, _):
        for _ in range(2):
            assert (await engine.transcribe(PCM)).text == "Wie spät ist es?"


@pytest.mark.parametrize(("how", "asked"), [("ignored", ["true", None]), ("refused", ["true", None, None])])
async def test_a_server_that_does_not_stream_is_asked_to_but_once(streaming, how, asked):
    async with streaming(how) as (engine, stub):
        await engine.transcribe(PCM)
        await engine.transcribe(PCM)
        assert [request.body.get("stream") for request in stub.of("transcriptions")] == asked


async def test_partials_are_asked_for_whole_and_as_often_as_the_settings_say(streaming):
    async with streaming("openai", partial_every_s=0.5) as (engine, stub):
        assert engine.partial_every_s == 0.5
        assert (await engine.transcribe(PCM, final=False)).text == "Wie spät ist es?"
        assert "stream" not in stub.of("transcriptions")[0].body


async def test_names_that_callers_use_are_told_to_the_server(streaming):
    async with streaming("openai", prompt="OpenClaw, Glasgow") as (engine, stub):
        await engine.transcribe(PCM)
        assert stub.of("transcriptions")[0].body["prompt"] == "OpenClaw, Glasgow"


@pytest.mark.parametrize("how", ["openai", "vllm"])
async def test_a_stream_that_breaks_between_two_words_is_a_passing_fault(streaming, how):
    async with streaming(how) as (engine, stub):
        stub.fail("transcriptions", Fault("drop", after=2))
        with pytest.raises(TransientEngineError):
            await engine.transcribe(PCM)
        assert (await engine.transcribe(PCM)).text == "Wie spät ist es?"


async def test_a_stream_without_a_word_about_a_transcript_is_broken(engine, server):
    server.answer = lambda: web.Response(text="data: [DONE]\n\n", content_type="text/event-stream")
    with pytest.raises(BrokenEngineError, match="without a transcript"):
        await engine.transcribe(PCM)


@pytest.mark.parametrize("how", ["openai", "vllm"])
async def test_silence_in_a_stream_is_no_fault(streaming, how):
    async with streaming(how, said="") as (engine, _):
        assert (await engine.transcribe(PCM)).text == ""


async def test_warming_opens_the_connection_that_the_first_utterance_takes(engine, server):
    await engine.warm()
    await engine.transcribe(PCM)
    assert len(server.connections) == 1
