import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_range_decoder import ReferenceRangeDecoder

from vqcodec.entropy.frequencies import MAX_ALPHABET, TOTAL, freqs_from_probabilities
from vqcodec.entropy.range_coder import (
    SymbolDecoder,
    SymbolEncoder,
    SymbolSampler,
    code_rows,
)
from vqcodec.entropy.tables import FrequencyTables
from vqcodec.errors import CorruptStreamError, ModelFileError, UsageError


def random_freqs(rng, num_rows, alphabet):
    return freqs_from_probabilities(rng.random((num_rows, alphabet)) ** 8 + 1e-9)


def draw(rng, freqs):
    return SymbolSampler(rng).code(freqs)


def encode(freqs, symbols):
    encoder = SymbolEncoder()
    encoder.code(freqs, symbols)
    return encoder.finish()


def decode(payload, freqs):
    decoder = SymbolDecoder(payload)
    symbols = decoder.code(freqs)
    decoder.finish()
    return symbols


def ideal_bits(freqs, symbols):
    return -np.log2(freqs[np.arange(len(symbols)), symbols] / TOTAL).sum()


@pytest.mark.parametrize("num_symbols", [0, 1, 2, 3, 500])
@pytest.mark.parametrize("alphabet", [1, 2, 3, 1024, MAX_ALPHABET])
def test_decoded_symbols_equal_the_original(num_symbols, alphabet):
    rng = np.random.default_rng(num_symbols)
    freqs = random_freqs(rng, num_symbols, alphabet)
    symbols = draw(rng, freqs)
    decoded = decode(encode(freqs, symbols), freqs)
    assert decoded.dtype == np.int32
    assert np.array_equal(decoded, symbols)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(0, 60), st.booleans())
def test_a_decoder_written_from_the_format_document_agrees(seed, alphabet, num_symbols, likely):
    rng = np.random.default_rng(seed)
    freqs = random_freqs(rng, num_symbols, alphabet)
    symbols = draw(rng, freqs) if likely else rng.integers(0, alphabet, num_symbols, np.int32)
    payload = encode(freqs, symbols)
    reference = ReferenceRangeDecoder(payload)
    assert [reference.decode(row) for row in freqs.tolist()] == symbols.tolist()
    assert np.array_equal(decode(payload, freqs), symbols)


@given(st.binary(max_size=20), st.integers(0, 2**32))
def test_any_payload_decodes_as_the_format_document_says(payload, seed):
    freqs = random_freqs(np.random.default_rng(seed), 12, 5)
    reference = ReferenceRangeDecoder(payload)
    try:
        expected = [reference.decode(row) for row in freqs.tolist()]
    except ValueError:
        with pytest.raises(CorruptStreamError):
            SymbolDecoder(payload).code(freqs)
        return
    assert SymbolDecoder(payload).code(freqs).tolist() == expected


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_no_shorter_payload_decodes_to_the_same_symbols(seed, num_symbols):
    rng = np.random.default_rng(seed)
    freqs = random_freqs(rng, num_symbols, 3)
    symbols = draw(rng, freqs)
    payload = encode(freqs, symbols)
    assert not payload.endswith(b"\0")
    # Values of fewer bytes lie on a grid; only those next to the payload can be in the interval.
    length = max(len(payload) - 1, 0)
    below = int.from_bytes(payload[:length], "big")
    for value in (below, min(below + 1, 256**length - 1)):
        shorter = value.to_bytes(length, "big")
        if shorter != payload:
            reference = ReferenceRangeDecoder(shorter)
            assert [reference.decode(row) for row in freqs.tolist()] != symbols.tolist()


