"""The page and the module come out of the package, with the right types, and nothing else does."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from openclaw_actors.api.console import Console

FOLDER = Path(str(files("openclaw_actors") / "console"))
ASSETS = [path for path in FOLDER.rglob("*") if path.suffix in {".js", ".css", ".svg", ".html"}]


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/", "text/html"), ("/client.js", "text/javascript"), ("/console/client.js", "text/javascript")],
)
async def test_the_page_and_the_module_are_there(api, path, content_type):
    async with api.request("GET", path) as response:
        assert (response.status, response.content_type, response.charset) == (200, content_type, "utf-8")
        assert len(await response.read()) > 100


async def test_every_asset_of_the_folder_is_served_as_it_lies_there(api):
    for path in ASSETS:
        async with api.request("GET", f"/console/{path.relative_to(FOLDER).as_posix()}") as response:
            assert (response.status, await response.read()) == (200, path.read_bytes())


async def test_the_page_may_load_nothing_from_elsewhere_and_nothing_inline(api):
    async with api.request("GET", "/") as response:
        policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in str(policy)


@pytest.mark.parametrize(
    "path",
    [
        "/console/",
        "/console/../api/auth.py",
        "/console/%2e%2e/api/auth.py",
        "/console/..%2fapi%2fauth.py",
        "/console//etc/passwd",
        "/console/%2Fetc%2Fpasswd",
        "/console/client.js/",
        "/console/client.js%00.html",
        "/console/__init__.py",
        "/console/C:%5Cwindows",
        "/client.js/../../errors.py",
    ],
)
async def test_no_path_leads_out_of_the_folder(api, path):
    async with api.raw() as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {api.host}\r\n\r\n".encode())
        assert b" 404 " in await reader.readline()


async def test_a_browser_that_has_an_asset_hears_so(api):
    async with api.request("GET", "/client.js") as response:
        tag = response.headers["ETag"]
        assert response.headers["Cache-Control"] == "no-cache"
    for given in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        async with api.request("GET", "/client.js", headers={"If-None-Match": given}) as response:
            assert (response.status, await response.read()) == (304, b"")
            assert response.headers["ETag"] == tag
    async with api.request("GET", "/client.js", headers={"If-None-Match": '"other"'}) as response:
        assert response.status == 200


async def test_only_kinds_of_file_that_a_page_is_made_of_are_read(tmp_path):
    from aiohttp import web

    (tmp_path / "deep").mkdir()
    for name in ("page.html", "deep/icon.svg", "secret.py", ".hidden.js", "key.pem"):
        (tmp_path / name).write_text("x")
    console = Console(tmp_path)

    async def fetched(name: str) -> int:
        request = make_mocked_request("GET", "/", match_info={"name": name})
        try:
            return (await console.asset(request)).status
        except web.HTTPNotFound:
            return 404

    names = ["page.html", "deep/icon.svg", "secret.py", ".hidden.js", "key.pem", "deep", "deep/../secret.py"]
    assert [await fetched(name) for name in names] == [200, 200, 404, 404, 404, 404, 404]
