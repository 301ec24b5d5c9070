"""TOML tables to frozen dataclasses: an unknown key or a wrong type is an error."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from vqcodec.errors import ConfigError

Config = TypeVar("Config")


def build_config(cls: type[Config], table: Mapping[str, Any], where: str) -> Config:
    """Return a `cls` made from a table, naming the key of whatever is wrong as `where.key`.

    Lists become tuples, integers pass for floats, tables become nested dataclasses.

    Raises:
        ConfigError: a key is unknown or missing, or its value has the wrong type or range.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(table) - set(fields))
    if unknown:
        raise ConfigError(f"{where}.{unknown[0]}: no such key; there are {', '.join(fields)}")
    values = {key: _convert(hints[key], value, f"{where}.{key}") for key, value in table.items()}
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in values:
            raise ConfigError(f"{where}.{name}: missing")
    return cls(**values)


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return value as the type that `hint` asks for."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _convert(arguments[0], value, where)
    if origin is typing.Literal:
        if value not in arguments:
            raise ConfigError(f"{where}: {value!r} is not one of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: {value!r} is not a list")
        return tuple(_convert(arguments[0], item, where) for item in value)
    if origin is dict:
        hint = dict
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: {value!r} is not a table")
        return build_config(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: {value!r} is not of type {hint.__name__}")
    return value
