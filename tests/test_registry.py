"""Registries: kinds by name; every registered class exists."""

from __future__ import annotations

import dataclasses

import pytest

from vqcodec.errors import ConfigError
from vqcodec.modalities import MODALITIES
from vqcodec.modalities.audio.config import NETWORKS as AUDIO_NETWORKS
from vqcodec.modalities.image.config import NETWORKS as IMAGE_NETWORKS
from vqcodec.priors import PRIORS
from vqcodec.quantizers import QUANTIZERS
from vqcodec.registry import Kind, Registry, imported

REGISTRIES = [MODALITIES, QUANTIZERS, PRIORS, IMAGE_NETWORKS, AUDIO_NETWORKS]
ENTRIES = [(registry, name) for registry in REGISTRIES for name in registry]
TINY = Registry("shape.kind", {"round": Kind(runtime="math:pi"), "square": Kind()}, "round")


def test_kinds_keep_their_order():
    assert list(TINY) == ["round", "square"]
    assert "square" in TINY
    assert "flat" not in TINY


def test_a_table_names_its_kind_or_gets_the_default():
    table = {"kind": "square", "size": 3}
    assert TINY.split(table) == (TINY["square"], {"size": 3})
    assert table == {"kind": "square", "size": 3}
    assert TINY.split({"size": 3}) == (TINY["round"], {"size": 3})


@pytest.mark.parametrize("name", ["flat", "", None, 3, ["round"], {"round": 1}])
def test_an_unknown_kind_is_refused_and_known_kinds_are_listed(name):
    with pytest.raises(ConfigError, match=r"shape\.kind: .* is not one of 'round', 'square'"):
        TINY[name]
    with pytest.raises(ConfigError, match=r"shape\.kind"):
        TINY.split({"kind": name})


def test_a_table_without_kind_needs_a_default():
    with pytest.raises(ConfigError, match=r"shape\.kind: None"):
        Registry("shape.kind", {"round": Kind()}).split({})


def test_a_class_is_imported_on_use():
    assert imported("math:pi") == pytest.approx(3.14159, abs=1e-5)
    with pytest.raises(ModuleNotFoundError):
        imported("vqcodec.nowhere:thing")


@pytest.mark.parametrize(("registry", "name"), ENTRIES, ids=lambda entry: str(entry)[:20])
def test_every_registered_class_exists(registry, name):
    kind = registry[name]
    assert kind.config or kind.training or kind.runtime
    assert not kind.runtime or imported(kind.runtime) is not None
    assert not kind.config or dataclasses.is_dataclass(imported(kind.config))


@pytest.mark.slow  # imports torch
@pytest.mark.parametrize(("registry", "name"), ENTRIES, ids=lambda entry: str(entry)[:20])
def test_every_registered_class_for_training_exists(registry, name):
    training = registry[name].training
    assert not training or imported(training) is not None


def test_modalities_and_quantizers_have_their_registered_names():
    for name in MODALITIES:
        assert imported(MODALITIES[name].runtime).name == name
    for name in QUANTIZERS:
        assert imported(QUANTIZERS[name].runtime).kind == name
