"""Recipes: shipped recipes are valid, and an error names the key."""

from __future__ import annotations

import math

import pytest
from training_recipes import IMAGE, RECIPES

from vqcodec.errors import ConfigError
from vqcodec.modalities import build_modality
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.priors import build_prior_network
from vqcodec.priors import is_learnt
from vqcodec.training.recipe import ScheduleConfig, parse_recipe, read_recipe, shipped_recipes


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_makes_a_model(name):
    recipe, text = read_recipe(name)
    assert text.startswith("#"), "the first line says what it is for"
    tables = recipe.model_tables()
    quantizer = Autoencoder(tables).quantizer
    if is_learnt(recipe.prior):
        prior = build_prior_network(tables["prior"], quantizer.codebook_sizes)
        num_bands = recipe.prior.get("num_bands", 1)  # each has all groups
        assert num_bands * sum(prior.group_sizes) == quantizer.num_codebooks


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "starts = [0, 0, 1, 1,",
            "starts = [0, 0, 0, 1,",
            r"prior.starts: the slots .* in the bands \[0, 0",
        ),
        ("num_halved = 4", "num_halved = 3", "prior.starts: the slots"),
        ("num_integers = 216", "num_integers = 100", "quantizer.num_integers: 100, but .* has 216"),
        ("num_integers = 216\n", "", "quantizer.num_integers: 0, but"),
        ("num_bands = 54\nnum_exact", "num_bands = 27\nnum_exact", "prior.(num_bands|starts)"),
    ],
)
def test_quantizer_and_prior_have_to_know_the_layout_of_frames(old, new, message):
    text = read_recipe("audio")[1]
    assert old in text
    with pytest.raises(ConfigError, match=message):
        Autoencoder(parse_recipe(text.replace(old, new)).model_tables())


def test_audio_codes_frequencies_up_to_20250_hz():
    recipe, _ = read_recipe("audio")
    assert build_modality(recipe.modality, recipe.network).config.band_hz == 20_250


