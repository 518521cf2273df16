"""Reading the settings: a TOML file, over it the environment, over that the command line's flags."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr, ValidationError

from openclaw_actors.errors import SettingsError
from openclaw_actors.settings.checks import Conflict, conflicts
from openclaw_actors.settings.faults import remedy_of
from openclaw_actors.settings.keys import (
    FILE_SUFFIX,
    Key,
    dotted,
    is_secret,
    is_section,
    nearest,
    type_at,
)
from openclaw_actors.settings.plug_ins import KINDS
from openclaw_actors.settings.sections import Settings

ENVIRONMENT_PREFIX = "OPENCLAW_ACTORS_"
NOT_SETTINGS = frozenset(
    {
        "OPENCLAW_ACTORS_TOKEN",
        "OPENCLAW_ACTORS_URL",
        "OPENCLAW_ACTORS_JUDGE_URL",
        "OPENCLAW_ACTORS_JUDGE_MODEL",
        "OPENCLAW_ACTORS_JUDGE_KEY",
    }
)
"""The command line's own variables."""

_SECRET_FILE_BYTES = 65_536
"""More than any key or list of tokens; a wrong path must not read a disk image into memory."""

_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def load_settings(
    path: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any] = MappingProxyType({})
) -> Settings:
    """Read, merge and check all settings.

    Args:
        path: a TOML file; None for the defaults.
        environ: ``OPENCLAW_ACTORS_<SECTION>__<KEY>`` wins over the file. A string is taken as it stands, all else
            is written as in TOML or JSON. ``<KEY>_FILE`` names a file that holds a secret.
        flags: the command line's, by dotted key; they win over both.

    Raises:
        SettingsError: with every fault that was found; each names its source, its key and its remedy.
    """
    draft = _Draft()
    if path is not None:
        draft.take_file(path)
    draft.take_environment(environ)
    for key, value in flags.items():
        parts = tuple(key.split("."))
        draft.put(parts, value, f"--{parts[-1].replace('_', '-')}")
    return draft.settle(str(path) if path is not None else "the defaults")


