"""The range of gains of training excerpts."""

from __future__ import annotations

from typing import Protocol

from vqcodec.config import check_range
from vqcodec.errors import ConfigError

MOST_DB = 100.0  # up or down


class HasGains(Protocol):
    """A [data] table with a range of gains."""

    @property
    def lowest_gain_db(self) -> float:
        """The lowest gain."""

    @property
    def highest_gain_db(self) -> float:
        """The highest gain."""


def check_gains(config: HasGains) -> None:
    """Check that a range of gains has an order and an extent that samples can take.

    Raises:
        ConfigError: it has not.
    """
    check_range(config, "data", -MOST_DB, MOST_DB, "lowest_gain_db", "highest_gain_db")
    if config.lowest_gain_db > config.highest_gain_db:
        raise ConfigError(
            f"data.lowest_gain_db: {config.lowest_gain_db} is above highest_gain_db, "
            f"{config.highest_gain_db}"
        )
