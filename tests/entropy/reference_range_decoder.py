"""The range decoder of docs/FORMAT.md in plain Python, written from that document alone."""

from collections.abc import Sequence

PRECISION = 24


class ReferenceRangeDecoder:
    """Decodes one symbol at a time with integers only."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.position = 0
        self.size = 2**64 - 1
        self.point = 0
        self.read_word()
        self.read_word()

    def read_word(self) -> None:
        word = self.payload[self.position : self.position + 4].ljust(4, b"\0")
        self.position += 4
        self.point = self.point << 32 | int.from_bytes(word, "big")

    def decode(self, freqs: Sequence[int]) -> int:
        if len(freqs) == 1:
            return 0
        scale = self.size >> PRECISION
        quantile = self.point // scale
        if quantile >= 1 << PRECISION:
            raise ValueError("no symbols encode to this payload")
        starts = scaled_starts(freqs)
        symbol = max(s for s in range(len(freqs)) if starts[s] <= quantile)
        self.point -= scale * starts[symbol]
        self.size = scale * (starts[symbol + 1] - starts[symbol])
        if self.size < 1 << 32:
            self.size <<= 32
            self.read_word()
        return symbol


def scaled_starts(freqs: Sequence[int]) -> list[int]:
    """Return the cumulative frequencies of the symbols, scaled to 2**24, and 2**24 at the end."""
    total, cumulative = sum(freqs), 0
    assert total & (total - 1) == 0
    starts = []
    for symbol, freq in enumerate(freqs):
        starts.append(cumulative * ((1 << PRECISION) - len(freqs)) // total + symbol)
        cumulative += freq
    return [*starts, 1 << PRECISION]
