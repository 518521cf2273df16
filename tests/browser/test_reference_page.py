"""The page at /docs, in real Chromium: every operation is on it, and nothing breaks its security policy."""

from __future__ import annotations

import pytest
from playwright.async_api import async_playwright

from openclaw_actors.api.app import ROUTES, build_app
from openclaw_actors.settings.sections import Settings
from tests.api.conftest import SmallBoard, empty_database, serve
from tests.browser.chromium import Browser

pytestmark = pytest.mark.browser

__all__ = ["empty_database", "serve"]

ROUTES_OF_ALL = build_app(Settings(), SmallBoard(), None, None, ready=lambda: (True, {}))[ROUTES]


async def test_the_page_shows_every_operation_and_finds_them(serve, chromium):
    async with serve() as api, async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = await launched.new_page()
            browser = Browser(page)
            await page.goto(f"{api.listener.url}/docs#post_v1_calls")
            await page.wait_for_selector(".operation")
            assert await page.locator(".operation").count() == len(ROUTES_OF_ALL)
            placing = page.locator("#post_v1_calls")
            assert await placing.get_attribute("open") is not None
            assert "no_carrier" in await placing.inner_text()
            assert '"to":"test"' in await placing.locator(".curl").inner_text()
            await page.fill("#filter", "send_dtmf")
            assert await page.locator(".operation:visible").count() == 1
            assert browser.complaints == []
        finally:
            await launched.close()
