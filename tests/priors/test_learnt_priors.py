"""The learnt priors in integers: indices come back, coding is causal, floats agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vqcodec.entropy.range_coder import SymbolEncoder
from vqcodec.errors import CorruptStreamError, ModelFileError
from vqcodec.priors import build_prior
from vqcodec.priors.logistic import read_logistic_tables
from vqcodec.priors.order import phase_offsets

in_session = settings(  # the fixtures do not change, so that examples may share them
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_indices_come_back_at_every_size_and_rate(case):
    for rate in case.rates:
        for grid in case.grids:
            indices = case.indices(rate, grid)
            payloads = case.prior.compress([indices], rate)
            decoded = case.prior.decompress(payloads, [indices.shape], rate)
            assert np.array_equal(decoded[0], indices)


def test_a_segment_without_frames_has_no_bits(case):
    if case.table["kind"] == "frames":
        nothing = case.indices(case.rates[-1], (0,))
        assert case.prior.compress([nothing], case.rates[-1]) == [b""]


def test_no_segments_are_no_payloads(case):
    assert case.prior.compress([], case.rates[0]) == []


def test_segments_side_by_side_are_coded_as_one_at_a_time(case):
    rate = case.rates[-1]
    segments = [case.indices(rate, grid, seed) for seed, grid in enumerate(case.grids)]
    payloads = case.prior.compress(segments, rate)
    alone = [case.prior.compress([segment], rate)[0] for segment in segments]
    assert payloads == alone
    shapes = [segment.shape for segment in segments]
    decoded = case.prior.decompress(payloads[::-1], shapes[::-1], rate)
    assert all(map(np.array_equal, decoded, segments[::-1]))


def test_ordinary_indices_are_valid_and_of_few_bits(case):
    for rate in case.rates:
        for grid in case.grids:
            others = case.indices(rate, grid)
            indices = case.prior.ordinary(others.shape, rate)
            assert indices.shape == others.shape
            (payload,) = case.prior.compress([indices], rate)
            assert np.array_equal(
                case.prior.decompress([payload], [indices.shape], rate)[0], indices
            )
            if case.table["kind"] != "frames":  # the others take what is likeliest
                costs, of_others = case.prior.bits_of([indices, others], rate)
                assert costs.sum() <= of_others.sum()


def test_the_bits_of_indices_add_up_to_their_payload(case):
    for rate in case.rates:
        segments = [case.indices(rate, grid) for grid in case.grids]
        bits = case.prior.bits_of(segments, rate)
        payloads = case.prior.compress(segments, rate)
        for segment, costs, payload in zip(segments, bits, payloads, strict=True):
            assert costs.shape == segment.shape
            # `compress` spends the tail of its last byte, and up to a byte to end where it must.
            assert costs.sum() == pytest.approx(8 * len(payload), abs=12)


def test_the_reference_in_int64_reads_and_writes_the_same_bytes(case):
    for rate in case.rates:
        indices = case.indices(rate, case.grids[-1])
        payloads = case.prior.compress([indices], rate)
        assert case.reference.compress([indices], rate) == payloads
        decoded = case.reference.decompress(payloads, [indices.shape], rate)
        assert np.array_equal(decoded[0], indices)


def structured(shape, size):
    """A ramp. An untrained prior does not expect it, so that rounding does not even out."""
    ramp = np.arange(shape[-1]) % 5 + size // 2 - 2
    return np.broadcast_to(ramp, shape).copy()


def likely(case, shape, rate):
    return case.prior.sample(shape, rate, np.random.default_rng(rate), 1.0)


def random(shape, size, rate):
    near = np.random.default_rng(rate).normal(size // 2, 3, shape)
    return near.round().clip(0, size - 1).astype(np.int64)


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("likely", 0.005), ("random", 0.01), ("structured", 0.02)]
)
def test_freezing_adds_few_bits(case, kind, tolerance):
    grid = (20, 20) if case.table["kind"] == "grid" else (300,)
    size = case.quantizer.codebook_sizes[0]
    float_bits = payload_bits = 0.0
    for rate in case.rates[1:]:
        shape = (case.quantizer.config.codebooks_at(rate), *grid)
        indices = {
            "likely": lambda shape=shape, rate=rate: likely(case, shape, rate),
            "random": lambda shape=shape, rate=rate: random(shape, size, rate),
            "structured": lambda shape=shape: structured(shape, size),
        }[kind]()
        float_bits += case.float_bits(indices, rate)
        payload_bits += 8 * len(case.prior.compress([indices], rate)[0])
    assert payload_bits == pytest.approx(float_bits, rel=tolerance)


class Recorder(SymbolEncoder):
    """Keeps the frequencies under which each symbol is coded, in order of place in the call."""

    def __init__(self):
        super().__init__()
        self.freqs = []

    def code(self, freqs, symbols=None):
        self.freqs.extend(row.tobytes() for row in freqs)
        return super().code(freqs, symbols)

    def code_with_tables(self, tables, table_ids, symbols=None):
        self.freqs.extend(tables.freqs[number].tobytes() for number in table_ids)
        return super().code_with_tables(tables, table_ids, symbols)


def coding_order(case, shape):
    """The places in indices [K', ...] in the order that docs/FORMAT.md gives, and their calls.

    Symbols of one call do not see each other.
    """
    places, calls, first, groups = [], [], 0, []
    for size in case.table["groups"]:
        groups.append(range(first, min(first + size, shape[0])))
        first += size
    if case.table["kind"] == "frames":
        steps = [[(frame,)] for frame in range(shape[1])]
        rounds = [(step, books) for step in steps for books in groups]
    else:
        period, (_, height, width) = case.table["period"], shape
        steps = [
            [(y, x) for y in range(row, height, period) for x in range(column, width, period)]
            for row, column in phase_offsets((period, period))
        ]
        rounds = [(step, books) for books in groups for step in steps]
    for call, (step, books) in enumerate(rounds):
        for place in step:
            places.extend((book, *place) for book in books)
            calls.extend(call for _ in books)
    return places, calls


def recorded(case, indices, rate):
    recorder = Recorder()
    case.prior.code([recorder], [indices.shape], rate, [indices])
    return recorder.freqs


class Meter(SymbolEncoder):
    """Keeps the bits of each symbol, in order of place in the call."""

    def __init__(self):
        super().__init__()
        self.bits = []

    def code(self, freqs, symbols=None):
        self._add(freqs, symbols)
        return super().code(freqs, symbols)

    def code_with_tables(self, tables, table_ids, symbols=None):
        self._add(tables.freqs[table_ids], symbols)
        return super().code_with_tables(tables, table_ids, symbols)

    def _add(self, rows, symbols):
        self.bits.extend(np.log2(rows.sum(axis=1) / rows[np.arange(len(symbols)), symbols]))


def test_each_index_has_the_bits_of_its_symbol(case):
    rate, middle = case.rates[-1], case.quantizer.codebook_sizes[0] // 2
    indices = case.indices(rate, case.grids[-1]).clip(middle - 2, middle + 2)  # no escapes
    meter = Meter()
    case.prior.code([meter], [indices.shape], rate, [indices])
    (bits,) = case.prior.bits_of([indices], rate)
    places, _ = coding_order(case, indices.shape)
    assert [bits[place] for place in places] == pytest.approx(meter.bits)


def test_no_frequency_depends_on_later_indices(case):
    for rate in case.rates[1::2]:
        grid = (5, 6) if case.table["kind"] == "grid" else (9,)
        middle = case.quantizer.codebook_sizes[0] // 2
        indices = case.indices(rate, grid).clip(middle - 2, middle + 2)  # no escapes
        places, calls = coding_order(case, indices.shape)
        assert len(set(places)) == indices.size
        before = recorded(case, indices, rate)
        assert len(before) == indices.size
        seen = 0
        for number in range(0, len(places), 7):
            changed = indices.copy()
            changed[places[number]] += 1
            after = recorded(case, changed, rate)
            told = sum(call <= calls[number] for call in calls)
            assert after[:told] == before[:told]
            seen += after[told:] != before[told:]
        assert seen  # or the test proves nothing


def test_no_float_prediction_depends_on_later_indices(case):
    grid = (5, 6) if case.table["kind"] == "grid" else (9,)
    rate = case.rates[-1]
    indices = case.indices(rate, grid)
    places, calls = coding_order(case, indices.shape)

    def predictions(values):
        with torch.no_grad():
            groups = case.network(torch.from_numpy(values)[None], torch.ones(1), None)
        whole = torch.cat([group.movedim(-2, 1) for group in groups], dim=1)[0]  # [K, ..., O]
        return [whole[place] for place in places]

    before = predictions(indices)
    for number in range(0, len(places), 13):
        changed = indices.copy()
        changed[places[number]] = 0 if indices[places[number]] else 1
        after = predictions(changed)
        told = sum(call <= calls[number] for call in calls)
        assert all(map(torch.equal, after[:told], before[:told]))


def test_indices_at_the_ends_of_the_codebook_come_back(case):
    rate, size = case.rates[-1], case.quantizer.codebook_sizes[0]
    ends = np.random.default_rng(0).choice([0, size - 1], case.indices(rate, case.grids[-1]).shape)
    payloads = case.prior.compress([ends], rate)
    assert np.array_equal(case.prior.decompress(payloads, [ends.shape], rate)[0], ends)


@in_session
@given(payload=st.binary(max_size=60), number=st.integers(0, 3))
def test_a_random_payload_is_refused_or_decodes_within_the_codebook(case, payload, number):
    rate = case.rates[number]
    shape = (case.quantizer.config.codebooks_at(rate), *case.grids[-2])
    try:
        decoded = case.prior.decompress([payload], [shape], rate)[0]
    except CorruptStreamError:
        return
    assert 0 <= decoded.min() <= decoded.max() < case.quantizer.codebook_sizes[0]


def test_every_changed_byte_of_a_payload_gives_other_indices_or_an_error(case):
    rate = case.rates[-1]
    indices = case.indices(rate, case.grids[-2])
    payload = case.prior.compress([indices], rate)[0]
    for position in range(len(payload)):
        damaged = bytearray(payload)
        damaged[position] ^= 0x55
        try:
            decoded = case.prior.decompress([bytes(damaged)], [indices.shape], rate)[0]
        except CorruptStreamError:
            continue
        assert not np.array_equal(decoded, indices)


@pytest.mark.parametrize("change", ["cut", "longer", "zero"])
def test_a_payload_that_does_not_end_with_its_last_symbol_is_refused(case, change):
    rate = case.rates[-1]
    indices = case.indices(rate, case.grids[-1])
    payload = case.prior.compress([indices], rate)[0]
    changed = {"cut": payload[:-1], "longer": payload + b"\x80", "zero": payload + b"\0"}[change]
    with pytest.raises(CorruptStreamError):
        decoded = case.prior.decompress([changed], [indices.shape], rate)
        assert not np.array_equal(decoded[0], indices)
        raise CorruptStreamError  # other indices: the section's CRC detects them


def test_samples_depend_on_the_seed_alone(case):
    rate = case.rates[-1]
    shape = case.indices(rate, case.grids[-1]).shape

    def sample(seed, temperature=1.0, prior=case.prior):
        return prior.sample(shape, rate, np.random.default_rng(seed), temperature)

    assert sample(1).shape == shape
    assert np.array_equal(sample(1), sample(1))
    assert np.array_equal(sample(1), sample(1, prior=case.reference))
    assert not np.array_equal(sample(1), sample(2))
    assert not np.array_equal(sample(1), sample(1, temperature=2.0))
    assert np.array_equal(sample(1, temperature=0), sample(2, temperature=0))


def test_samples_stay_within_the_codebook(case):
    shape = case.indices(case.rates[-1], case.grids[-1]).shape
    for seed in range(5):
        drawn = case.prior.sample(shape, case.rates[-1], np.random.default_rng(seed), 50.0)
        assert 0 <= drawn.min() <= drawn.max() < case.quantizer.codebook_sizes[0]


def test_a_likely_sample_costs_less_than_a_random_one(case):
    rate = case.rates[-1]
    shape = case.indices(rate, case.grids[-1]).shape
    likely = case.prior.sample(shape, rate, np.random.default_rng(0), 0.5)
    size = case.quantizer.codebook_sizes[0]
    anything = np.random.default_rng(0).integers(0, size, shape)
    small, large = case.prior.compress([likely, anything], rate)
    assert len(small) < len(large)


def test_the_stored_tensors_give_the_same_prior(case):
    sizes = case.quantizer.codebook_sizes
    again = build_prior(case.table, sizes, case.prior.tensors())
    indices = case.indices(case.rates[-1], case.grids[-1])
    assert again.compress([indices], 2) == case.prior.compress([indices], 2)
    assert all(tensor.dtype.kind in "iu" for tensor in case.prior.tensors().values())


def with_few_tables(tensors):
    """The tensors with every eighth scale of a logistic head: they are read much faster."""
    if "tables" not in tensors:
        return tensors
    known = read_logistic_tables(tensors["tables"])
    by_scale = known.freqs.reshape(-1, 1 << known.fraction_bits, known.freqs.shape[1])
    few = by_scale[:: known.per_octave, :: 1 << known.fraction_bits - 4]
    return {**tensors, "tables": few[few > 0]}


def test_every_tensor_is_needed_and_checked(case):
    tensors, sizes = with_few_tables(case.prior.tensors()), case.quantizer.codebook_sizes
    build_prior(case.table, sizes, tensors)
    for name, tensor in tensors.items():
        broken = [
            {key: value for key, value in tensors.items() if key != name},
            {**tensors, name: tensor.astype(np.float32)},
            {**tensors, name: np.concatenate([tensor.reshape(-1), tensor.reshape(-1)])},
            {**tensors, name: tensor.reshape(-1)[:0]},
            {**tensors, name: tensor[None]},
        ]
        for attempt in broken:
            with pytest.raises(ModelFileError):
                build_prior(case.table, sizes, attempt)


def test_a_prior_that_is_not_finite_is_not_frozen(case):
    broken = {name: value.clone() for name, value in case.network.state_dict().items()}
    kept = dict(broken)
    broken["rate_state"] = torch.full_like(broken["rate_state"], float("nan"))
    case.network.load_state_dict(broken)
    try:
        with pytest.raises(ModelFileError, match="not finite"):
            case.network.freeze(torch.linspace(0, 1, 256))
    finally:
        case.network.load_state_dict(kept)
