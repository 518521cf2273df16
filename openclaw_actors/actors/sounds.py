"""Sounds of a call that are no speech: keys and clips, encoded beside the loop and given to the Transport as a turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor

from openclaw_actors.actors.stage import CallContext
from openclaw_actors.media import tones
from openclaw_actors.media.codecs import SLICE_S, Codec, Encoded, PhraseEncoder
from openclaw_actors.messages import PlayAudio, SendDtmf, Speech


async def encode_in_slices(pool: Executor, codec: Codec, pcm: bytes, sample_rate: int) -> AsyncIterator[Encoded]:
    """Encode ``pcm`` (s16 mono at ``sample_rate`` Hz) in ``pool``, a slice at a time; one run of packets in all."""
    loop = asyncio.get_running_loop()
    encoder = PhraseEncoder(codec, sample_rate)
    size = round(SLICE_S * sample_rate) * 2
    for start in range(0, len(pcm), size):
        yield await loop.run_in_executor(pool, encoder.encode, pcm[start : start + size])
    yield await loop.run_in_executor(pool, encoder.flush)


async def play(context: CallContext, turn: int, sound: PlayAudio | SendDtmf) -> None:
    """Hand the sound on as the one phrase of ``turn``, without words; stops when the turn has gone stale."""
    if isinstance(sound, SendDtmf):
        pcm, rate = tones.dtmf(sound.digits), tones.TONE_RATE
    else:
        pcm, rate = sound.pcm, sound.sample_rate
    transport = context.ports["transport"]
    async for piece in encode_in_slices(context.encode_pool, context.playout.codec, pcm, rate):
        if context.memory.fence.stale(turn):
            return
        transport.tell(Speech(turn, 0, "", piece.packets, piece.pcm, ends_phrase=False, ends_turn=False))
    transport.tell(Speech(turn, 0, "", (), b"", ends_phrase=True, ends_turn=True))
