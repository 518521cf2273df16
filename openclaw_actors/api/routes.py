"""What a route is: where it lies, who may use it, what it takes and answers.

The application, its guards, the OpenAPI document and the tests' table of refusals are all made from one list of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from openclaw_actors.api.problems import Handler
from openclaw_actors.settings.sections import Scope

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """One status that a route answers with.

    Args:
        status: of a success.
        what: it, in words.
        body: its model; None for none.
        content_type: of the body.
        headers: more headers, with what they hold.
    """

    status: int
    what: str
    body: type[BaseModel] | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.

    Args:
        method: GET, POST, PATCH or DELETE.
        path: its template, such as ``/v1/calls/{call_id}``.
        handler: answers a request that was let in.
        tag: the group in the documentation.
        summary: what it does, in a line.
        answers: how it succeeds.
        scope: what a token must have; None: open to all.
        body: what it takes: one model, or any of several.
        query: the model of its query's members.
        problems: codes by status, beyond those that every route with such a scope, body or query may answer.
        idempotent: it takes an Idempotency-Key.
        own_guard: the handler lets in and limits by itself, before it reads the body.
        streams: it answers with a stream, which HEAD does not open.
        takes: the content type of its body; where it is not JSON, ``body`` is empty.
        detail: more words for the documentation.
    """

    method: str
    path: str
    handler: Handler
    tag: str
    summary: str
    answers: tuple[Answers, ...]
    scope: Scope | None = None
    body: tuple[type[BaseModel], ...] = ()
    query: type[BaseModel] | None = None
    problems: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    idempotent: bool = False
    own_guard: bool = False
    streams: bool = False
    takes: str = "application/json"
    detail: str = ""

    @property
    def is_limited(self) -> bool:
        """Whether its requests are counted (``limits.requests_per_second``)."""
        return self.path.startswith("/v1/")

    @property
    def is_signed(self) -> bool:
        """Whether only a carrier's signature lets a request in."""
        return self.path.startswith("/voice/")

    @property
    def name(self) -> str:
        """A name for programs that are generated: ``post_v1_calls``."""
        words = self.path.replace("{", "").replace("}", "").replace("-", "_").replace(".", "_").strip("/").split("/")
        return "_".join([self.method.lower(), *words])

    @property
    def body_is_required(self) -> bool:
        """Whether a body must come: some member of it has no default."""
        return bool(self.body) and all(
            any(each.is_required() for each in model.model_fields.values()) for model in self.body
        )
