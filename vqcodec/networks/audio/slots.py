"""Slots: the bands and moments of a frame whose levels are coded."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vqcodec.modalities.audio.config import SPLITS, BlocksConfig
from vqcodec.networks.audio.bands import bark
from vqcodec.priors.config import free_columns

MOST_MOMENTS = 4  # parts of a split frame with levels of their own
FLOOR = 2.0**-14  # the level of a slot that counts as silent
SPREAD_UP, SPREAD_DOWN = 12.0, 25.0  # dB per critical band, of masking by a louder band
LEAST_RHYTHM = 0.01  # of the mean power of a moment, in its blocks


class Slots(nn.Module):
    """Sums over the slots of a frame, for every way to split it.

    A frame has the same number of slots whatever its split. A whole frame has one moment and the
    most bands; a split frame has up to `MOST_MOMENTS` moments and fewer, wider bands. If grid bands
    are halved, the lowest `MOST_MOMENTS` slots are the same bands in all frames.

    Attributes:
        member: [splits, slots, bins], 1 where a coefficient belongs to a slot.
        share: [splits, slots, bins], interpolates between the centres of bands; columns add up
            to 1.
        spread: [splits, slots, slots], how much of the power of a slot masks another one.
    """

    one_hot: Tensor
    member: Tensor
    share: Tensor
    spread: Tensor

    def __init__(self, config: BlocksConfig) -> None:
        super().__init__()
        self.masking = config.masking
        self.register_buffer("one_hot", torch.eye(len(SPLITS)), persistent=False)
        tables = [_tables(config, split) for split in SPLITS]
        for name, parts in zip(
            ("member", "share", "spread"), zip(*tables, strict=True), strict=True
        ):
            self.register_buffer(name, torch.stack(parts), persistent=False)

    def chosen(self, choice: Tensor) -> Tensor:
        """Return the splits [B, F, splits], 1 or 0, of choices [B, F]."""
        return self.one_hot[choice]

    def sums(self, values: Tensor, chosen: Tensor) -> Tensor:
        """Return sums [B, C, F, slots] of values [B, C, F, bins]; chosen [B, F, splits]."""
        return self._of_splits(values, self.member.transpose(1, 2), chosen)

    def means(self, values: Tensor, chosen: Tensor) -> Tensor:
        """Return means [B, C, F, slots] of values [B, C, F, bins]."""
        counts = torch.matmul(chosen, self.member.sum(2))  # [B, F, slots]
        return self.sums(values, chosen) / counts[:, None]

    def expand(self, values: Tensor, chosen: Tensor) -> Tensor:
        """Return values [B, C, F, slots] for the coefficients of each slot, [B, C, F, bins]."""
        return self._of_splits(values, self.member, chosen)

    def interpolate(self, values: Tensor, chosen: Tensor) -> Tensor:
        """Return values [B, C, F, slots] interpolated over frequency, [B, C, F, bins]."""
        return self._of_splits(values, self.share, chosen)

    def rhythm(self, powers: Tensor, chosen: Tensor) -> Tensor:
        """Return the power of each coefficient's block relative to that of its moment.

        Several short blocks are one moment, with one level: this tells an attack from the quiet
        before it.

        Args:
            powers: [B, C, F, bins].
            chosen: [B, F, splits].

        Returns:
            [B, C, F, bins]; its mean over the blocks of a moment is 1.
        """
        total = torch.ones_like(powers)
        for number, split in enumerate(SPLITS):
            if split <= MOST_MOMENTS:  # each block is a moment
                continue
            bins = powers.reshape(*powers.shape[:3], -1, split)
            blocks = bins.sum(3).reshape(*powers.shape[:3], MOST_MOMENTS, -1)
            mean = blocks.mean(4, keepdim=True)
            least = LEAST_RHYTHM * mean + FLOOR**2
            relative = (blocks + least) / (mean + least)
            excess = relative.reshape(*powers.shape[:3], 1, split).expand_as(bins) - 1
            total = total + excess.reshape(powers.shape) * chosen[:, None, :, number, None]
        return total

    def thresholds(self, powers: Tensor, chosen: Tensor) -> Tensor:
        """Return the logarithms (base 2) of masking thresholds [B, 1, F, slots] of mean powers."""
        return self._logarithms(self._of_splits(powers, self.spread, chosen))

    def thresholds_alike(self, coefficients: Tensor, number: int) -> Tensor:
        """Return the logarithms of thresholds, if all frames are split in the same way.

        Args:
            coefficients: [B, C, F, bins].
            number: of the split in `SPLITS`.

        Returns:
            [B, 1, F, bins], interpolated over frequency.
        """
        member = self.member[number]
        powers = coefficients.square().sum(1, keepdim=True)
        means = torch.matmul(powers, member.T) / member.sum(1)
        logarithms = self._logarithms(torch.matmul(means, self.spread[number]))
        return torch.matmul(logarithms, self.share[number])

    def _logarithms(self, spread: Tensor) -> Tensor:
        """Return the logarithms (base 2) of the thresholds of spread powers."""
        return self.masking / 2 * torch.log2(spread + FLOOR**2)

    def _of_splits(self, values: Tensor, tables: Tensor, chosen: Tensor) -> Tensor:
        total = torch.matmul(values * chosen[:, None, :, 0, None], tables[0])
        for number in range(1, len(SPLITS)):
            part = torch.matmul(values * chosen[:, None, :, number, None], tables[number])
            total = total + part
        return total


class Band(NamedTuple):
    """The coefficients of a band of a frame, and in how many moments it has levels."""

    first: int
    end: int
    moments: int


def slot_edges(config: BlocksConfig) -> list[int]:
    """Return the edges of the bands of a whole frame, in coefficients: slots + 1 numbers.

    The lowest bands are half a grid band wide, if the settings say so. The others are as wide as
    critical bands, but at least one grid band.
    """
    hertz = config.sample_rate * config.band_bins / (2 * config.hop_length)  # of a grid band
    rate = bark(torch.arange(config.num_bands + 1).double() * hertz).tolist()
    edges = [config.num_halved]
    for left in range(config.num_slots - 2 * config.num_halved, 0, -1):
        first = edges[-1]
        wanted = rate[first] + (rate[-1] - rate[first]) / left
        nearest = min(range(config.num_bands + 1), key=lambda n: abs(rate[n] - wanted))
        edges.append(min(max(first + 1, nearest), config.num_bands - left + 1))
    halves = range(0, config.num_halved * config.band_bins, config.band_bins // 2)
    return [*halves, *(edge * config.band_bins for edge in edges)]


def slot_starts(config: BlocksConfig) -> list[int]:
    """Return the grid band in which each slot begins."""
    return [edge // config.band_bins for edge in slot_edges(config)[:-1]]


def slot_columns(config: BlocksConfig) -> list[int]:
    """Return the grid band in which the latents of each slot stand."""
    return free_columns(slot_starts(config))


def _bands(config: BlocksConfig, split: int) -> list[Band]:
    """Return the bands of a frame, whose slots follow each other, moment by moment.

    If grid bands are halved, the lowest bands are those of a whole frame, whatever the split:
    there, critical bands are narrow.
    """
    edges = slot_edges(config)
    at_most = min(split, MOST_MOMENTS)
    num_low = MOST_MOMENTS if config.num_halved else 0
    bands, slot = [], 0
    while slot < config.num_slots:
        moments = 1 if slot < num_low else at_most
        bands.append(Band(edges[slot], edges[slot + moments], moments))
        slot += moments
    return bands


def _tables(config: BlocksConfig, split: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the tables of `Slots` for one split."""
    bands = _bands(config, split)
    moments = torch.tensor([band.moments for band in bands])
    first_slots = moments.cumsum(0) - moments
    place = torch.arange(config.num_bands * config.band_bins)
    time = place % split  # the block of each coefficient

    def slots_in(band: Tensor) -> Tensor:
        """Return the slot of a band in which each coefficient's block is."""
        return first_slots[band] + time * moments[band] // split

    own = torch.bucketize(place, torch.tensor([band.end for band in bands[:-1]]), right=True)
    member = torch.zeros(config.num_slots, len(place))
    member[slots_in(own), place] = 1

    hertz = config.sample_rate / (2 * config.hop_length)
    centre = bark(torch.tensor([(band.first + band.end) / 2 * hertz for band in bands]))
    rate = bark((place + 0.5) * hertz).clamp(centre[0], centre[-1])
    right = torch.bucketize(rate, centre)
    left = (right - 1).clamp(min=0)  # of the centre of the first band, this is the band itself
    weight = (rate - centre[left]) / (centre[right] - centre[left]).clamp(min=1e-9)
    share = torch.zeros_like(member)
    share[slots_in(right), place] = weight
    share[slots_in(left), place] = 1 - weight

    centre, moments, first_slots = (
        each.repeat_interleave(moments) for each in (centre, moments, first_slots)
    )
    start = (torch.arange(config.num_slots) - first_slots) / moments  # of a slot, in the frame
    stop = start + 1 / moments
    both = torch.minimum(stop[:, None], stop) - torch.maximum(start[:, None], start)
    distance = centre - centre[:, None]  # from a masking band to a masked one
    decibels = torch.where(distance > 0, -SPREAD_UP * distance, SPREAD_DOWN * distance)
    spread = 10 ** (decibels / 10) * both.clamp(min=0) / (stop - start)
    return member, share, spread
