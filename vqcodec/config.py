"""Conversion of TOML tables to frozen dataclasses, with checks of keys, types and ranges."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from vqcodec.errors import ConfigError

Config = TypeVar("Config")


def build_config(cls: type[Config], table: Mapping[str, Any], where: str) -> Config:
    """Return a `cls` made from a table; error messages name a wrong key as `where.key`.

    Lists become tuples, integers become floats where needed, tables become nested dataclasses.

    Raises:
        ConfigError: a key is unknown or missing, or its value has the wrong type or range.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(table) - set(fields))
    if unknown:
        known = ", ".join(fields) or "none"
        raise ConfigError(f"{where}.{unknown[0]}: no such key; there are {known}")
    values = {key: _convert(hints[key], value, f"{where}.{key}") for key, value in table.items()}
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in values:
            raise ConfigError(f"{where}.{name}: missing")
    return cls(**values)


def check_range(config: object, where: str, least: float, most: float, *names: str) -> None:
    """Check that each named value, or each item of a named list, is `least` … `most`.

    Raises:
        ConfigError: a value is out of range.
    """
    for name, value in _values(config, names):
        if not least <= value <= most:  # NaN included
            raise ConfigError(f"{where}.{name}: {value} is not {least} … {most}")


def check_least(config: object, where: str, least: float, *names: str) -> None:
    """Check that each named value is `least` or more.

    Raises:
        ConfigError: a value is smaller.
    """
    for name, value in _values(config, names):
        if not value >= least:
            raise ConfigError(f"{where}.{name}: {value} is not {least} or more")


def check_positive(config: object, where: str, *names: str) -> None:
    """Check that each named value is more than 0, and finite.

    Raises:
        ConfigError: a value is not.
    """
    for name, value in _values(config, names):
        if not 0 < value < math.inf:
            needed = "finite" if value > 0 else "more than 0"
            raise ConfigError(f"{where}.{name}: {value} is not {needed}")


def check_share(config: object, where: str, *names: str) -> None:
    """Check that each named value is 0 or more, and less than 1.

    Raises:
        ConfigError: a value is out of range.
    """
    for name, value in _values(config, names):
        if not 0 <= value < 1:
            raise ConfigError(f"{where}.{name}: {value} is not 0 or more and less than 1")


def _values(config: object, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) pairs; a list gives one pair for each item."""
    for name in names:
        value = getattr(config, name)
        for item in value if isinstance(value, tuple) else (value,):
            yield name, item


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return the value converted to the type `hint`."""
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
        try:
            return float(value)
        except OverflowError as error:
            raise ConfigError(f"{where}: a number that is too large") from error
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: {value!r} is not of type {hint.__name__}")
    return value
