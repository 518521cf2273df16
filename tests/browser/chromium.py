"""Real Chromium with a scripted microphone, and an ear on what its page plays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, async_playwright

_EAR = Path(__file__).with_name("ear.js").read_text()

_NO_PROCESSING = """
const real = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
if (real) navigator.mediaDevices.getUserMedia = (wanted) => {
  const audio = { ...(typeof wanted.audio === "object" ? wanted.audio : {}) };
  Object.assign(audio, { echoCancellation: false, noiseSuppression: false, autoGainControl: false });
  return real({ ...wanted, audio });
};
"""
"""Chromium's processing bends flite's voice: it is meant for a room, and here there is none."""


class Browser:
    """One page of one browser, with what went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        """Errors on the console, exceptions, and violations of the content security policy."""
        page.on("console", self._on_console)
        page.on("response", self._on_response)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _on_response(self, response) -> None:
        hung_up_before = response.request.method == "DELETE" and response.status == 404
        if response.status >= 400 and not hung_up_before:
            self.complaints.append(f"{response.status} {response.request.method} {response.url}")

    def _on_console(self, message) -> None:
        if message.text.startswith("Failed to load resource"):
            return  # names no URL; _on_response has it
        if message.type == "error" or "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    async def open(self, url: str) -> None:
        """Open the page and put the ear to its audio element."""
        await self.page.goto(url)
        await self.page.evaluate(f"({_EAR})()")

    async def now(self) -> float:
        """The page's clock, ms."""
        return await self.page.evaluate("performance.now()")

    async def voice(self, after: float = 0.0, timeout_ms: float = 10_000) -> float:
        """When a voice set in, at or after ``after``; ms of the page's clock."""
        at = await self.page.evaluate("([after, ms]) => testEar.voice(after, ms)", [after, timeout_ms])
        assert at is not None, f"no voice in {timeout_ms} ms; the peak heard was {await self.peak()}"
        return at

    async def silence(self, quiet_ms: float = 700, timeout_ms: float = 30_000) -> float:
        """When the last sound came, once ``quiet_ms`` passed without another."""
        at = await self.page.evaluate("([quiet, ms]) => testEar.silence(quiet, ms)", [quiet_ms, timeout_ms])
        assert at is not None, f"still speaking after {timeout_ms} ms"
        return at

    async def peak(self) -> float:
        """The loudest sample so far, of 1."""
        return await self.page.evaluate("testEar.peak")

    async def call_state(self, *states: str, timeout_ms: float = 15_000) -> None:
        """Wait until the call button shows one of ``states``."""
        selector = ", ".join(f"#call-button[data-state={state}]" for state in states)
        await self.page.wait_for_selector(selector, timeout=timeout_ms)

    async def lines(self, role: str) -> list[str]:
        """The final lines of one side in the transcript on the page."""
        return await self.page.locator(f'#transcript .line[data-role={role}][data-final="true"]').all_inner_texts()


@asynccontextmanager
async def chromium_with_microphone(
    executable: str, microphone: Path, *, phone: bool = False, dark: bool = False
) -> AsyncIterator[Browser]:
    """Headless Chromium; ``microphone`` (48 kHz mono WAV) plays once, from the moment the page opens it."""
    arguments = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
        "--autoplay-policy=no-user-gesture-required",
        "--disable-background-networking",
        "--disable-gpu",
    ]
    size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 800}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments)
        try:
            context = await browser.new_context(viewport=size, color_scheme="dark" if dark else "light")
            await context.add_init_script(_NO_PROCESSING)
            yield Browser(await context.new_page())
        finally:
            await browser.close()
