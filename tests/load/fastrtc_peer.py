"""FastRTC on the benchmarks' stubs, with our signalling; ``peer_hosts.py`` runs it, in a venv of its own.

`ReplyOnPause` with its own defaults, as its documentation shows a voice chat; but the answer is spoken sentence by
sentence as it streams, the fastest that this offers. Its detector's weights come from a hub that a machine without one
can't reach, so the Silero of the package ``silero-vad`` stands in, in FastRTC's own frame around it.
"""

from __future__ import annotations

import io
import re
import uuid
import wave
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import numpy as np
from fastapi import FastAPI, Request, Response
from fastrtc import ReplyOnPause, Stream
from fastrtc.pause_detection import silero
from openai import AsyncOpenAI
from peer_serving import serve, signalling

RATE = 24_000
SENTENCE = re.compile(r"[.!?]\s")
WINDOW, CONTEXT = 512, 64
"""Samples at 16 kHz that this Silero is given, and those before them that it sees again."""
CALLS = 200


class Silero(silero.SileroVADModel):
    """FastRTC's detector with the weights of another release, whose state has another shape."""

    def __init__(self) -> None:
        weights = str(Path(find_spec("silero_vad").origin).parent / "data" / "silero_vad.onnx")
        with mock.patch.object(self, "download_model", return_value=weights):
            super().__init__()

    def get_initial_state(self, batch_size):
        return np.zeros((2, batch_size, 128), np.float32), np.zeros((batch_size, CONTEXT), np.float32)

    def __call__(self, x, state, sr):
        state, context = state
        heard = np.concatenate([context, x[np.newaxis]], axis=1)
        out, state = self.session.run(None, {"input": heard, "state": state, "sr": np.array(sr, np.int64)})
        return out, (state, heard[:, -CONTEXT:])

    def vad(self, audio, options):
        return super().vad(audio, options or silero.SileroVadOptions(window_size_samples=WINDOW))


def wav(rate: int, pcm: np.ndarray) -> io.BytesIO:
    """What the recogniser is sent."""
    file = io.BytesIO()
    file.name = "audio.wav"
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.asarray(pcm, np.int16).tobytes())
    file.seek(0)
    return file


class Chat:
    """Answers what was said."""

    def __init__(self, stub: str) -> None:
        self.client = AsyncOpenAI(api_key="stub", base_url=stub)

    async def sentences(self, question: str):
        """Those of the answer, each as soon as it is whole."""
        messages = [{"role": "user", "content": question}]
        text = ""
        async for chunk in await self.client.chat.completions.create(model="stub", messages=messages, stream=True):
            text += chunk.choices[0].delta.content or "" if chunk.choices else ""
            while end := SENTENCE.search(text):
                yield text[: end.end()]
                text = text[end.end() :]
        if text.strip():
            yield text

    async def answer(self, audio: tuple[int, np.ndarray]):
        """FastRTC's reply function."""
        rate, pcm = audio
        heard = await self.client.audio.transcriptions.create(model="whisper-1", file=wav(rate, pcm.reshape(-1)))
        async for sentence in self.sentences(heard.text):
            speech = self.client.audio.speech.with_streaming_response
            wanted = {"model": "tts-1", "voice": "alloy", "input": sentence, "response_format": "pcm"}
            async with speech.create(**wanted) as sound:
                async for piece in sound.iter_bytes(RATE // 5):
                    yield RATE, np.frombuffer(piece, np.int16).reshape(1, -1)


def build_app(stub: str) -> FastAPI:
    """The signalling of openclaw_actors, as far as its scripted caller needs it."""
    handler = ReplyOnPause(Chat(stub).answer, model=Silero(), output_sample_rate=RATE)
    stream = Stream(handler, modality="audio", mode="send-receive", concurrency_limit=CALLS)
    app = signalling()

    @app.post("/webrtc/offer")
    async def offer(request: Request, response: Response) -> dict:
        body = await request.json()
        call = uuid.uuid4().hex
        wanted = {"sdp": body["sdp"], "type": body["type"], "webrtc_id": call}
        answer = await stream.handle_offer(wanted, stream.set_additional_outputs(call))
        response.headers["Location"] = f"/webrtc/sessions/{call}"
        return {"sdp": answer["sdp"], "type": answer["type"], "call_id": call, "resume_token": ""}

    return app


if __name__ == "__main__":
    serve(build_app, __doc__)
