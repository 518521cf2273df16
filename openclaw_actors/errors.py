"""Every exception that the package raises on purpose.

OpenclawActorsError
├── SettingsError                 a setting is wrong: names file, key and remedy
│   └── MissingExtraError         what it asks for is not installed: says what to install
├── RefusalError                  a request that is answered with an HTTP problem (RFC 9457)
│   └── StoreUnavailableError     the records can't be read or written now
└── EngineError                   a speech or language engine did not do its work
    ├── TransientEngineError      a passing fault (timeout, 5xx, dropped connection): try again in place
    │   └── UnsentEngineError     the request never reached the server: even what runs tools may be asked again
    ├── BrokenEngineError         the engine's state can't be trusted: restart the stage
    ├── RefusedEngineError        bad key, quota, forbidden: the next engine at once, and tell the operator
    ├── SlowEngineError           a deadline passed
    └── UnavailableEngineError    it can't serve here now (no model, no network, not configured)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType


class OpenclawActorsError(Exception):
    """The root of all."""


class SettingsError(OpenclawActorsError):
    """A setting is unknown, of the wrong type, or missing.

    Args:
        source: the file, or the environment variable, that holds it.
        key: its dotted name, such as ``agent.openai.model``.
        remedy: what to do about it, as a sentence.
        also: the other faults found in the same pass; the text has one line for each.
    """

    def __init__(self, source: str, key: str, remedy: str, also: Sequence[SettingsError] = ()) -> None:
        super().__init__("\n".join([f"{source}: {key}: {remedy}", *map(str, also)]))
        self.source = source
        self.key = key
        self.remedy = remedy
        self.also = tuple(also)


class MissingExtraError(SettingsError):
    """What a setting asks for is in an extra that is not installed."""

    def __init__(self, source: str, key: str, extra: str) -> None:
        super().__init__(source, key, f"it is not installed: pip install 'openclaw_actors[{extra}]'")
        self.extra = extra


class RefusalError(OpenclawActorsError):
    """A request is refused; the API answers it as ``application/problem+json``.

    Args:
        status: the HTTP status.
        code: a stable word that programs compare, such as ``sdp_too_large``.
        detail: what is wrong and what to do, for a person.
        headers: more response headers, such as ``Retry-After``.
    """

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers


class StoreUnavailableError(RefusalError):
    """The records can't be read or written now: 503 ``store_unavailable``. Calls go on without them.

    Args:
        detail: what is wrong with the database and what to do.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(503, "store_unavailable", detail, {"Retry-After": "5"})


class EngineError(OpenclawActorsError):
    """An engine did not do its work. ``kind`` is the metric label and the log field."""

    kind = "broken"


class TransientEngineError(EngineError):
    """A passing fault: the same request may succeed when tried again."""

    kind = "transient"


class UnsentEngineError(TransientEngineError):
    """No connection was made, so nothing was asked: safe to try again whatever the engine is."""


class BrokenEngineError(EngineError):
    """The engine's state can't be trusted any more."""

    kind = "broken"


class RefusedEngineError(EngineError):
    """The engine answered that it won't: a bad key, a quota, a forbidden model."""

    kind = "refused"


class SlowEngineError(EngineError):
    """A deadline passed."""

    kind = "slow"


class UnavailableEngineError(EngineError):
    """The engine can't serve here now; the text says what is missing and what to do."""

    kind = "unavailable"
