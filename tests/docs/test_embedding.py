"""The backend that docs/embedding.md shows gets leave to call, as the page says."""

from __future__ import annotations

import re
import time
from pathlib import Path

import jwt
import pytest

from openclaw_actors.actors.events import EventHub
from openclaw_actors.api.app import build_app
from openclaw_actors.api.server import listen
from openclaw_actors.settings.sections import Auth, ScopedToken, Server, Settings, StoreSettings
from openclaw_actors.store.store import Store
from tests.api.conftest import SmallBoard

PAGE = (Path(__file__).parents[2] / "docs" / "embedding.md").read_text()
TOKEN = "t" * 32
JOIN_SECRET = "j" * 32


@pytest.fixture
async def url(tmp_path):
    store = await Store.open(StoreSettings(url=f"sqlite:///{tmp_path / 'calls.db'}"))
    backend = ScopedToken(name="shop backend", token=TOKEN, scopes=("call:control",))
    settings = Settings(server=Server(port=0), auth=Auth(scoped_tokens=(backend,), join_secret=JOIN_SECRET))
    app = build_app(settings, SmallBoard(), store, EventHub(), ready=lambda: (True, {}))
    listener = await listen(app, settings.server, None)
    yield listener.url
    await listener.aclose()
    await store.aclose()


async def test_the_backend_of_the_page_gets_a_join_token(url, monkeypatch):
    monkeypatch.setenv("VOICE_URL", url)
    monkeypatch.setenv("VOICE_TOKEN", TOKEN)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict = {}
    exec(compile(code, "embedding.md", "exec"), names)
    answer = await names["voice_token"]("ann@example.org")
    (fields,) = re.findall(r"The answer is `\{(.*?)\}`", PAGE)
    assert answer.keys() == {field.split(":")[0].strip().strip('"') for field in fields.split(", ")}
    claims = jwt.decode(answer["token"], JOIN_SECRET, algorithms=["HS256"], audience="openclaw-actors")
    assert (claims["sub"], claims["metadata"]) == ("ann@example.org", {"plan": "gold"})
    assert 50 < claims["exp"] - time.time() <= 60
