import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcodec.entropy.fixed_width import pack, unpack
from vqcodec.errors import CorruptStreamError

pairs = st.integers(0, 31).flatmap(
    lambda bits: st.tuples(st.integers(0, 2**bits - 1), st.just(bits))
)


@given(st.lists(pairs, max_size=50))
def test_symbols_of_any_widths_come_back(pairs):
    symbols = np.array([symbol for symbol, _ in pairs], np.int32)
    widths = np.array([bits for _, bits in pairs], np.int64)
    payload = pack(symbols, widths)
    assert len(payload) == -(-widths.sum() // 8)
    unpacked = unpack(payload, widths, len(symbols))
    assert unpacked.dtype == np.int32
    assert np.array_equal(unpacked, symbols)


@pytest.mark.parametrize("num_symbols", [0, 1, 7, 8, 9, 10_000])
@pytest.mark.parametrize("bits", [0, 1, 10, 31])
def test_symbols_of_one_width_come_back(num_symbols, bits):
    symbols = np.random.default_rng(bits).integers(0, 2**bits, num_symbols, np.int32)
    assert np.array_equal(unpack(pack(symbols, bits), bits, num_symbols), symbols)


def test_the_first_symbol_is_in_the_highest_bits():
    assert pack(np.array([5, 0, 1023], np.int32), np.array([3, 2, 10])).hex() == "a7fe"


@pytest.mark.parametrize("symbol", [8, -1])
def test_a_symbol_too_large_for_its_bits_is_our_mistake(symbol):
    with pytest.raises(AssertionError):
        pack(np.array([symbol], np.int32), 3)


@pytest.mark.parametrize("payload", [b"", b"\xa0", b"\xa0\x00\x00"])
def test_a_payload_of_another_length_is_damage(payload):
    with pytest.raises(CorruptStreamError, match="needed 2"):
        unpack(payload, 3, 4)


def test_a_bit_after_the_last_symbol_is_damage():
    assert unpack(b"\xa0\x10", 3, 4).tolist() == [5, 0, 0, 1]
    with pytest.raises(CorruptStreamError, match="after the last symbol"):
        unpack(b"\xa0\x11", 3, 4)
