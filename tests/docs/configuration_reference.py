"""The page of all settings, made whenever the site is built (site_pages.py).

Keys, types and defaults are those of settings/sections.py; what a key means is what config/default.toml says of it,
else the docstring behind it in sections.py.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr

from openclaw_actors.settings import sections
from openclaw_actors.settings.keys import is_secret, is_section
from openclaw_actors.settings.sections import Settings
from tests.docs.examples import ROOT

_HEAD = """# Settings

A TOML file (`serve --config FILE`; without it `config/default.toml` if it is there), over it the environment, over that
the flags of `serve`. Each key is also a variable: `OPENCLAW_ACTORS_AGENT__OPENAI__MODEL` sets `agent.openai.model`;
lists and tables are written there as in TOML or JSON. A key that is marked **secret** can be read from a file instead:
`api_key_file = "path"` (from the settings' own folder), or the variable with `_FILE` behind it.

`openclaw-actors config check` names every fault, with its place and what to do; an unknown key is one. `config show`
prints what is in force, secrets hidden. A file with every key, to copy from, is `config/default.toml`; shorter ones for
common set-ups stand beside it ([Connect your assistant](connect.md#ready-made-settings)).

| section | |
|---|---|
"""


def render() -> str:
    """The page."""
    found = list(_sections(Settings, ""))
    rows = (f"| [`[{name}]`](#{_anchor(name)}) | {_about(model)} |\n" for name, model in found)
    return _HEAD + "".join(rows) + "".join(_section(name, model) for name, model in found)


def _sections(model: type[BaseModel], above: str) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, each in model.model_fields.items():
        if is_section(each.annotation):
            yield f"{above}{name}", each.annotation
            yield from _sections(each.annotation, f"{above}{name}.")


def _anchor(name: str) -> str:
    return name.replace(".", "")


def _about(model: type[BaseModel]) -> str:
    return _line(inspect.getdoc(model) or "")


def _line(text: str) -> str:
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def _section(name: str, model: type[BaseModel]) -> str:
    comments = {key: says for (section, key), says in _comments().items() if section == name}
    notes = _docstrings(model)
    rows = ""
    for key, field in model.model_fields.items():
        if not is_section(field.annotation):
            says = _line(comments.get(key) or notes.get(key, ""))
            rows += (
                f"| `{key}` | {_type(field.annotation, field.metadata)} | {_value(field.get_default())} | {says} |\n"
            )
            rows += "".join(_inner(key, field.annotation))
    text = f"\n## {name}\n\n{_about(model)}\n"
    return text + ("\n| key | type | default | |\n|---|---|---|---|\n" + rows if rows else "")


def _inner(key: str, annotation: Any) -> Iterator[str]:
    """The keys of the tables in a list, or in a table by names of one's own."""
    (model,) = [each for each in get_args(annotation) if is_section(each)] or (None,)
    if model is None:
        return
    between = ".*." if get_origin(annotation) is dict else "[]."
    notes = _docstrings(model)
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _value(field.get_default())
        says = _line(notes.get(name, ""))
        yield f"| `{key}{between}{name}` | {_type(field.annotation, field.metadata)} | {default} | {says} |\n"


def _type(annotation: Any, metadata: list[Any]) -> str:  # noqa: PLR0911 - one line a kind
    arguments = get_args(annotation)
    if is_secret(annotation):
        return "list of **secrets**" if get_origin(annotation) is tuple else "**secret**"
    if type(None) in arguments:
        return _type(next(each for each in arguments if each is not type(None)), metadata)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{json.dumps(each)}`" for each in arguments)
    if get_origin(annotation) is tuple:
        if Ellipsis not in arguments:
            return f"{len(arguments)} numbers"
        inner = arguments[0]
        return "list of tables" if is_section(inner) else f"list of {_plural(_type(inner, []).split(' from ')[0])}"
    if get_origin(annotation) is dict:
        return "tables by name"
    if getattr(annotation, "__metadata__", None):  # Annotated, within a list
        return _type(arguments[0], list(annotation.__metadata__))
    name = {str: "text", int: "whole number", float: "number", bool: "true or false"}[annotation]
    return name + _bounds(metadata)


def _plural(name: str) -> str:
    return {"text": "texts", "number": "numbers"}.get(name, name)


def _bounds(metadata: list[Any]) -> str:
    words = []
    for each in metadata:
        for part in getattr(each, "metadata", [each]):
            for attribute, word in (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below")):
                if (bound := getattr(part, attribute, None)) is not None:
                    words.append(f"{word} {bound}")
    return f" {' '.join(words)}" if words else ""


def _value(default: Any) -> str:
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default is None:
        return ""
    text = json.dumps(default, ensure_ascii=False, default=str)
    return f"`{text}`".replace("|", "\\|")


@cache
def _comments() -> dict[tuple[str, str], str]:
    """What config/default.toml says above each key: of several keys in a row the comment is the first one's."""
    found: dict[tuple[str, str], str] = {}
    section, said = "", []
    for line in (ROOT / "config" / "default.toml").read_text().splitlines():
        if heading := re.fullmatch(r"\[([\w.]+)\]", line):
            section, said = heading[1], []
        elif key := re.match(r"# (\w+) = ", line):
            found[section, key[1]] = _without_examples(said)
            said = []
        elif line.startswith("#"):
            said.append(line.removeprefix("#"))
        else:
            said = []
    return found


def _without_examples(lines: list[str]) -> str:
    """Examples are indented; they are shown as code."""
    text, code = [], []
    for line in lines:
        (code if line.startswith("   ") else text).append(line.strip())
    shown = f" `{'; '.join(code)}`" if code else ""
    # A line that ends where the next begins anew had no room for its full stop.
    return re.sub(r"(?<=\w) (?=They |Your )", ". ", " ".join(text)) + shown


@cache
def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The string behind each field."""
    tree = ast.parse(inspect.getsource(sections))
    (node,) = [each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == model.__name__]
    found = {}
    for field, after in zip(node.body, node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[field.target.id] = str(after.value.value)
    return found
