"""A grid prior that leaves out certain indices and unused groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_training import tiny_prior_network

from vqcodec.entropy.frequencies import uniform_freqs
from vqcodec.entropy.range_coder import SymbolDecoder, SymbolEncoder
from vqcodec.errors import CorruptStreamError
from vqcodec.priors import build_prior

GROUPS, SIZE = (2, 4, 6), 31
TABLE = {"kind": "grid", "groups": list(GROUPS), "head": "logistic", "width": 16}
SKIPPING = {**TABLE, "skip_certain": True}
SIZES = (SIZE,) * sum(GROUPS)
ZERO = SIZE // 2
GRIDS = [(1, 1), (1, 9), (6, 1), (2, 2), (3, 5), (8, 8)]
RATES = [0, 128, 255]


@pytest.fixture(scope="module")
def tensors():
    torch.manual_seed(6)
    network = tiny_prior_network(SKIPPING, SIZES)
    return network.freeze(torch.linspace(0, 1, 256))


@pytest.fixture(scope="module")
def prior(tensors):
    return build_prior(SKIPPING, SIZES, tensors)


def any_targets(grid, *, groups=3):
    """Real numbers around zero, and plain zeros after so many groups."""
    targets = np.random.default_rng(grid).normal(ZERO, 4, (len(SIZES), *grid))
    targets[sum(GROUPS[:groups]) :] = ZERO
    return targets


class Counter(SymbolEncoder):
    """Counts the symbols that stand for indices."""

    count = 0

    def code_with_tables(self, tables, table_ids, symbols=None):
        self.count += len(table_ids)
        return super().code_with_tables(tables, table_ids, symbols)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("groups", range(len(GROUPS) + 1))
def test_chosen_indices_come_back_and_are_written_in_one_way(prior, rate, grid, groups):
    targets = any_targets(grid, groups=groups)
    (chosen,) = prior.choose([targets], rate)
    payloads = prior.compress([targets], rate)
    (decoded,) = prior.decompress(payloads, [targets.shape], rate)
    assert np.array_equal(decoded, chosen)
    assert prior.compress([decoded], rate) == payloads


def test_certain_indices_take_no_symbol_and_are_the_likeliest(prior):
    rate, targets = 128, any_targets((16, 16))
    counter = Counter()
    (indices,) = prior.code([counter], [targets.shape], rate, [targets])
    assert 0.2 * indices.size < counter.count < 0.8 * indices.size
    (bits,) = prior.bits_of([indices], rate)
    certain = bits == 0
    assert certain.sum() == indices.size - counter.count
    assert (indices[certain] != ZERO).any()  # they are not just zeros
    assert (indices[certain] != prior.coding.nearest(targets)[certain]).any()
    (likeliest,) = prior.code_levels([[]], [targets.shape], rate)
    first = np.zeros_like(certain)
    first[: GROUPS[0], ::2, ::2] = certain[: GROUPS[0], ::2, ::2]  # the first phase
    assert first.any()
    assert np.array_equal(indices[first], likeliest[first])


@pytest.mark.parametrize("groups", range(len(GROUPS) + 1))
def test_a_payload_begins_with_the_number_of_groups(prior, groups):
    targets = any_targets((3, 5), groups=groups)
    targets[: sum(GROUPS[:groups])] = SIZE - 1
    (payload,) = prior.compress([targets], 255)
    assert SymbolDecoder(payload).code(uniform_freqs(len(GROUPS) + 1)).tolist() == [groups]
    (decoded,) = prior.decompress([payload], [targets.shape], 255)
    assert (decoded[sum(GROUPS[:groups]) :] == ZERO).all()
    assert (decoded[: sum(GROUPS[:groups])] != ZERO).any() == (groups > 0)
    (payloads,) = prior.compress_levels([targets], 255)
    assert not any(payloads[max(1, groups) :])


def test_groups_that_are_chosen_to_be_zero_are_not_used(prior):
    targets = any_targets((3, 5), groups=1)
    targets[-1] = ZERO + 0.6  # rounds to another index, which is not worth its bits
    (payload,) = prior.compress([targets], 0)
    (decoded,) = prior.decompress([payload], [targets.shape], 0)
    (number,) = SymbolDecoder(payload).code(uniform_freqs(len(GROUPS) + 1))
    in_use = [(group != ZERO).any() for group in np.split(decoded, np.cumsum(GROUPS)[:-1])]
    assert number == 3 - in_use[::-1].index(True)


def test_the_bits_of_indices_add_up_to_their_payload(prior):
    for rate in RATES:
        segments = [
            prior.coding.nearest(any_targets(grid, groups=groups))
            for grid in GRIDS
            for groups in range(len(GROUPS) + 1)
        ]
        payloads = prior.compress(segments, rate)
        bits = prior.bits_of(segments, rate)
        decoded = prior.decompress(payloads, [segment.shape for segment in segments], rate)
        for own, other, payload in zip(bits, prior.bits_of(decoded, rate), payloads, strict=True):
            assert own.sum() == pytest.approx(8 * len(payload), abs=14)
            assert np.array_equal(own, other)


@pytest.mark.parametrize("groups", range(len(GROUPS) + 1))
def test_levels_have_the_indices_of_a_single_payload(prior, groups):
    targets, rate = any_targets((8, 8), groups=groups), 128
    shapes = [targets.shape]
    (plain,) = prior.compress([targets], rate)
    (levels,) = prior.compress_levels([targets], rate)
    assert len(levels) == len(GROUPS)
    (whole,) = prior.decompress([plain], shapes, rate)
    for level in range(1, len(levels) + 1):
        (coarse,) = prior.decompress_levels([levels[:level]], shapes, rate)
        assert np.array_equal(coarse, prior.decompress([plain], shapes, rate, level)[0])
        known = sum(GROUPS[:level])
        assert np.array_equal(coarse[:known], whole[:known])
        assert np.array_equal(coarse, whole) == (level >= groups)
        assert (coarse[sum(GROUPS[:groups]) :] == ZERO).all()


def test_the_reference_in_int64_reads_and_writes_the_same_bytes(prior, tensors):
    reference = build_prior(SKIPPING, SIZES, tensors, np.int64)
    for rate in RATES:
        targets = any_targets((8, 8), groups=2)
        payloads = prior.compress([targets], rate)
        assert reference.compress([targets], rate) == payloads
        decoded = [
            each.decompress(payloads, [targets.shape], rate)[0] for each in (prior, reference)
        ]
        assert np.array_equal(*decoded)


def test_every_cut_and_every_flipped_bit_gives_other_indices_or_an_error(prior):
    targets = any_targets((2, 2))
    (payload,) = prior.compress([targets], 255)
    (whole,) = prior.decompress([payload], [targets.shape], 255)
    cuts = [payload[:length] for length in range(len(payload))]
    number = int.from_bytes(payload, "big")
    flips = [
        (number ^ 1 << place).to_bytes(len(payload), "big") for place in range(8 * len(payload))
    ]
    for damaged in [*cuts, *flips, payload + b"\0", payload + b"\1"]:
        try:
            (decoded,) = prior.decompress([damaged], [targets.shape], 255)
        except CorruptStreamError:
            continue
        assert 0 <= decoded.min() <= decoded.max() < SIZE
        assert not np.array_equal(decoded, whole)


def test_samples_use_all_groups_and_come_back(prior):
    shape = (len(SIZES), 8, 8)
    for seed in range(4):
        sample = prior.sample(shape, 255, np.random.default_rng(seed), 1.0)
        assert (sample[-GROUPS[-1] :] != ZERO).any()
        payloads = prior.compress([sample], 255)
        assert np.array_equal(prior.decompress(payloads, [shape], 255)[0], sample)
        again = prior.sample(shape, 255, np.random.default_rng(seed), 1.0)
        assert np.array_equal(sample, again)


def test_the_stored_tensors_do_not_depend_on_the_option(prior, tensors):
    plain = build_prior(TABLE, SIZES, tensors)
    assert plain.tensors().keys() == prior.tensors().keys()
    targets = any_targets((3, 5))
    assert plain.compress([targets], 0) != prior.compress([targets], 0)
    assert np.array_equal(plain.decompress(plain.compress([targets], 0), [targets.shape], 0)[0],
                          plain.choose([targets], 0)[0])  # fmt: skip
