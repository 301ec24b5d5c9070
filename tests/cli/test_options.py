"""The values of options."""

import math
from importlib.util import find_spec

import pytest
from vqcodec.cli.options import (
    parse_amount,
    parse_size,
    require_quality,
    require_torch,
    require_within,
    with_address_of_ray,
)

from vqcodec.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3000", 3000),
        ("3k", 3000),
        ("3K", 3000),
        ("3 k", 3000),
        ("1.5M", 1.5e6),
        (".25", 0.25),
        ("0.5", 0.5),
        ("2.", 2),
    ],
)
def test_an_amount_may_be_written_with_k_or_m(text, value):
    assert parse_amount("--size", text) == value


@pytest.mark.parametrize(
    "text", ["", "0", "0k", "-1", "k", "1e3", "3kB", "3  k", "nan", "inf", "."]
)
def test_anything_else_is_no_amount(text):
    with pytest.raises(UsageError, match=r"^--size"):
        parse_amount("--size", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2000", 2000),
        ("2000B", 2000),
        ("2k", 2000),
        ("2kB", 2000),
        ("2KB", 2000),
        ("2 KB", 2000),
        ("2KiB", 2048),
        (".5M", 500_000),
        ("1MB", 1_000_000),
        ("1MiB", 1 << 20),
        ("1GB", 10**9),
    ],
)
def test_a_size_may_have_its_unit(text, value):
    assert parse_size("--size", text) == value


@pytest.mark.parametrize("text", ["", "0KB", "KB", "2kb", "2KiBs", "2bytes", "-2k"])
def test_a_size_of_another_unit_is_explained(text):
    with pytest.raises(UsageError, match=r"--size .*20kB \(20000\) or 20KiB \(20480\)"):
        parse_size("--size", text)


def test_an_amount_beyond_any_size_is_no_amount():
    with pytest.raises(UsageError):
        parse_amount("--size", "9" * 400)


@pytest.mark.parametrize("value", [-1, 2.01, math.nan, math.inf])
def test_a_value_outside_its_range_is_a_usage_error(value):
    with pytest.raises(UsageError, match="not from 0 to 2"):
        require_within("--temperature", value, 0, 2)


def test_the_usual_quality_is_5():
    assert require_quality(None) == 5
    assert require_quality(10) == 10
    with pytest.raises(UsageError):
        require_quality(10.5)


@pytest.mark.slow  # imports torch
@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("device", ["nonsense", "cuda:999"])
def test_a_device_that_is_not_there_is_a_usage_error(device):
    require_torch("cpu")
    with pytest.raises(UsageError, match="--device"):
        require_torch(device)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["compress", "--ray", "in"], ["compress", "--ray=local", "in"]),
        (["compress", "in", "--ray"], ["compress", "in", "--ray=local"]),
        (["compress", "--ray", "-o", "out"], ["compress", "--ray=local", "-o", "out"]),
        (["compress", "--ray", "auto", "in"], ["compress", "--ray", "auto", "in"]),
        (["compress", "--ray", "head-1.lan:6379"], ["compress", "--ray", "head-1.lan:6379"]),
        (["compress", "--ray", "ray://[::1]:10001"], ["compress", "--ray", "ray://[::1]:10001"]),
        (["compress", "--ray=auto"], ["compress", "--ray=auto"]),
        (["compress", "--ray", "s3://b/in"], ["compress", "--ray=local", "s3://b/in"]),
        (["compress", "--", "--ray", "in"], ["compress", "--", "--ray", "in"]),
        ([], []),
    ],
)
def test_the_address_of_a_cluster_may_be_left_out(given, expected):
    assert with_address_of_ray(given) == expected
