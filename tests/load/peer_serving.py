"""What the peers' programs share: the address that our callers ask, and a life that ends with standard input.

Each runs as a script in a venv of its own, so it imports this by its bare name.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI


def signalling() -> FastAPI:
    """Of openclaw_actors, as far as its scripted caller needs it: all but ``POST /webrtc/offer``."""
    app = FastAPI()

    @app.get("/webrtc/ice-servers")
    async def ice_servers() -> dict:
        return {"ice_servers": []}

    @app.delete("/webrtc/sessions/{secret}")
    async def goodbye(secret: str) -> dict:
        return {}

    return app


def serve(build_app: Callable[[str], FastAPI], what: str | None) -> None:
    """Serve on a free port, say which, and end when standard input does.

    Args:
        build_app: given the stubs' address.
        what: for ``--help``.
    """
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--stub", required=True)
    asyncio.run(_serve(build_app(parser.parse_args().stub)))


async def _serve(app: FastAPI) -> None:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.05)
    sys.stdout.write(f"serves: http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.should_exit = True
    await serving