@pytest.mark.parametrize("text", RECIPES.values(), ids=list(RECIPES))
def test_the_recipes_of_these_tests_are_read(text):
    recipe = parse_recipe(text)
    assert recipe.schedule.steps == 6
    assert recipe.card == {"licence": "CC0"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('modality = "image"', "", "recipe.modality: missing"),
        ("[card]", "[cart]", "recipe.cart: no such key"),
        ("[schedule]", '[schedule]\noptimizer = "sgd"', "schedule.optimizer: "),
        ("[prior_schedule]", '[prior_schedule]\noptimizer = "soap"', "prior_schedule.optimizer: "),
        ("steps = 6", "steps = 0", "schedule.steps: 0 is not 1 or more"),
        ("steps = 6", 'steps = "six"', "recipe.schedule.steps: 'six' is not of type int"),
        ("steps = 6", "stops = 6", "recipe.schedule.stops: no such key"),
        ("batch_size = 2", "batch_size = -1", "schedule.batch_size: -1"),
        ("batch_size = 2", "batch_size = 1000000", "schedule.batch_size: 1000000 is not 1 … 65536"),
        ("batch_size = 2", "learning_rate = 11", "schedule.learning_rate: 11.0 is not 0 … 10"),
        ("batch_size = 2", "learning_rate = 0", "schedule.learning_rate: 0.0 is not more than 0"),
        ("batch_size = 2", "learning_rate = nan", "schedule.learning_rate: nan"),
        ("batch_size = 2", "gradient_limit = inf", "schedule.gradient_limit: inf is not finite"),
        ("batch_size = 2", "prior_learning_rate = -1", "schedule.prior_learning_rate: -1.0"),
        ("batch_size = 2", "final_fraction = 2", "schedule.final_fraction: 2.0 is not 0 … 1"),
        ("average_decay = 0.9", "average_decay = 1.5", "schedule.average_decay: 1.5"),
        ("average_decay = 0.9", "average_decay = 1.0", "schedule.average_decay: 1.0"),
        ("batch_size = 2", "decay_fraction = 0", "schedule.decay_fraction: 0.0 is not more than 0"),
        ("batch_size = 2", "decay_fraction = 2", "schedule.decay_fraction: 2.0 is not 0 … 1"),
        ("warmup_steps = 2", "warmup_steps = -2", "schedule.warmup_steps: -2"),
        ("coarsest_weight = 0.001", "coarsest_weight = 0", "objective.coarsest_weight: 0.0"),
        ("finest_weight = 0.01", "finest_weight = inf", "objective.finest_weight: inf"),
        ("balance = 0.5", "balance = 2", "objective.balance: 2.0 is not 0 … 1"),
        ("steps = 6", "steps = = 6", "recipe: not valid TOML"),
    ],
)
def test_a_bad_recipe_is_refused_by_its_key(old, new, message):
    assert old in IMAGE
    with pytest.raises(ConfigError, match=message):
        parse_recipe(IMAGE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fine_width = 8", "fine_width = 4", "network.fine_width: 4"),
        ("fine_width = 8", "wide = 4", "network.wide: no such key"),
        ("dim = 12\nfine", "dim = 13\nfine", "13"),
        ('kind = "lattice"', 'kind = "lettuce"', "quantizer.kind: 'lettuce'"),
        ("limit = 63", "limit = 0", "quantizer.limit: 0"),
        ("limit = 63", "limit = 63\nnum_knots = 1", "quantizer.num_knots: 1"),
        ("limit = 63", "limit = 63\ncoarsest_step = 0", "quantizer.coarsest_step: 0.0"),
        ("limit = 63", "limit = 63\ncoarsest_step = 1e7", "quantizer.coarsest_step: 10000000.0"),
        ("limit = 63", "limit = 63\nfinest_step = nan", "quantizer.finest_step: nan"),
        ('kind = "grid"', 'kind = "grit"', "prior.kind: 'grit'"),
        ("groups = [4, 8]", "groups = [4, 4]", "prior.groups"),
        ("crop = 32", "crop = 33", "data.crop: 33"),
        ("crop = 32", "chop = 32", "data.chop: no such key"),
        ("crop = 32", "largest_reduction = 0.5", "data.largest_reduction: 0.5 is not 1 … 8"),
        ("crop = 32", "halve_above_megapixels = 0", "data.halve_above_megapixels: 0.0"),
        ("valid_fraction = 0.3", 'valid_fraction = "some"', "data.valid_fraction: 'some'"),
        ("valid_fraction = 0.3", "valid_fraction = 1.0", "data.valid_fraction: 1.0 is not 0 or"),
        ("valid_fraction = 0.3", "group_separator = 3", "data.group_separator: 3"),
        ('modality = "image"', 'modality = "smell"', "modality: 'smell'"),
    ],
)
def test_a_bad_table_of_a_part_is_refused_before_the_first_step(tmp_path, train, old, new, message):
    assert old in IMAGE
    with pytest.raises(ConfigError, match=message):
        train(tmp_path / "run", IMAGE.replace(old, new, 1))
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_missing_recipe_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such recipe file"):
        read_recipe(str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match=r"not one of .*image"):
        read_recipe("imagine")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read as text"):
        read_recipe(str(tmp_path / "binary.toml"))


def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "own.toml").write_text(IMAGE, encoding="utf-8-sig")
    assert read_recipe(str(tmp_path / "own.toml")) == (parse_recipe(IMAGE), IMAGE)


def test_the_learning_rate_rises_and_then_falls():
    schedule = ScheduleConfig(steps=100, warmup_steps=10, final_fraction=0.1)
    factors = [schedule.learning_rate_factor(step) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[:11] == sorted(factors[:11])
    assert factors[10] == pytest.approx(1)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[100] == pytest.approx(0.1)
    assert factors[55] == pytest.approx(0.1 + 0.9 * 0.5)
    assert math.isclose(schedule.learning_rate_factor(1000), 0.1)


def test_with_a_decay_fraction_the_learning_rate_falls_only_at_the_end():
    schedule = ScheduleConfig(steps=100, warmup_steps=10, final_fraction=0.1, decay_fraction=0.2)
    factors = [schedule.learning_rate_factor(step) for step in range(101)]
    assert factors[10:81] == [1] * 71
    assert factors[90] == pytest.approx(0.1 + 0.9 * 0.5)
    assert factors[100] == pytest.approx(0.1)
    assert schedule.learning_rate_factor(1000) == pytest.approx(0.1)


def test_without_a_warm_up_the_learning_rate_is_highest_at_first():
    schedule = ScheduleConfig(steps=1, warmup_steps=0)
    assert schedule.learning_rate_factor(0) == 1
