"""The layout of a frame's latents, and what its levels mean."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.modalities.audio.config import CHANNELS, SIDE_BOOKS, SPLITS, BlocksConfig
from vqcodec.networks.audio.slots import FLOOR, Slots, slot_columns

COARSEST_LEVEL, FINEST_LEVEL = 1.4, 0.3  # steps of mid levels, in octaves of amplitude
SIDE_COARSENESS = 1.5  # of side levels, relative to those of mid
FEWEST_ANGLES, MOST_ANGLES = 3, 7  # steps of the side channel's prediction by mid, from 0 to 1


def level_steps(rate: Tensor) -> Tensor:
    """Return the steps [B, 2, 1, 1] of mid and side levels at rates [B], 0 … 1.

    Steps are in octaves of amplitude.
    """
    coarse, fine = math.log(COARSEST_LEVEL), math.log(FINEST_LEVEL)
    step = torch.exp(coarse + (fine - coarse) * rate)[:, None, None, None]
    return torch.cat([step, step * SIDE_COARSENESS], 1)


def angle_step(rate: Tensor) -> Tensor:
    """Return the step [B, 1, 1, 1] of angles at rates [B], 0 … 1.

    It divides 1, so that a sound in one channel has no side that is left.
    """
    count = torch.floor(FEWEST_ANGLES + (MOST_ANGLES - FEWEST_ANGLES) * rate + 0.5)
    return 1 / count[:, None, None, None]


class Frames(nn.Module):
    """The layout of a frame's latents, and what levels mean; shared by encoder and decoder."""

    place: Tensor

    def __init__(self, config: BlocksConfig) -> None:
        super().__init__()
        self.config = config
        number = range(config.band_bins)
        self.order = [*number[::2], *number[1::2]]  # of the bins of a grid band
        self.slots = Slots(config)
        place = torch.zeros(config.num_slots, config.num_bands)  # of slots in grid bands
        place[torch.arange(config.num_slots), torch.tensor(slot_columns(config))] = 1
        self.register_buffer("place", place, persistent=False)

    def pack(self, choice: Tensor, side: Tensor, coefficients: Tensor) -> Tensor:
        """Return latents [B, D, F].

        Args:
            choice: [B, F], of each frame's split.
            side: [B, 3, F, slots], levels of mid and side, and angles, as integers.
            coefficients: [B, 2, F, bins].
        """
        num_bands, band_bins = self.config.num_bands, self.config.band_bins
        splits = functional.pad(choice[:, None, :, None].to(side.dtype), (0, num_bands - 1))
        levels = torch.matmul(side, self.place)
        bins = coefficients.reshape(*coefficients.shape[:3], num_bands, band_bins)
        bins = bins[..., self.order].permute(0, 1, 4, 2, 3)  # [B, 2, bins of a band, F, bands]
        books = torch.cat([splits, levels, bins.flatten(1, 2)], 1)
        return books.transpose(2, 3).reshape(books.shape[0], self.config.dim, -1)

    def unpack(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return choice, side and coefficients of latents; the inverse of `pack`."""
        config = self.config
        books = latents.reshape(latents.shape[0], config.num_books, config.num_bands, -1).transpose(
            2, 3
        )
        last = len(SPLITS) - 1
        choice = torch.floor(books[:, 0, :, 0] + 0.5).clamp(0, last).long()
        side = torch.matmul(books[:, 1:SIDE_BOOKS], self.place.T)
        bins = books[:, SIDE_BOOKS:].reshape(-1, CHANNELS, config.band_bins, *books.shape[2:])
        order = [self.order.index(number) for number in range(config.band_bins)]
        bins = bins[:, :, order].permute(0, 1, 3, 4, 2)  # [B, 2, F, bands, bins of a band]
        return choice, side, bins.reshape(*bins.shape[:3], -1)

    def powers(self, levels: Tensor, rate: Tensor) -> Tensor:
        """Return mean squares of integer levels; level 0 is silence, as are those below."""
        octaves = (level_steps(rate) * levels).clamp(min=0)
        return FLOOR**2 * (torch.exp(2 * math.log(2) * octaves) - 1)

    def levels(self, powers: Tensor, rate: Tensor) -> Tensor:
        """Return the integer levels of mean squares."""
        octaves = torch.log2(powers / FLOOR**2 + 1) / 2
        return torch.floor(octaves / level_steps(rate) + 0.5)

    def thresholds(self, side: Tensor, chosen: Tensor, rate: Tensor) -> Tensor:
        """Return thresholds [B, 1, F, bins] from what the decoder knows of a frame's levels."""
        powers = self.powers(side[:, :2], rate)
        angle = angle_step(rate) * side[:, 2:]
        total = powers[:, :1] * (1 + angle.square()) + powers[:, 1:]
        logarithms = self.slots.interpolate(self.slots.thresholds(total, chosen), chosen)
        return torch.exp(math.log(2) * logarithms)
