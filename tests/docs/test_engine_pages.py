"""The examples of the engines' pages speak."""

from __future__ import annotations

import re
from pathlib import Path

import edge_tts.communicate
import pytest

from openclaw_actors.engines.recipes import RECIPES, make_engine
from openclaw_actors.settings import Settings
from openclaw_actors.settings.load import load_settings
from openclaw_actors.testkit.providers.edge import FakeEdge
from openclaw_actors.testkit.providers.edge_service import FakeEdgeService
from openclaw_actors.testkit.providers.openai import OpenAiStub
from tests.docs.examples import DOCS, of_page

PAGES = sorted(path.name for path in (DOCS / "engines").glob("*.md"))


def examples(page: str) -> list[str]:
    return [each.text for each in of_page(DOCS / "engines" / page) if each.language == "toml" and not each.title]


def with_addresses(text: str, tmp_path: Path, **servers: str) -> Settings:
    """The example as a file, its servers' addresses replaced by those of the local ones, and its secrets' files."""
    for name in re.findall(r'_file = "([^"]+)"', text):
        (tmp_path / name).write_text("secret")
    for section, url in servers.items():
        text = re.sub(rf'(\[tts\.{section}\]\nbase_url = )".*?"', rf'\1"{url}"', text)
    path = tmp_path / "example.toml"
    path.write_text(text)
    return load_settings(path, {})


@pytest.mark.parametrize("page", ["edge-tts.md", "espeak-ng.md", "tts-servers.md"])
async def test_the_voice_of_an_example_speaks(page: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(edge_tts.communicate, "WSS_URL", edge_tts.communicate.WSS_URL)
    async with FakeEdge() as edge, FakeEdgeService() as service, OpenAiStub() as openai:
        edge_tts.communicate.WSS_URL = edge.endpoint
        for example in examples(page):
            settings = with_addresses(example, tmp_path, openai=openai.base_url, edge_tts_service=service.base_url)
            engine = make_engine("tts", settings.tts.engines[0], settings)
            try:
                await engine.open()
                sound = [piece async for piece in engine.speak("Good morning.") if isinstance(piece, bytes)]
            finally:
                await engine.aclose()
            assert sum(map(len, sound)) > 0.5 * engine.sample_rate * 2


def test_every_engine_has_a_page_and_every_page_is_reachable():
    written = " ".join((DOCS / "engines" / page).read_text() for page in PAGES)
    for kind, known in RECIPES.items():
        for name in known:
            assert name in written, f"{kind} engine {name} has no page"
    nav = (DOCS.parent / "mkdocs.yml").read_text()
    assert [page for page in PAGES if f"engines/{page}" not in nav] == []
