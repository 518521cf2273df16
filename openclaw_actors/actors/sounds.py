"""Sounds of a call that are no speech: keys and clips, given to the Transport as a turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from openclaw_actors.actors.stage import CallContext
from openclaw_actors.media import tones
from openclaw_actors.media.codecs import SLICE_S, Codec, Encoded, PhraseEncoder
from openclaw_actors.messages import PlayAudio, SendDtmf, Speech


async def _in_slices(codec: Codec, pcm: bytes, sample_rate: int) -> AsyncIterator[Encoded]:
    """One run of packets of ``pcm``, s16 mono at ``sample_rate`` Hz, while the loop goes on."""
    encoder = PhraseEncoder(codec, sample_rate)
    size = round(SLICE_S * sample_rate) * 2
    for start in range(0, len(pcm), size):
        yield encoder.encode(pcm[start : start + size])
        await asyncio.sleep(0)
    yield encoder.flush()


async def play(context: CallContext, turn: int, sound: PlayAudio | SendDtmf) -> None:
    """Hand the sound on as the one phrase of ``turn``, without words; stops when the turn has gone stale."""
    if isinstance(sound, SendDtmf):
        pcm, rate = tones.dtmf(sound.digits), tones.TONE_RATE
    else:
        pcm, rate = sound.pcm, sound.sample_rate
    transport = context.ports["transport"]
    async for piece in _in_slices(context.playout.codec, pcm, rate):
        if context.memory.fence.stale(turn):
            return
        transport.tell(Speech(turn, 0, "", piece.packets, piece.pcm, ends_phrase=False, ends_turn=False))
    transport.tell(Speech(turn, 0, "", (), b"", ends_phrase=True, ends_turn=True))
