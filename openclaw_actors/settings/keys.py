"""The tree of keys: which there are, what type stands at each, and which one was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr

from openclaw_actors.settings.plug_ins import has_section
from openclaw_actors.settings.sections import EngineStage, Settings

Key = tuple[str | int, ...]
"""A place in the settings: ``("webrtc", "ice_servers", 0, "urls")``."""

FILE_SUFFIX = "_file"
"""A secret may be read from a file that the key with this suffix names."""

_SECRET_NAME = re.compile(r"(?:^|_)(?:key|token|secret|password)s?$")


class PlugInSection(BaseModel):
    """Stands for the section of an installed engine plug-in, which alone knows what may be in it."""


def dotted(key: Key) -> str:
    """The key as people write it: ``webrtc.ice_servers[0].urls``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def type_at(key: Key, root: Any = Settings) -> Any:
    """The type of what stands at ``key``.

    Raises:
        KeyError: there is no such key.
    """
    here = root
    for part in key:
        if isinstance(part, int) and get_origin(here) is tuple:
            here = get_args(here)[0]
        elif is_section(here) and part in here.model_fields:
            here = here.model_fields[part].annotation
        elif isinstance(part, str) and get_origin(here) is dict:
            here = get_args(here)[1]
        elif isinstance(part, str) and (inner := _of_plug_in(key[0], here, part)) is not None:
            here = inner
        else:
            raise KeyError(dotted(key))
    return here


def _of_plug_in(kind: str | int, here: Any, part: str) -> Any:
    """The type of ``part`` in the section of a stage, or of one of its plug-ins; None if it is neither's."""
    if is_section(here) and issubclass(here, EngineStage):
        return PlugInSection if has_section(str(kind), part) else None
    if here is not PlugInSection:
        return None
    if names_secret(part):
        return SecretStr
    return None if names_secret(part.removesuffix(FILE_SUFFIX)) else Any


def names_secret(key: str) -> bool:
    """Whether a key whose type nobody tells is a secret's, by its name: ``api_key``, ``token``."""
    return _SECRET_NAME.search(key) is not None


def is_section(annotation: Any) -> bool:
    """Whether a table stands there."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def is_secret(annotation: Any) -> bool:
    """Whether a secret, or a list of them, stands there."""
    return annotation is SecretStr or SecretStr in get_args(annotation)


def all_keys(root: Any = Settings, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every section and every key in it, depth first; lists are not entered."""
    for name, field in root.model_fields.items():
        yield (*above, name)
        if is_section(field.annotation):
            yield from all_keys(field.annotation, (*above, name))


def nearest(key: Key) -> str:
    """The known key that ``key`` was probably meant to be, dotted; empty when none is near."""
    names = [str(part) for part in key if isinstance(part, str)]
    above = key[:-1]
    try:
        section = type_at(above)
    except KeyError:
        section = None
    if is_section(section):
        near = difflib.get_close_matches(names[-1].lower().replace("-", "_"), section.model_fields, 1, 0.6)
        if near:
            return dotted((*above, near[0]))
    known = list(all_keys())
    same_name = [dotted(path) for path in known if path[-1] == names[-1]]
    if len(same_name) == 1:
        return same_name[0]
    others = [dotted(path) for path in known if path != tuple(names[: len(path)])]
    close = difflib.get_close_matches(".".join(names), others, 1, 0.7)
    return close[0] if close else ""
