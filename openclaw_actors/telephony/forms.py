"""Webhooks whose body is a form: their fields, and what makes one the same as another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from urllib.parse import parse_qsl

from multidict import MultiDict

_FIELDS = 256
"""The largest webhooks have some 60; a body of 64 KiB could hold 20,000."""


def read_form(body: bytes) -> MultiDict[str]:
    """A webhook's fields.

    Raises:
        ValueError: it is no form of UTF-8, or of too many fields.
    """
    pairs = parse_qsl(
        body.decode("ascii"),
        keep_blank_values=True,
        strict_parsing=bool(body),
        errors="strict",
        max_num_fields=_FIELDS,
    )
    return MultiDict(pairs)


def key_of(target: str, form: Mapping[str, str]) -> str:
    """The same for the same fields at the same URL."""
    return hashlib.sha256(repr((target, sorted(form.items()))).encode()).hexdigest()
