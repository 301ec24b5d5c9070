"""Latents to a waveform in NumPy's 64-bit floats, written from docs/FORMAT.md alone.

It follows 'Sounds, blocks' there, frame by frame and slot by slot.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_MOMENTS, NUM_SPLITS = 4, 5
FLOOR = 2.0**-28
NOISE_FRAMES = 256


def bark(hertz: Any) -> Any:
    return 26.81 * hertz / (1960 + hertz) - 0.53


@dataclass(frozen=True)
class Table:
    """The settings of a network."""

    sample_rate: int
    hop_length: int
    num_bands: int
    band_bins: int
    num_slots: int
    num_halved: int
    masking: float
    decoder_units: int

    @property
    def num_bins(self) -> int:
        return self.num_bands * self.band_bins

    @property
    def bin_hz(self) -> float:
        return self.sample_rate / (2 * self.hop_length)


def slot_edges(table: Table) -> list[float]:
    """Where slots begin and where the last one ends, in grid bands."""
    z = [bark(band * table.band_bins * table.bin_hz) for band in range(table.num_bands + 1)]
    edges = [slot / 2 for slot in range(2 * table.num_halved + 1)]
    for slot in range(2 * table.num_halved, table.num_slots):
        start, left = int(edges[-1]), table.num_slots - slot
        wanted = z[start] + (z[-1] - z[start]) / left
        nearest = min(range(table.num_bands + 1), key=lambda band: abs(z[band] - wanted))
        edges.append(min(max(nearest, start + 1), table.num_bands - left + 1))
    return edges


def slot_columns(edges: list[float]) -> list[int]:
    """The grid band in which the levels of each slot stand."""
    columns: list[int] = []
    for edge in edges[:-1]:
        columns.append(max(int(edge), columns[-1] + 1 if columns else 0))
    return columns


@dataclass(frozen=True)
class Band:
    """Slots of the same coefficients: one, or one for each moment."""

    first: int  # coefficient
    end: int
    slot: int  # the first one
    moments: int


class FrameSlots:
    """The slots of a frame with so many blocks."""

    def __init__(self, table: Table, num_blocks: int) -> None:
        self.table, self.num_blocks = table, num_blocks
        self.moments = min(num_blocks, MOST_MOMENTS)
        edges, self.bands = slot_edges(table), list[Band]()
        slot = 0
        while slot < table.num_slots:
            whole = table.num_halved > 0 and slot < 4
            moments = 1 if whole else self.moments
            first, end = (int(edges[at] * table.band_bins) for at in (slot, slot + moments))
            self.bands.append(Band(first, end, slot, moments))
            slot += moments
        self.place = np.arange(table.num_bins)
        self.block = self.place % num_blocks
        self.moment = self.block * self.moments // num_blocks
        self.own = np.zeros(table.num_bins, np.int64)  # slot of each coefficient
        for band in self.bands:
            inside = (band.first <= self.place) & (self.place < band.end)
            self.own[inside] = band.slot + (self.moment[inside] if band.moments > 1 else 0)
        self.centres = [bark((band.first + band.end) / 2 * table.bin_hz) for band in self.bands]

    def means(self, values: Floats) -> Floats:
        """Values [I] averaged over each slot, [S]."""
        counts = np.bincount(self.own, minlength=self.table.num_slots)
        return np.bincount(self.own, values, self.table.num_slots) / counts

    def interpolate(self, values: Floats) -> Floats:
        """Values [S] for each coefficient, [I], linear between the centres of slots."""
        z, result = bark((self.place + 0.5) * self.table.bin_hz), np.zeros(self.table.num_bins)
        for moment in range(self.moments):
            at = self.moment == moment
            known = [values[b.slot + (moment if b.moments > 1 else 0)] for b in self.bands]
            result[at] = np.interp(z[at], self.centres, known)
        return result

    def log2_thresholds(self, powers: Floats) -> Floats:
        """Of slots, [S], for their powers [S]."""
        result = np.zeros(self.table.num_slots)
        for masked, z in zip(self.bands, self.centres, strict=True):
            for moment in range(masked.moments):
                total = FLOOR
                for masking, other_z in zip(self.bands, self.centres, strict=True):
                    rate = -1.2 if z > other_z else 2.5
                    weight = 10 ** (rate * (z - other_z))
                    own = powers[masking.slot : masking.slot + masking.moments]
                    alike = masked.moments == masking.moments
                    total += weight * (own[moment] if alike else own.mean())
                result[masked.slot + moment] = self.table.masking / 2 * math.log2(total)
        return result


class ReferenceDecoder:
    def __init__(self, table: Table, tensors: Mapping[str, Floats]) -> None:
        """Take the tensors of a model without `decoder.` before their names."""
        self.table, self.tensors = table, tensors
        self.slots = [FrameSlots(table, 1 << split) for split in range(NUM_SPLITS)]
        hertz = np.arange(table.num_bins) * table.bin_hz
        self.high = np.clip(hertz / 1000 - 1, 0, 1)  # φ

    def decode(self, latents: Floats, rate: float, first_frame: int) -> Floats:
        """Return the waveform [2, F * hop] of latents [D, F]."""
        table, num_frames = self.table, latents.shape[1]
        books = latents.reshape(-1, table.num_bands, num_frames)
        splits = np.clip(np.floor(books[0, 0] + 0.5), 0, NUM_SPLITS - 1).astype(int)
        columns = slot_columns(slot_edges(table))
        levels, angles = books[1:3][:, columns], books[3][columns]  # [2, S, F], [S, F]
        scaled = self._coefficients(books[4:])
        mid_step = 1.4 * (0.3 / 1.4) ** rate
        steps = np.array([mid_step, 1.5 * mid_step])[:, None, None]
        powers = FLOOR * (2 ** (2 * steps * np.maximum(levels, 0)) - 1)
        factors = angles / math.floor(3.5 + 4 * rate)
        total = powers[0] * (1 + factors**2) + powers[1]
        frames = [self.slots[split] for split in splits]
        thresholds = [
            slots.interpolate(slots.log2_thresholds(total[:, f])) for f, slots in enumerate(frames)
        ]
        coded = scaled * np.exp2(thresholds)
        zeros = 1 - np.clip(np.abs(scaled) * 1e4, 0, 1)
        held, num_zeros = (
            np.stack([[s.means(x) for x in values[:, f]] for f, s in enumerate(frames)], axis=2)
            for values in (coded**2, zeros)
        )  # [2, S, F]
        doubt = (1 - 2**-steps) * np.minimum(powers, 4 * held)
        missing = np.maximum(0, powers - held - doubt) / (num_zeros + 0.001)
        least = 0.015 * np.stack([slots.means(self.high) for slots in frames], axis=1)
        missing = np.maximum(np.minimum(powers, missing), least * powers)
        one_hot = np.eye(NUM_SPLITS)[splits].T
        shares = np.clip(held / (powers + FLOOR), 0, 2)
        inputs = [*(steps * levels / 8 - 1), angles / 4, *shares, *num_zeros, one_hot]
        gains = self._gains(np.concatenate(inputs), rate).reshape(2, table.num_slots, num_frames)
        octaves = np.log2(missing + 1e-20) / 2 + 3 * np.tanh(gains / 3)
        result = coded.copy()
        for f, slots in enumerate(frames):
            for c in range(2):
                size = np.exp2(slots.interpolate(octaves[c, :, f])) * zeros[c, f]
                size *= self._shape(slots, scaled[c, f])
                result[c, f] += size * self._signs(c, first_frame + f)
            result[1, f] += factors[slots.own, f] * result[0, f]
        mid, side = synthesise(result, [slots.num_blocks for slots in frames], table.hop_length)
        return np.stack([mid + side, mid - side])

    def _coefficients(self, books: Floats) -> Floats:
        """Return the latents of coefficients, [2, F, I]."""
        _, num_bands, num_frames = books.shape
        band_bins = self.table.band_bins
        places = [*range(0, band_bins, 2), *range(1, band_bins, 2)]
        result = np.zeros((2, num_frames, num_bands, band_bins))
        for c in range(2):
            for k, place in enumerate(places):
                result[c, :, :, place] = books[c * band_bins + k].T
        return result.reshape(2, num_frames, -1)

    def _shape(self, slots: FrameSlots, scaled: Floats) -> Floats:
        """By what the size of the noise is multiplied, [I]."""
        kept = 0.5 if slots.num_blocks == 1 else 0.0
        factor = self.high + (1 - self.high) * kept
        if slots.num_blocks <= MOST_MOMENTS:
            return factor
        blocks = np.bincount(slots.block, scaled**2, slots.num_blocks)
        mean = blocks.reshape(MOST_MOMENTS, -1).mean(axis=1)[slots.moment]
        least = mean / 100 + FLOOR
        return factor * np.sqrt((blocks[slots.block] + least) / (mean + least))

    def _signs(self, channel: int, frame: int) -> Floats:
        num_bins = self.table.num_bins
        first = channel * num_bins + frame % NOISE_FRAMES * 2 * num_bins + 1
        x = np.arange(first, first + num_bins, dtype=np.uint64)
        for factor in (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D):
            x = x * np.uint64(factor) % np.uint64(1 << 32)
            x ^= x >> np.uint64(15)
        return np.where(x % np.uint64(2) == 1, 1.0, -1.0)

    def _gains(self, inputs: Floats, rate: float) -> Floats:
        """`head` of the features [2 * S, F]."""
        x = self._convolution(inputs, "widen")
        x = x * (1 + self._knots("scale", rate)) + self._knots("shift", rate)
        for unit in range(self.table.decoder_units):
            x = x + self._unit(x, f"units.{unit}.")
        return self._convolution(x, "head")

    def _convolution(self, x: Floats, name: str) -> Floats:
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        taps, num_frames = weight.shape[2], x.shape[1]
        padded = np.pad(x, ((0, 0), (taps // 2, taps // 2)))
        parts = [weight[:, :, a] @ padded[:, a : a + num_frames] for a in range(taps)]
        return bias[:, None] + np.sum(parts, axis=0)

    def _knots(self, name: str, rate: float) -> Floats:
        knots = self.tensors[f"modulation.{name}"]
        position = rate * (len(knots) - 1)
        left = min(int(position), len(knots) - 2)
        value: Floats = knots[left] + (knots[left + 1] - knots[left]) * (position - left)
        return value[:, None]

    def _unit(self, x: Floats, name: str) -> Floats:
        own = {key: self.tensors[name + key] for key in ("norm.weight", "norm.bias", "scale")}
        depthwise = self.tensors[f"{name}depthwise.weight"][:, 0]
        padded = np.pad(x, ((0, 0), (3, 3)))
        y = sum(depthwise[:, a, None] * padded[:, a : a + x.shape[1]] for a in range(7))
        y = y + self.tensors[f"{name}depthwise.bias"][:, None]
        y = (y - y.mean(axis=0)) / np.sqrt(y.var(axis=0) + 1e-5)
        y = y * own["norm.weight"][:, None] + own["norm.bias"][:, None]
        y = self._linear(y, f"{name}widen")
        y = y / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3)))
        return own["scale"][:, None] * self._linear(y, f"{name}narrow")

    def _linear(self, x: Floats, name: str) -> Floats:
        return self.tensors[f"{name}.weight"] @ x + self.tensors[f"{name}.bias"][:, None]


def synthesise(coefficients: Floats, nums_blocks: list[int], hop_length: int) -> Floats:
    """Return the samples [2, F * hop] of coefficients [2, F, I]."""
    samples = np.zeros((2, len(nums_blocks) * hop_length))
    blocks: list[tuple[int, int]] = []  # start and length
    for f, num_blocks in enumerate(nums_blocks):
        length = hop_length // num_blocks
        n, k = np.arange(length), np.arange(coefficients.shape[2] // num_blocks)
        basis = np.sqrt(2 / length) * np.cos(np.pi / length * (n[:, None] + 0.5) * (k + 0.5))
        for b in range(num_blocks):
            start = f * hop_length + b * length
            samples[:, start : start + length] = coefficients[:, f, b::num_blocks] @ basis.T
            blocks.append((start, length))
    for (_, length), (border, next_length) in itertools.pairwise(blocks):
        overlap = min(length, next_length) // 2
        j = np.arange(overlap)
        angle = np.pi / 4 * (1 + (j + 0.5) / overlap)
        g, h = np.sin(angle), np.cos(angle)
        p, q = samples[:, border + j], samples[:, border - 1 - j]
        samples[:, border + j], samples[:, border - 1 - j] = g * p - h * q, h * p + g * q
    return samples
