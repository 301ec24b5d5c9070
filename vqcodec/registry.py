"""Registries of the kinds of a part; a class is imported on first use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from vqcodec.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Kind:
    """The classes of one kind of part, each as "module:name".

    Attributes:
        config: the dataclass of the kind's table; "" if the table has no keys.
        training: the torch module; "" for a kind that is not trained.
        runtime: the NumPy class; "" for networks, which run as ONNX graphs.
    """

    config: str = ""
    training: str = ""
    runtime: str = ""


class Registry(Iterable[str]):
    """The kinds of one part, by the names that recipes, model files and messages use."""

    def __init__(self, key: str, kinds: Mapping[str, Kind], default: str | None = None) -> None:
        """Take the recipe's key for the kind, and the kind of a table without that key."""
        self.key, self._kinds, self._default = key, dict(kinds), default

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __getitem__(self, name: object) -> Kind:
        """Return a kind by its name.

        Raises:
            ConfigError: no kind has this name.
        """
        kind = self._kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            known = ", ".join(map(repr, self._kinds))
            raise ConfigError(f"{self.key}: {name!r} is not one of {known}")
        return kind

    def split(self, table: Mapping[str, Any]) -> tuple[Kind, dict[str, Any]]:
        """Return the kind that a table names, and the table without its "kind" key.

        Raises:
            ConfigError: no kind has this name.
        """
        rest = dict(table)
        return self[rest.pop("kind", self._default)], rest


def imported(place: str) -> Any:
    """Import and return the object at "module:name"."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
