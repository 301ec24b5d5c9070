"""Conversion of TOML tables to dataclasses; error messages name the wrong key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from vqcodec.config import build_config, check_least, check_positive, check_range, check_share
from vqcodec.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner:
    size: int = 3

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"inner.size: {self.size} is not 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer:
    count: int
    share: float = 0.5
    name: str = "x"
    on: bool = False
    kind: Literal["a", "b"] = "a"
    sizes: tuple[int, ...] = (1,)
    inner: Inner = Inner()
    maybe: Inner | None = None
    rest: dict[str, Any] = field(default_factory=dict)


def test_a_table_with_all_keys_is_accepted():
    table = {
        "count": 2,
        "share": 1,
        "name": "y",
        "on": True,
        "kind": "b",
        "sizes": [1, 2],
        "inner": {"size": 5},
        "maybe": {"size": 6},
        "rest": {"anything": [1]},
    }
    expected = Outer(
        count=2,
        share=1.0,
        name="y",
        on=True,
        kind="b",
        sizes=(1, 2),
        inner=Inner(size=5),
        maybe=Inner(size=6),
        rest={"anything": [1]},
    )
    built = build_config(Outer, table, "outer")
    assert built == expected
    assert isinstance(built.share, float)


def test_a_missing_key_gets_its_default():
    assert build_config(Outer, {"count": 1}, "outer") == Outer(count=1)
    assert build_config(Outer, {"count": 1, "maybe": None}, "outer").maybe is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "outer.count: missing"),
        ({"count": 1, "size": 2}, r"outer.size: no such key; there are count, share"),
        ({"count": 1.5}, "outer.count: 1.5 is not of type int"),
        ({"count": True}, "outer.count: True is not of type int"),
        ({"count": "1"}, "outer.count: '1' is not of type int"),
        ({"count": 1, "share": "much"}, "outer.share: 'much' is not of type float"),
        ({"count": 1, "share": True}, "outer.share: True is not of type float"),
        ({"count": 1, "share": 10**400}, "outer.share: a number that is too large"),
        ({"count": 1, "name": 3}, "outer.name: 3 is not of type str"),
        ({"count": 1, "on": 1}, "outer.on: 1 is not of type bool"),
        ({"count": 1, "kind": "c"}, "outer.kind: 'c' is not one of 'a', 'b'"),
        ({"count": 1, "sizes": 3}, "outer.sizes: 3 is not a list"),
        ({"count": 1, "sizes": [1, "2"]}, "outer.sizes: '2' is not of type int"),
        ({"count": 1, "inner": 3}, "outer.inner: 3 is not a table"),
        ({"count": 1, "inner": {"sise": 3}}, "outer.inner.sise: no such key"),
        ({"count": 1, "inner": {"size": 0}}, "inner.size: 0 is not 1 or more"),
        ({"count": 1, "maybe": {"size": "x"}}, "outer.maybe.size: 'x' is not of type int"),
        ({"count": 1, "rest": []}, r"outer.rest: \[\] is not of type dict"),
    ],
)
def test_an_error_names_the_key(table, message):
    with pytest.raises(ConfigError, match=message):
        build_config(Outer, table, "outer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Numbers:
    size: int = 3
    share: float = 0.5
    sizes: tuple[int, ...] = (1, 2)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda numbers: check_range(numbers, "x", 3, 4, "size"), None),
        (lambda numbers: check_range(numbers, "x", 4, 5, "size"), "x.size: 3 is not 4 … 5"),
        (lambda numbers: check_range(numbers, "x", 1, 2, "sizes"), None),
        (lambda numbers: check_range(numbers, "x", 2, 9, "size", "sizes"), "x.sizes: 1 is not"),
        (lambda numbers: check_least(numbers, "x", 3, "size"), None),
        (lambda numbers: check_least(numbers, "x", 4, "size"), "x.size: 3 is not 4 or more"),
        (lambda numbers: check_positive(numbers, "x", "size", "share", "sizes"), None),
        (lambda numbers: check_share(numbers, "x", "share"), None),
        (
            lambda numbers: check_share(numbers, "x", "sizes"),
            "x.sizes: 1 is not 0 or more and less",
        ),
    ],
)
def test_an_error_names_a_value_out_of_range(check, message):
    if message is None:
        check(Numbers())
    else:
        with pytest.raises(ConfigError, match=f"^{message}"):
            check(Numbers())


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), -1.0])
def test_every_check_refuses_nan_and_negative_numbers(value):
    numbers = Numbers(share=value)
    for check in (
        lambda: check_range(numbers, "x", 0, 1, "share"),
        lambda: check_least(numbers, "x", 0, "share"),
        lambda: check_positive(numbers, "x", "share"),
        lambda: check_share(numbers, "x", "share"),
    ):
        with pytest.raises(ConfigError, match=r"^x\.share: "):
            check()


@pytest.mark.parametrize("value", [0.0, float("inf")])
def test_a_positive_number_is_more_than_0_and_finite(value):
    with pytest.raises(ConfigError, match=r"not (more than 0|finite)"):
        check_positive(Numbers(share=value), "x", "share")
