"""What to do about a value that does not fit, in words; pydantic's own are for programmers."""

from __future__ import annotations

from pydantic_core import ErrorDetails

_WANTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a string",
    "tuple_type": "a list",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
}

_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}

_SHOWN = 60
"""Characters of a wrong value that are quoted."""


def remedy_of(details: ErrorDetails, *, secret: bool) -> str:
    """What ``details`` asks for, and what stands there instead unless that is secret."""
    kind = details["type"]
    context = details.get("ctx", {})
    if kind == "missing":
        return "it is missing; add it"
    if kind in ("too_long", "too_short"):
        wanted = f"it must hold {context.get('max_length', context.get('min_length'))} values"
    elif kind == "literal_error":
        wanted = f"it must be {context['expected']}"
    elif kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        wanted = f"it must be {words} {context[name]:g}"
    elif kind in _WANTED:
        wanted = f"it must be {_WANTED[kind]}"
    else:
        wanted = details["msg"]
    value = details["input"]
    if secret or not isinstance(value, str | int | float | bool):
        return wanted
    quoted = repr(value) if isinstance(value, str) else str(value).lower()
    return f"{wanted}, not {quoted[:_SHOWN]}"
