"""axe-core, on a page as it stands: what a person with a screen reader, or with weak eyes, would stumble over."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from playwright.async_api import Page

_GRAVE = {"serious", "critical"}


@cache
def _script() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


async def grave_faults(page: Page) -> list[str]:
    """Each serious or critical violation, with the elements that have it."""
    # Evaluated by the debugger: the page's own policy would, rightly, let no script in.
    await page.evaluate(_script())
    found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{fault['id']} ({fault['impact']}): {fault['help']}: " + "; ".join(node["html"] for node in fault["nodes"])
        for fault in found["violations"]
        if fault["impact"] in _GRAVE
    ]
