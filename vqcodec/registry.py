"""The kinds of a part by name; their classes are imported on first use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from vqcodec.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Kind:
    """Where the classes of one kind of part are, as "module:name".

    Attributes:
        config: the dataclass of its table; "" where it has none.
        training: what trains it, in torch; "" for what is not trained.
        runtime: what codes with it, in NumPy; "" for networks, which are graphs then.
    """

    config: str = ""
    training: str = ""
    runtime: str = ""


class Registry(Iterable[str]):
    """The kinds of one part, by the names that recipes, model files and messages use."""

    def __init__(self, key: str, kinds: Mapping[str, Kind], default: str | None = None) -> None:
        """Take the recipe's key that names a kind, and the name that a table may leave out."""
        self.key, self._kinds, self._default = key, dict(kinds), default

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __getitem__(self, name: object) -> Kind:
        """Return a kind by its name.

        Raises:
            ConfigError: there is none of this name.
        """
        kind = self._kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            known = ", ".join(map(repr, self._kinds))
            raise ConfigError(f"{self.key}: {name!r} is not one of {known}")
        return kind

    def split(self, table: Mapping[str, Any]) -> tuple[Kind, dict[str, Any]]:
        """Return the kind that a table names, and the table without the name.

        Raises:
            ConfigError: there is none of this name.
        """
        rest = dict(table)
        return self[rest.pop("kind", self._default)], rest


def imported(place: str) -> Any:
    """Return what "module:name" names."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