@pytest.mark.parametrize("symbol", [0, 1, MAX_ALPHABET - 1])
def test_a_symbol_of_frequency_1_takes_about_16_bits(symbol):
    freqs = np.ones((20, MAX_ALPHABET), np.uint32)
    freqs[:, MAX_ALPHABET // 2] += TOTAL - MAX_ALPHABET
    symbols = np.full(20, symbol, np.int32)
    payload = encode(freqs, symbols)
    assert np.array_equal(decode(payload, freqs), symbols)
    assert len(payload) <= 41
    reference = ReferenceRangeDecoder(payload)
    assert [reference.decode(row) for row in freqs.tolist()] == symbols.tolist()


def test_payloads_are_less_than_a_byte_longer_than_the_symbols_information():
    rng = np.random.default_rng(5)
    for num_symbols in range(1, 200):
        freqs = random_freqs(rng, num_symbols, 50)
        symbols = draw(rng, freqs)
        size_bits = 8 * len(encode(freqs, symbols))
        assert size_bits < 1.0005 * ideal_bits(freqs, symbols) + 9


def test_the_most_likely_first_symbols_cost_nothing():
    freqs = np.tile(np.array([TOTAL - 1, 1], np.uint32), (5, 1))
    assert encode(freqs, np.zeros(5, np.int32)) == b""
    assert decode(b"", freqs).tolist() == [0] * 5


def test_a_carry_through_many_words_is_correct():
    half = np.full((1, 2), TOTAL // 2, np.uint32)
    narrow = np.tile(np.array([1, TOTAL - 2, 1], np.uint32), (1, 1))
    for last in (0, 1, 2):
        for num_middle in (0, 1, 5, 60, 300):
            encoder = SymbolEncoder()
            encoder.code(half, np.array([0], np.int32))
            encoder.code(half, np.array([1], np.int32))
            encoder.code(np.repeat(narrow, num_middle, 0), np.full(num_middle, 2, np.int32))
            encoder.code(narrow, np.array([last], np.int32))
            payload = encoder.finish()
            decoder = SymbolDecoder(payload)
            assert decoder.code(np.repeat(half, 2, 0)).tolist() == [0, 1]
            assert decoder.code(np.repeat(narrow, num_middle, 0)).tolist() == [2] * num_middle
            assert decoder.code(narrow).tolist() == [last]
            decoder.finish()


def test_symbols_may_be_split_into_any_calls():
    rng = np.random.default_rng(2)
    freqs = random_freqs(rng, 30, 10)
    symbols = draw(rng, freqs)
    encoder = SymbolEncoder()
    for start, stop in ((0, 1), (1, 1), (1, 20), (20, 30)):
        coded = encoder.code(freqs[start:stop], symbols[start:stop])
        assert np.array_equal(coded, symbols[start:stop])
    assert encoder.finish() == encode(freqs, symbols)
    decoder = SymbolDecoder(encoder.finish())
    decoded = [decoder.code(freqs[start:stop]) for start, stop in ((0, 7), (7, 30))]
    decoder.finish()
    assert np.array_equal(np.concatenate(decoded), symbols)


def test_the_memory_order_of_frequencies_does_not_matter():
    rng = np.random.default_rng(3)
    freqs = random_freqs(rng, 20, 6)
    symbols = draw(rng, freqs)
    payload = encode(np.asfortranarray(freqs), symbols[::-1][::-1])
    assert payload == encode(freqs, symbols)
    assert np.array_equal(decode(payload, np.asfortranarray(freqs)), symbols)


def test_version_1_payloads_are_unchanged():
    freqs = np.array([[32768, 16384, 8192, 8192]] * 4 + [[1, 1, 65533, 1]] * 3, np.uint32)
    symbols = np.array([2, 0, 1, 3, 2, 0, 3], np.int32)
    payload = bytes.fromhex("cb8000557b66")
    assert encode(freqs, symbols).hex() == payload.hex()
    assert np.array_equal(decode(payload, freqs), symbols)


# Damage


@pytest.fixture
def damaged_case():
    rng = np.random.default_rng(7)
    freqs = random_freqs(rng, 40, 30)
    symbols = draw(rng, freqs)
    return freqs, symbols, encode(freqs, symbols)


def assert_noticed_or_different(payload, freqs, symbols):
    try:
        decoded = decode(payload, freqs)
    except CorruptStreamError:
        return
    assert decoded.shape == symbols.shape
    assert np.all((decoded >= 0) & (decoded < freqs.shape[1]))
    assert not np.array_equal(decoded, symbols)


def test_no_cut_payload_decodes_to_the_same_symbols(damaged_case):
    freqs, symbols, payload = damaged_case
    for length in range(len(payload)):
        assert_noticed_or_different(payload[:length], freqs, symbols)


def test_no_flipped_bit_decodes_to_the_same_symbols(damaged_case):
    freqs, symbols, payload = damaged_case
    for bit in range(8 * len(payload)):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        assert_noticed_or_different(bytes(damaged), freqs, symbols)


@pytest.mark.parametrize("extra", [b"\0", b"\1", b"\0\0\0\0", b"more of it than a word"])
def test_bytes_after_the_last_symbol_are_damage(damaged_case, extra):
    freqs, symbols, payload = damaged_case
    decoder = SymbolDecoder(payload + extra)
    assert np.array_equal(decoder.code(freqs), symbols)
    with pytest.raises(CorruptStreamError, match=f"needed {len(payload)} bytes"):
        decoder.finish()


def test_undecoded_symbols_in_a_payload_are_damage(damaged_case):
    freqs, _, payload = damaged_case
    decoder = SymbolDecoder(payload)
    decoder.code(freqs[:-5])
    with pytest.raises(CorruptStreamError):
        decoder.finish()


@pytest.mark.parametrize("payload", [b"\0", b"\1", bytes(9)])
def test_a_payload_for_no_symbols_is_damage(payload):
    with pytest.raises(CorruptStreamError, match="needed 0 bytes"):
        SymbolDecoder(payload).finish()


def test_a_payload_that_no_symbols_encode_to_is_damage():
    tables = FrequencyTables(np.full((1, 4), TOTAL // 4, np.uint32))
    with pytest.raises(CorruptStreamError, match="no symbols"):
        SymbolDecoder(b"\xff" * 12).code(tables.freqs)
    with pytest.raises(CorruptStreamError, match="no symbols"):
        SymbolDecoder(b"\xff" * 12).code_with_tables(tables, np.zeros(1, np.uint16))


def test_an_encoder_without_symbols_is_an_assertion_error():
    tables = FrequencyTables(np.full((1, 4), TOTAL // 4, np.uint32))
    with pytest.raises(AssertionError):
        SymbolEncoder().code(tables.freqs)
    with pytest.raises(AssertionError):
        SymbolEncoder().code_with_tables(tables, np.zeros(1, np.uint16))


# Tables


@pytest.mark.parametrize("num_symbols", [0, 1, 2, 3000])
@pytest.mark.parametrize(("num_tables", "alphabet"), [(1, 1), (1, 2), (7, 1), (40, 64)])
def test_symbols_coded_with_tables_are_decoded(num_symbols, num_tables, alphabet):
    rng = np.random.default_rng(num_symbols)
    tables = FrequencyTables(random_freqs(rng, num_tables, alphabet))
    table_ids = rng.integers(0, num_tables, num_symbols, np.uint16)
    symbols = SymbolSampler(rng).code_with_tables(tables, table_ids)
    encoder = SymbolEncoder()
    assert np.array_equal(encoder.code_with_tables(tables, table_ids, symbols), symbols)
    decoder = SymbolDecoder(encoder.finish())
    decoded = decoder.code_with_tables(tables, table_ids)
    decoder.finish()
    assert decoded.dtype == np.int32
    assert np.array_equal(decoded, symbols)


def test_coding_with_tables_equals_coding_with_rows_in_order_of_table():
    rng = np.random.default_rng(4)
    tables = FrequencyTables(random_freqs(rng, 9, 12))
    table_ids = rng.integers(0, 9, 100, np.uint16)
    symbols = SymbolSampler(rng).code_with_tables(tables, table_ids)
    encoder = SymbolEncoder()
    encoder.code_with_tables(tables, table_ids, symbols)
    order = sorted(range(100), key=lambda place: (table_ids[place], place))
    assert encoder.finish() == encode(tables.freqs[table_ids[order]], symbols[order])


@pytest.mark.parametrize("num_symbols", [0, 1, 44, 200])
@pytest.mark.parametrize("num_rows", [1, 3, 16])
def test_rows_decode_side_by_side_as_alone(num_rows, num_symbols):
    rng = np.random.default_rng(num_rows)
    freqs = random_freqs(rng, 12, 9)
    for table, length in enumerate([1, 3, 3, 1, 9, 5, 3, 9, 9, 1, 2, 2]):  # not sorted
        freqs[table, length:] = 0
        freqs[table, 0] += TOTAL - freqs[table].sum()
    tables = FrequencyTables(freqs)
    table_ids = rng.integers(0, 12, (num_rows, num_symbols), np.uint16)
    symbols = np.stack([SymbolSampler(rng).code_with_tables(tables, row) for row in table_ids])
    alone, beside = ([SymbolEncoder() for _ in table_ids] for _ in range(2))
    for coder, row, known in zip(alone, table_ids, symbols, strict=True):
        coder.code_with_tables(tables, row, known)
    assert np.array_equal(code_rows(beside, tables, table_ids, symbols), symbols)
    payloads = [coder.finish() for coder in beside]
    assert payloads == [coder.finish() for coder in alone]
    decoders = [SymbolDecoder(payload) for payload in payloads]
    assert np.array_equal(code_rows(decoders, tables, table_ids, None), symbols)
    for decoder in decoders:
        decoder.finish()


def test_the_last_of_65536_tables_is_used():
    freqs = np.tile(np.array([TOTAL - 1, 1], np.uint32), (1 << 16, 1))
    freqs[-1] = [1, TOTAL - 1]
    tables = FrequencyTables(freqs)
    encoder = SymbolEncoder()
    encoder.code_with_tables(tables, np.array([65535, 0], np.uint16), np.array([1, 0], np.int32))
    assert encoder.finish() == encode(freqs[[0, -1]], np.array([0, 1], np.int32))


@pytest.mark.parametrize(
    "freqs",
    [
        np.zeros((0, 2), np.uint32),
        np.zeros((2, 0), np.uint32),
        np.full(2, TOTAL // 2, np.uint32),
        np.array([[0, TOTAL]], np.uint32),
        np.array([[TOTAL // 2, TOTAL // 2 + 1]], np.uint32),
        np.array([[TOTAL // 2, TOTAL // 2], [1, 1]], np.uint32),
        np.array([[2**31, 2**31, TOTAL]], np.uint32),
        np.full(((1 << 16) + 1, 1), TOTAL, np.uint32),
    ],
)
def test_invalid_tables_are_refused(freqs):
    with pytest.raises(ModelFileError, match="frequency tables"):
        FrequencyTables(freqs)


# Sampling


def test_samples_follow_the_frequencies():
    freqs = np.tile(np.array([1, 16384, 32767, 16384], np.uint32), (40_000, 1))
    counts = np.bincount(SymbolSampler(np.random.default_rng(0)).code(freqs), minlength=4)
    assert np.allclose(counts / 40_000, [0, 0.25, 0.5, 0.25], atol=0.01)


def test_a_lower_temperature_sharpens_and_a_higher_one_flattens():
    freqs = np.tile(np.array([16384, 49152], np.uint32), (40_000, 1))
    for temperature in (0.5, 2.0):
        drawn = SymbolSampler(np.random.default_rng(0), temperature).code(freqs)
        assert drawn.mean() == pytest.approx(
            3 ** (1 / temperature) / (1 + 3 ** (1 / temperature)), abs=0.01
        )


@pytest.mark.parametrize("temperature", [0.0, 1e-3])
def test_temperature_0_takes_the_first_most_likely_symbol(temperature):
    freqs = np.array([[1, 65533, 1, 1], [65533, 1, 1, 1]], np.uint32)
    drawn = SymbolSampler(np.random.default_rng(0), temperature).code(freqs)
    assert drawn.dtype == np.int32
    assert drawn.tolist() == [1, 0]
    even = np.full((1, 4), TOTAL // 4, np.uint32)
    assert SymbolSampler(np.random.default_rng(0), 0).code(even).tolist() == [0]


def test_samples_depend_on_the_seed_only():
    freqs = random_freqs(np.random.default_rng(0), 50, 20)
    first, second = (SymbolSampler(np.random.default_rng(9)).code(freqs) for _ in range(2))
    assert np.array_equal(first, second)


def test_a_point_rounded_up_to_the_end_is_the_last_symbol():
    class LastPoint(np.random.Generator):
        def random(self, size):
            return np.ones(size)

    sampler = SymbolSampler(LastPoint(np.random.PCG64(0)))
    assert sampler.code(np.full((2, 4), TOTAL // 4, np.uint32)).tolist() == [3, 3]


@pytest.mark.parametrize("temperature", [-1.0, float("nan")])
def test_a_temperature_below_0_is_refused(temperature):
    with pytest.raises(UsageError, match="temperature"):
        SymbolSampler(np.random.default_rng(0), temperature)


def test_used_tables_can_be_sent_to_another_process():
    tables = FrequencyTables(np.array([[60_000, 5_536, 0], [1, 2, 65_533]], np.uint32))
    table_ids, symbols = np.ones(9, np.uint16), np.array([2, 0, 1, 2, 2, 2, 1, 2, 2], np.int32)

    def payload(own):
        encoder = SymbolEncoder()
        encoder.code_with_tables(own, table_ids, symbols)
        return encoder.finish()

    before = payload(tables)
    assert payload(pickle.loads(pickle.dumps(tables))) == before == payload(tables)