class _Draft:
    """What has been read so far: the values, where each came from, and what is wrong."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._origins: dict[Key, str] = {}
        self._faults: list[SettingsError] = []

    def put(self, key: tuple[str, ...], value: Any, source: str) -> None:
        """Set ``key``; tables are merged, all else is replaced."""
        if isinstance(value, dict) and is_section(_type_or_none(key)):
            for name, inner in value.items():
                self.put((*key, name), inner, source)
            return
        table = self._values
        for part in key[:-1]:
            inner = table.get(part)
            if not isinstance(inner, dict):
                # What was there (a number for a table, say) was wrong; what comes later wins.
                inner = table[part] = {}
            table = inner
        table[key[-1]] = value
        self._origins[key] = source

    def take_file(self, path: Path) -> None:
        """Read a TOML file."""
        source = str(path)
        try:
            with path.open("rb") as file:
                document = tomllib.load(file)
        except OSError as error:
            self._fault(source, "the file", f"it can't be read ({error.strerror}); name a TOML file that can")
        except UnicodeDecodeError:
            self._fault(source, "the file", "it is not text in UTF-8; save it as such")
        except tomllib.TOMLDecodeError as error:
            said, _, place = str(error).rpartition(" (at ")
            where = place.rstrip(")") if said else "the file"
            self._fault(source, where, f"it is not TOML ({said or error}); correct it there")
        else:
            for name, value in self._without_files((), document, path.parent, source).items():
                self.put((name,), value, source)

    def _without_files(self, key: Key, table: dict[str, Any], folder: Path, source: str) -> dict[str, Any]:
        """The table with each ``<secret>_file`` replaced by the secret it names."""
        found: dict[str, Any] = {}
        for name, value in table.items():
            here = (*key, name)
            base = _secret_named_by(here)
            if base is not None:
                if base[-1] in table:
                    self._fault(source, dotted(here), f"{dotted(base)} is given too; keep one of them")
                elif not isinstance(value, str):
                    self._fault(source, dotted(here), "it must be a string: the path of the file with the secret")
                else:
                    found[str(base[-1])] = self._secret(base, folder / Path(value).expanduser(), source, dotted(here))
            elif isinstance(value, dict):
                found[name] = self._without_files(here, value, folder, source)
            elif isinstance(value, list):
                found[name] = [
                    self._without_files((*here, index), item, folder, source) if isinstance(item, dict) else item
                    for index, item in enumerate(value)
                ]
            else:
                found[name] = value
        return found

    def take_environment(self, environ: Mapping[str, str]) -> None:
        """Read the variables, sections before the keys in them."""
        ours = [name for name in environ if name.startswith(ENVIRONMENT_PREFIX) and name not in NOT_SETTINGS]
        for name in sorted(ours, key=lambda each: (each.count("__"), each)):
            key = tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))
            base = _secret_named_by(key)
            if base is not None:
                plain = name.removesuffix(FILE_SUFFIX.upper())
                if plain in environ:
                    self._fault(name, dotted(key), f"{plain} is set too; keep one of them")
                else:
                    path = Path(environ[name]).expanduser()
                    self.put(base, self._secret(base, path, name, dotted(key)), name)
                continue
            annotation = _type_or_none(key)
            if annotation is None:
                self._unknown(name, key)
                continue
            try:
                self.put(key, _parse(annotation, environ[name]), name)
            except ValueError as error:
                self._fault(name, dotted(key), str(error))

    def _secret(self, key: tuple[str, ...], path: Path, source: str, said_as: str) -> str | list[str]:
        """Read a secret; a list of them has one on each line."""
        several = type_at(key) is not SecretStr
        # Nothing is started with it; it only keeps the later checks from finding the secret absent too.
        unread = f"unread:{said_as}".ljust(32, ".")
        placeholder: str | list[str] = [unread] if several else unread
        try:
            with path.open("rb") as file:
                content = file.read(_SECRET_FILE_BYTES + 1)
            text = content.decode().strip()
        except OSError as error:
            self._fault(source, said_as, f"{path} can't be read ({error.strerror}); name a file with the secret")
            return placeholder
        except UnicodeDecodeError:
            self._fault(source, said_as, f"{path} is not text in UTF-8; name a file with the secret alone")
            return placeholder
        if not text or len(content) > _SECRET_FILE_BYTES:
            fault = "is empty" if not text else f"is longer than {_SECRET_FILE_BYTES} bytes"
            self._fault(source, said_as, f"{path} {fault}; name a file with the secret alone")
            return placeholder
        return [line.strip() for line in text.splitlines() if line.strip()] if several else text

    def settle(self, default_source: str) -> Settings:
        """Check types, then what may not go together.

        Raises:
            SettingsError: with all faults.
        """
        settings: Settings | None = None
        self._refuse_strange_engines()
        try:
            # By way of JSON, because pydantic's strict rules take a list for a tuple only there.
            settings = Settings.model_validate_json(json.dumps(self._values, default=str), strict=True)
        except ValidationError as error:
            for details in error.errors(include_url=False, include_context=True):
                key: Key = details["loc"]
                source = self._source_of(key, default_source)
                if details["type"] == "extra_forbidden":
                    self._unknown(source, key)
                else:
                    self._fault(source, dotted(key), remedy_of(details, secret=is_secret(_type_or_none(key))))
        if settings is not None:
            self._faults += [self._of_conflict(each, default_source) for each in conflicts(settings)]
        if settings is None or self._faults:
            first, *others = self._faults
            raise SettingsError(first.source, first.key, first.remedy, others)
        return settings

    def _refuse_strange_engines(self) -> None:
        """A stage's section takes that of any engine that is installed, and no other."""
        for kind in KINDS:
            table = self._values.get(kind)
            if not isinstance(table, dict):
                continue
            for name in [*table]:
                if _type_or_none((kind, name)) is None:
                    del table[name]
                    self._unknown(self._source_of((kind, name), ""), (kind, name))

    def _of_conflict(self, conflict: Conflict, default_source: str) -> SettingsError:
        return SettingsError(self._source_of(conflict.key, default_source), dotted(conflict.key), conflict.remedy)

    def _source_of(self, key: Key, default_source: str) -> str:
        for length in range(len(key), 0, -1):
            if key[:length] in self._origins:
                return self._origins[key[:length]]
        return default_source

    def _fault(self, source: str, key: str, remedy: str) -> None:
        self._faults.append(SettingsError(source, key, remedy))

    def _unknown(self, source: str, key: Key) -> None:
        meant = nearest(key)
        if meant and source.startswith(ENVIRONMENT_PREFIX) and "[" not in meant:
            meant = ENVIRONMENT_PREFIX + meant.replace(".", "__").upper()
        hint = f"did you mean {meant}?" if meant else "remove it"
        self._fault(source, dotted(key), f"there is no such setting; {hint}")


def _type_or_none(key: Key) -> Any:
    try:
        return type_at(key)
    except KeyError:
        return None


def _secret_named_by(key: Sequence[str | int]) -> tuple[str, ...] | None:
    """The key of the secret whose file ``key`` names, if it does."""
    last = key[-1]
    if not isinstance(last, str) or not last.endswith(FILE_SUFFIX) or _type_or_none(tuple(key)) is not None:
        return None
    base = (*key[:-1], last.removesuffix(FILE_SUFFIX))
    return base if is_secret(_type_or_none(base)) else None  # type: ignore[return-value]  # indexes are type_at's too


def _parse(annotation: Any, text: str) -> Any:
    """A variable's text as a value of the kind that ``annotation`` wants; pydantic checks it afterwards."""
    if annotation in (str, SecretStr) or (
        get_origin(annotation) is Literal and all(isinstance(each, str) for each in get_args(annotation))
    ):
        return text
    if annotation is bool:
        if text.strip().lower() not in _BOOLEANS:
            raise ValueError("it must be true or false")
        return _BOOLEANS[text.strip().lower()]
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        document = tomllib.loads(f"value = {text.strip()}")
    except tomllib.TOMLDecodeError:
        if annotation is Any:
            return text
        document = {}
    if set(document) != {"value"}:
        raise ValueError(f"write {_shape_of(annotation)}")
    value = document["value"]
    if isinstance(value, float) and math.isnan(value):
        raise ValueError(f"write {_shape_of(annotation)}")
    return value


def _shape_of(annotation: Any) -> str:
    if get_origin(annotation) is tuple:
        return 'a list in brackets, such as ["a", "b"] or [1, 2]'
    if is_section(annotation):
        return 'a table in braces, such as {key = "value"}'
    return "a whole number" if annotation is int else "a number"
