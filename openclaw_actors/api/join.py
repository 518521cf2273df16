"""``/v1/join-tokens``: leave to make one call, for the browser of somebody who has no token."""

from __future__ import annotations

from aiohttp import web

from openclaw_actors.api.bodies import read_json
from openclaw_actors.api.join_tokens import JoinTokens
from openclaw_actors.api.models import JoinRequest
from openclaw_actors.settings.sections import Limits


class JoinDesk:
    """Hands out join tokens."""

    def __init__(self, limits: Limits, tokens: JoinTokens) -> None:
        self._limits = limits
        self._tokens = tokens

    async def mint(self, request: web.Request) -> web.Response:
        """``POST /v1/join-tokens``."""
        body = await read_json(request, JoinRequest, self._limits, optional=True)
        token = self._tokens.mint(ttl_s=body.ttl_s, identity=body.identity, metadata=body.metadata)
        return web.Response(body=token.model_dump_json().encode(), status=201, content_type="application/json")
