"""A model hub as huggingface_hub's client sees it: one repository, and its files."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves the files of ``folder`` as one repository.

    ``gate``: ``slow_file`` stops at half until it is set.
    """

    def __init__(self, repository: str, folder: Path) -> None:
        self.repository = repository
        self.files = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".md"}
        self.files["README.md"] = b"# not wanted"
        # The client writes 10 MB at a time, so only a larger file shows progress; this one loads as an empty object.
        self.slow_file = "preprocessor_config.json"
        self.files[self.slow_file] = b"{}" + b" " * 24_000_000
        self.gate = asyncio.Event()
        self.gate.set()
        self.half_sent = asyncio.Event()
        self.asked: list[str] = []
        self.url = ""

    @asynccontextmanager
    async def serve(self):
        app = web.Application()
        app.router.add_get(f"/api/models/{self.repository}", self._info)
        app.router.add_get(f"/api/models/{self.repository}/revision/{{revision}}", self._info)
        app.router.add_get(f"/api/models/{self.repository}/tree/{{revision}}", self._tree)
        app.router.add_route("*", f"/{self.repository}/resolve/{{revision}}/{{name}}", self._file)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self.gate.set()
            await runner.cleanup()

    async def _info(self, request):
        self.asked.append(request.path)
        siblings = [{"rfilename": name, "size": len(data)} for name, data in self.files.items()]
        return web.json_response({"id": self.repository, "sha": COMMIT, "siblings": siblings, "private": False})

    async def _tree(self, request):
        self.asked.append(request.path)
        entries = [
            {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for name, data in self.files.items()
        ]
        return web.json_response(entries)

    async def _file(self, request):
        name = request.match_info["name"]
        self.asked.append(name)
        data = self.files.get(name)
        if data is None:
            return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"', "Accept-Ranges": "bytes"}
        if request.method == "HEAD" or name != self.slow_file:
            return web.Response(body=data, headers=headers)
        start = request.http_range.start or 0
        headers |= {"Content-Length": str(len(data) - start)}
        if start:
            headers |= {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        half = max(start, len(data) // 2)
        await response.write(data[start:half])
        self.half_sent.set()
        await self.gate.wait()
        await response.write(data[half:])
        return response
