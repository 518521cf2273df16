"""The OpenAPI 3.1 document, made from the routes and from the models that read and write their bodies."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic.json_schema import models_json_schema

from openclaw_actors import __version__
from openclaw_actors.api.models import SCOPES, Problem
from openclaw_actors.api.routes import Answers, JsonObject, Route

_SCHEMAS = "#/components/schemas/"
_OF_ALL: Mapping[int, tuple[str, ...]] = {403: ("origin_not_allowed",)}
_OF_SCOPED: Mapping[int, tuple[str, ...]] = {
    401: ("token_required", "invalid_token", "token_expired"),
    403: ("insufficient_scope",),
}
_OF_LIMITED: Mapping[int, tuple[str, ...]] = {429: ("too_many_requests",)}
_OF_BODY: Mapping[int, tuple[str, ...]] = {
    400: ("no_body", "bad_json", "bad_body"),
    408: ("slow_body",),
    413: ("body_too_large",),
    415: ("unsupported_media_type",),
    422: ("invalid_fields",),
}
_OF_QUERY: Mapping[int, tuple[str, ...]] = {422: ("invalid_query",)}
_PATH_DETAILS = {
    "host": "A host of the cluster, which had itself named so.",
    "call_id": "The call's id, as `POST /webrtc/offer`, the list and every event name it.",
    "secret": "From the Location header of an answered offer.",
    "voicemail_id": "The message's id, as the list and events of `voicemail.*` name it.",
}
_IDEMPOTENCY_KEY: JsonObject = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A name of yours for this request: sent again, it is answered again and not done again.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
}
_LAST_EVENT_ID: JsonObject = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The id of the last event that you have: the stream begins with the one after it.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
}
_IF_MATCH: JsonObject = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag of the answer: the ICE session that the candidates are for.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
}


def document(routes: Iterable[Route]) -> JsonObject:
    """The whole document, JSON-ready."""
    routes = tuple(routes)
    inputs = {model for route in routes for model in (*route.body, *([route.query] if route.query else []))}
    outputs = {answer.body for route in routes for answer in route.answers if answer.body} | {Problem}
    named, definitions = models_json_schema(
        [
            *((model, "validation") for model in sorted(inputs, key=lambda each: each.__name__)),
            *((model, "serialization") for model in sorted(outputs, key=lambda each: each.__name__)),
        ],
        ref_template=_SCHEMAS + "{model}",
    )
    # Asked of pydantic, as a model that is both taken and given has two names.
    references: dict[type[Any], JsonObject] = {model: schema for (model, _), schema in named.items()}
    paths: defaultdict[str, JsonObject] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route, references, definitions["$defs"])
    queries = {route.query.__name__ for route in routes if route.query}
    schemas = {name: schema for name, schema in definitions["$defs"].items() if name not in queries}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "openclaw-actors",
            "version": __version__,
            "summary": "Voice calls with a self-hosted assistant: make them, steer them, follow them.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": dict(paths),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A static token, or a join token. Scopes: "
                    + " ".join(f"`{scope}`: {what}" for scope, what in SCOPES.items())
                    + " Programs on the host's own machine need none, unless the operator says so.",
                }
            },
        },
    }


def _operation(
    route: Route, references: Mapping[type[Any], JsonObject], schemas: Mapping[str, JsonObject]
) -> JsonObject:
    operation: JsonObject = {"operationId": route.name, "tags": [route.tag], "summary": route.summary}
    guard = "" if route.is_signed else f"Needs the scope `{route.scope}`." if route.scope else "Open to all."
    words = [route.detail, guard]
    operation["description"] = " ".join(filter(None, words))
    parameters = [_path_parameter(name) for name in re.findall(r"{(\w+)}", route.path)]
    if route.query:
        parameters += _query_parameters(schemas[route.query.__name__])
    parameters += [_IDEMPOTENCY_KEY] if route.idempotent else []
    parameters += [_LAST_EVENT_ID] if route.streams else []
    parameters += [_IF_MATCH] if route.method == "PATCH" else []
    if parameters:
        operation["parameters"] = parameters
    if route.body:
        choices = [references[model] for model in route.body]
        schema = choices[0] if len(choices) == 1 else {"anyOf": choices}
        operation["requestBody"] = {
            "required": route.body_is_required,
            "content": {"application/json": {"schema": schema}},
        }
    elif route.takes != "application/json":
        operation["requestBody"] = {"required": True, "content": {route.takes: {"schema": {"type": "string"}}}}
    operation["responses"] = {
        **{str(answer.status): _success(answer, references) for answer in route.answers},
        **{str(status): _problem(status, codes, references) for status, codes in sorted(problems_of(route).items())},
    }
    if route.scope:
        operation["security"] = [{"bearer": []}]
    return operation


def problems_of(route: Route) -> dict[int, list[str]]:
    """Every code that the route may answer, by status; 500 is none that is promised."""
    codes: defaultdict[int, list[str]] = defaultdict(list)
    kinds = [_OF_ALL, route.problems]
    kinds += [_OF_SCOPED] if route.scope else []
    kinds += [_OF_LIMITED] if route.is_limited else []
    kinds += [_OF_BODY] if route.body else []
    kinds += [_OF_QUERY] if route.query else []
    for kind in kinds:
        for status, names in kind.items():
            codes[status] += [name for name in names if name not in codes[status]]
    return dict(codes)


def _path_parameter(name: str) -> JsonObject:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _PATH_DETAILS[name],
        "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9._-]+$"},
    }


def _query_parameters(schema: JsonObject) -> list[JsonObject]:
    """One parameter for each member; what may be absent has no null in a query."""
    parameters = []
    for name, member in schema["properties"].items():
        choices = [each for each in member.get("anyOf", [member]) if each.get("type") != "null"]
        inner = {key: value for key, value in choices[0].items() if key not in ("title", "description")}
        if "default" in member and member["default"] is not None:
            inner["default"] = member["default"]
        parameters.append({"name": name, "in": "query", "required": False, "schema": inner})
        if "description" in member:
            parameters[-1]["description"] = member["description"]
    return parameters


def _success(answer: Answers, references: Mapping[type[Any], JsonObject]) -> JsonObject:
    response: JsonObject = {"description": answer.what}
    if answer.headers:
        response["headers"] = {
            name: {"description": what, "required": True, "schema": {"type": "string"}}
            for name, what in answer.headers.items()
        }
    if answer.body is not None and answer.content_type == "application/json":
        response["content"] = {answer.content_type: {"schema": references[answer.body]}}
    elif answer.content_type != "application/json":
        response["content"] = {answer.content_type: {"schema": {"type": "string"}}}
    return response


def _problem(status: int, codes: list[str], references: Mapping[type[Any], JsonObject]) -> JsonObject:
    response: JsonObject = {
        "description": f"{HTTPStatus(status).phrase}: " + ", ".join(f"`{code}`" for code in codes),
        "content": {"application/problem+json": {"schema": references[Problem]}},
    }
    wanted = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}.get(status)
    if wanted:
        response["headers"] = {wanted: {"required": True, "schema": {"type": "string"}}}
    return response
