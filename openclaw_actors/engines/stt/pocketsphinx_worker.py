"""The pocketsphinx recogniser, inside a worker process: the library holds the GIL while it decodes."""

from __future__ import annotations

import pocketsphinx

from openclaw_actors.messages import SAMPLE_RATE

_SHORTEST = SAMPLE_RATE // 10 * 2
"""Bytes: 0.1 s. Less holds no word, and an empty buffer is an IndexError in pocketsphinx 5.1."""


class Recogniser:
    """Recognises English with the model that comes in the wheel (27 MB language model, loads in 0.45 s)."""

    def __init__(self) -> None:
        # cmn="batch" normalises over the whole utterance; live normalisation took the word error rate from 2 to 35 %.
        self._decoder = pocketsphinx.Decoder(samprate=SAMPLE_RATE, cmn="batch", loglevel="FATAL")

    def __call__(self, pcm: bytes) -> str:
        """The words of one whole utterance (16 kHz, mono, s16), lower case; empty if there are none."""
        if len(pcm) < _SHORTEST:
            return ""
        # What it has learnt of one caller's noise would be taken for the next one's: of 29 utterances heard in another
        # order 5 came out otherwise. 0.15 ms.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(pcm, False, True)  # search, and this is the full utterance
        finally:
            self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr.strip() if hypothesis is not None else ""
