"""What tests of engines share."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol, TypeVar

import pytest


class _Closes(Protocol):
    async def aclose(self) -> None: ...


T = TypeVar("T", bound=_Closes)


@pytest.fixture
async def closing() -> AsyncIterator[Callable[[T], T]]:
    """Have an engine or a pool closed when the test is over."""
    async with AsyncExitStack() as stack:

        def close_later(thing: T) -> T:
            stack.push_async_callback(thing.aclose)
            return thing

        yield close_later


@pytest.fixture
def flite(tmp_path: Path) -> Callable[[str], Awaitable[bytes]]:
    """Speak a text with flite's voice slt: 16 kHz, mono, s16."""

    async def speak(text: str) -> bytes:
        path = tmp_path / "flite.wav"
        process = await asyncio.create_subprocess_exec("flite", "-voice", "slt", "-t", text, "-o", str(path))
        assert await process.wait() == 0
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            return file.readframes(file.getnframes())

    return speak
