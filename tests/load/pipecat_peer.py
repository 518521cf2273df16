"""Pipecat on the benchmarks' stubs, with our signalling; ``peer_hosts.py`` runs it, in a venv of its own.

Its own services and transport, Silero, its VAD's turn end with no time-out behind it: the fastest that it offers
without a model of turns. The recogniser's stated latency is the stub's, so that nothing is waited for in vain.
"""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, Request, Response
from peer_serving import serve, signalling
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.request_handler import SmallWebRTCRequest, SmallWebRTCRequestHandler
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

STT_S = 0.05


async def run_call(connection, stub: str) -> None:
    """One conversation, until its caller hangs up."""
    params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    transport = SmallWebRTCTransport(connection, params)
    turns = UserTurnStrategies(
        start=[VADUserTurnStartStrategy()], stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0)]
    )
    vad = SileroVADAnalyzer(params=VADParams(start_secs=0.2, stop_secs=0.2, min_volume=0.0))
    user, assistant = LLMContextAggregatorPair(
        LLMContext(), user_params=LLMUserAggregatorParams(vad_analyzer=vad, user_turn_strategies=turns)
    )
    service = {"api_key": "stub", "base_url": stub}
    stt = OpenAISTTService(**service, settings=OpenAISTTService.Settings(model="whisper-1"), ttfs_p99_latency=STT_S)
    llm = OpenAILLMService(**service, settings=OpenAILLMService.Settings(model="stub"))
    tts = OpenAITTSService(**service, settings=OpenAITTSService.Settings(model="tts-1", voice="alloy"))
    stages = [transport.input(), stt, user, llm, tts, transport.output(), assistant]
    worker = PipelineWorker(
        Pipeline(stages),
        params=PipelineParams(audio_in_sample_rate=16_000, audio_out_sample_rate=24_000),
        idle_timeout_secs=None,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)

    @transport.event_handler("on_client_disconnected")
    async def _gone(_transport, _client) -> None:
        await runner.cancel()

    await runner.run()


def build_app(stub: str) -> FastAPI:
    """The signalling of openclaw_actors, as far as its scripted caller needs it."""
    app, handler = signalling(), SmallWebRTCRequestHandler()
    calls: set[asyncio.Task[None]] = set()

    @app.post("/webrtc/offer")
    async def offer(request: Request, response: Response) -> dict:
        body = await request.json()

        async def begin(connection) -> None:
            task = asyncio.create_task(run_call(connection, stub))
            calls.add(task)
            task.add_done_callback(calls.discard)

        wanted = SmallWebRTCRequest(sdp=body["sdp"], type=body["type"])
        answer = await handler.handle_web_request(wanted, begin)
        response.headers["Location"] = f"/webrtc/sessions/{answer['pc_id']}"
        return {"sdp": answer["sdp"], "type": answer["type"], "call_id": answer["pc_id"], "resume_token": ""}

    return app


if __name__ == "__main__":
    serve(build_app, __doc__)
