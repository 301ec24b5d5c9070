"""Two channels to latents and back, by a lapped transform with block switching."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.errors import ConfigError
from vqcodec.modalities.audio.config import CHANNELS, SIDE_BOOKS, SPLITS, BlocksConfig
from vqcodec.networks.audio.blocks import BlockTransform
from vqcodec.networks.audio.excitation import make_noise
from vqcodec.networks.audio.frames import Frames, angle_step, level_steps
from vqcodec.networks.audio.slots import FLOOR, MOST_MOMENTS, slot_starts
from vqcodec.networks.pair import NetworkPair
from vqcodec.networks.precision import UnitStack
from vqcodec.networks.residual import ConvNextUnit1d, RateModulation

MOST_ANGLE = 1.2
LEAST_SAVING = 0.3  # of the side channel's power, below which it is not predicted
SPLIT_COST = 0.06  # relative cost of one more halving of a frame
ATTACK = 8.0  # rise of the power of a shortest block over the mean of a frame before it
ATTACK_COST = 1.0  # relative cost of a frame with an attack that is not split
UNSTEADINESS = 6.0  # power with which thresholds fall where a frame's moments differ
MOST_GAIN = 3.0  # octaves, of the noise
NOISE_FRAMES = 256  # after which the noise repeats
WIDTH_POWER = 0.45  # of a step over the width of its band
LEAST_NOISE = 0.015  # of a slot's power, between coefficients that have all of it …
LOW_NOISE = 0.5, 0.0  # of the amplitude of low noise that is kept in whole and in split frames
NOISE_HZ = 1_000.0, 2_000.0  # low noise is below, there is no least noise below; all noise above


class StereoEncoder(nn.Module):
    """Mid and side channels to latents; a fixed analysis without learnt weights.

    Each frame is split as its coefficients are cheapest. Coefficients are divided by a masking
    threshold, which the decoder derives from the coded levels, so that equal steps of the
    quantizer are about equally audible. The side channel is predicted from the mid channel in every
    slot (Helmrich et al. 2011, "Efficient transform coding of two-channel audio signals by means
    of complex-valued stereo prediction", real part).
    """

    def __init__(self, config: BlocksConfig) -> None:
        super().__init__()
        self.frames = Frames(config)
        self.transform = BlockTransform(config.hop_length, config.num_bands * config.band_bins)

    def forward(self, waveform: Tensor, rate: Tensor) -> Tensor:
        """Return latents [B, D, F] of waveform [B, 2, F * hop]; rate [B] is 0 … 1."""
        slots = self.frames.slots
        channels = mid_and_side(waveform)
        choice = self.choose(channels, rate)
        chosen = self.frames.slots.chosen(choice)  # [B, F, splits]
        both = self.transform.analyse(channels, choice)
        mid, side = both[:, :1], both[:, 1:]  # slices: split() becomes a sequence in a graph
        angle = self.angles(mid, side, chosen, rate)
        side = side - slots.expand(angle_step(rate) * angle, chosen) * mid
        coefficients = torch.cat([mid, side], 1)
        levels = self.frames.levels(slots.means(coefficients.square(), chosen), rate)
        known = torch.cat([levels, angle], 1)
        scaled = coefficients / self.frames.thresholds(known, chosen, rate)
        return self.frames.pack(choice, known, scaled)

    def angles(self, mid: Tensor, side: Tensor, chosen: Tensor, rate: Tensor) -> Tensor:
        """Return the integer angles [B, 1, F, slots] that predict side from mid coefficients.

        They are averages over three frames, because those of a single frame are noisy.
        """
        slots = self.frames.slots
        products = torch.cat([mid * side, mid.square(), side.square()], 1)
        means = smooth(slots.means(products, chosen))
        cross, of_mid, of_side = means[:, :1], means[:, 1:2], means[:, 2:]
        saving = cross.square() / (of_mid * of_side + FLOOR**4)
        angle = (cross / (of_mid + FLOOR**2)).clamp(-MOST_ANGLE, MOST_ANGLE)
        worth = ((saving - LEAST_SAVING) * 1e6).clamp(0, 1)
        return torch.floor(angle * worth / angle_step(rate) + 0.5)

    def choose(self, channels: Tensor, rate: Tensor) -> Tensor:
        """Return the split [B, F] of each frame that needs the fewest bits (perceptual entropy).

        All ways to split a frame are compared at the same thresholds: those of the whole frame,
        but lower where those of its moments differ, because the noise of a whole frame is heard in
        quiet moments. A frame with an attack is split whatever it costs, because noise would be
        heard before the attack.
        """
        attacks, slots = self.attacks(channels), self.frames.slots
        alike = [self.transform.analyse_alike(channels, number) for number in range(len(SPLITS))]
        quarters = SPLITS.index(MOST_MOMENTS)
        moments = slots.thresholds_alike(alike[quarters], quarters)
        moments = moments.reshape(*moments.shape[:3], -1, MOST_MOMENTS)
        mean = torch.exp(math.log(2) * moments).mean(4, keepdim=True)
        fall = (torch.log2(mean) - moments.mean(4, keepdim=True)).expand_as(moments)
        logarithms = slots.thresholds_alike(alike[0], 0)
        logarithms = logarithms - UNSTEADINESS * fall.reshape(logarithms.shape)
        threshold = torch.exp(math.log(2) * logarithms - 3.0 * rate[:, None, None, None])
        costs = []
        for number, bins in enumerate(alike):
            cost = torch.log2(1 + (bins / threshold).square()).sum((1, 3))  # [B, F]
            splitting = SPLIT_COST * number + ATTACK_COST * attacks * (
                1 - number / (len(SPLITS) - 1)
            )
            costs.append(cost * (1 + splitting))
        return torch.stack(costs).argmin(0)

    def attacks(self, channels: Tensor) -> Tensor:
        """Return whether each frame has an attack, [B, F], 1 or 0.

        The differences of samples are compared, which emphasises high frequencies.
        """
        batch, parts = channels.shape[0], SPLITS[-1]
        rises = functional.pad(channels[:, :, 1:] - channels[:, :, :-1], (1, 0))
        powers = rises.reshape(batch, CHANNELS, -1, self.transform.hop_length // parts)
        powers = powers.square().mean(3).sum(1, keepdim=True) + FLOOR**2  # [B, 1, F * parts]
        before = functional.avg_pool1d(functional.pad(powers, (parts, 0)), parts, 1)[:, :, :-1]
        sudden = ((powers / (before + FLOOR**2) - ATTACK) * 1e3).clamp(0, 1)
        return sudden.reshape(batch, -1, parts).sum(2).clamp(max=1)


class StereoDecoder(nn.Module):
    """Latents to two channels: the encoder's inverse, with noise for what was not worth bits.

    The power of a slot that its coefficients do not have is filled with noise, whose level is
    interpolated over frequency, and follows the coefficients from block to block. There is less of
    it at low frequencies, where tones are far apart and noise between them is heard. A small
    network over time sets the gain of the noise.
    """

    noise: Tensor
    least_noise: Tensor
    noise_share: Tensor

    def __init__(self, config: BlocksConfig) -> None:
        super().__init__()
        self.frames = Frames(config)
        num_bins = config.num_bands * config.band_bins
        self.transform = BlockTransform(config.hop_length, num_bins)
        noise = make_noise(CHANNELS * num_bins)[:, :NOISE_FRAMES]
        self.register_buffer(
            "noise", noise.reshape(CHANNELS, num_bins, -1).clone(), persistent=False
        )
        least_noise, noise_share = self._noise_shares()
        self.register_buffer("least_noise", least_noise, persistent=False)
        self.register_buffer("noise_share", noise_share, persistent=False)
        width, num_outputs = config.decoder_width, CHANNELS * config.num_slots
        self.widen = nn.Conv1d(7 * config.num_slots + len(SPLITS), width, 3, padding=1)
        self.modulation = RateModulation(width)
        self.units = UnitStack(*[ConvNextUnit1d(width) for _ in range(config.decoder_units)])
        self.head = nn.Conv1d(width, num_outputs, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(
        self, latents: Tensor, rate: Tensor, corner: tuple[int | Tensor, ...] = (0,)
    ) -> Tensor:
        """Return the waveform [B, 2, F * hop], about ±1, of latents [B, D, F].

        The noise depends on `corner`, the position of the first frame. In training two waveforms
        are returned, [B, 4, F * hop], that differ only in their noise.
        """
        slots = self.frames.slots
        choice, side, scaled = self.frames.unpack(latents)
        chosen = self.frames.slots.chosen(choice)
        coded = scaled * self.frames.thresholds(side, chosen, rate)
        is_zero = 1 - (scaled.abs() * 1e4).clamp(0, 1)
        powers = self.frames.powers(side[:, :2], rate)
        counts = slots.sums(torch.ones_like(scaled), chosen)
        held = slots.sums(coded.square(), chosen) / counts
        num_zeros = slots.sums(is_zero, chosen) / counts
        # A level is rounded: where coefficients are coded, its lowest value counts.
        doubt = (1 - torch.exp(-math.log(2) * level_steps(rate))) * torch.minimum(powers, 4 * held)
        missing = (powers - held - doubt).clamp(min=0) / (num_zeros + 1e-3)
        missing = torch.minimum(missing, powers)  # zeros are smaller than the others
        missing = torch.maximum(missing, torch.matmul(chosen, self.least_noise)[:, None] * powers)
        shares = torch.cat([(held / (powers + FLOOR**2)).clamp(0, 2), num_zeros], 1)
        octaves = torch.log2(missing + 1e-20) / 2 + self.gains(side, shares, chosen, rate)
        level = torch.exp(math.log(2) * slots.interpolate(octaves, chosen)) * is_zero
        level = level * torch.matmul(chosen, self.noise_share)[:, None]
        level = level * slots.rhythm(scaled.square(), chosen).sqrt()
        angle = slots.expand(angle_step(rate) * side[:, 2:], chosen)
        draws = [self._draw(level, corner[0]) for _ in range(2 if self.training else 1)]
        return torch.cat([self._finish(coded + draw, angle, choice) for draw in draws], 1)

    def gains(self, side: Tensor, shares: Tensor, chosen: Tensor, rate: Tensor) -> Tensor:
        """Return the gains [B, 2, F, slots] of the noise in octaves, 0 before training.

        Args:
            side: [B, 3, F, slots], levels and angles, as integers.
            shares: [B, 4, F, slots], of the power that is in coefficients, and of zeros.
            chosen: [B, F, splits].
            rate: [B].
        """
        levels = side[:, :2] * level_steps(rate) / 8 - 1
        inputs = torch.cat([levels, side[:, 2:] / 4, shares], 1)  # [B, 7, F, slots]
        inputs = inputs.transpose(2, 3).flatten(1, 2)
        features = self.widen(torch.cat([inputs, chosen.transpose(1, 2)], 1))
        features = self.units(self.modulation(features, rate))
        outputs = self.head(features)
        outputs = outputs.reshape(outputs.shape[0], CHANNELS, -1, outputs.shape[2]).transpose(2, 3)
        return MOST_GAIN * torch.tanh(outputs / MOST_GAIN)

    def _noise_shares(self) -> tuple[Tensor, Tensor]:
        """Return what depends on frequency.

        That is the least noise [splits, slots] as a share of the power of a slot, and the share
        [splits, bins] of the amplitude of noise that is kept.
        """
        config, member = self.frames.config, self.frames.slots.member
        hertz = torch.arange(member.shape[2]) * config.sample_rate / (2 * config.hop_length)
        low, high = NOISE_HZ
        above = ((hertz - low) / (high - low)).clamp(0, 1)
        least = torch.matmul(member, LEAST_NOISE * above) / member.sum(2).clamp(min=1)
        whole, split = (above + (1 - above) * kept for kept in LOW_NOISE)
        return least, torch.stack([whole, *[split] * (len(SPLITS) - 1)])

    def _draw(self, level: Tensor, first: int | Tensor) -> Tensor:
        """Return noise [B, 2, F, bins] of a level."""
        if self.training:
            return level * (torch.randint(2, level.shape, device=level.device) * 2 - 1)
        place = (torch.arange(level.shape[2], device=level.device) + first) % NOISE_FRAMES
        return level * self.noise[:, :, place].transpose(1, 2)[None].to(level.dtype)

    def _finish(self, coefficients: Tensor, angle: Tensor, choice: Tensor) -> Tensor:
        """Return the waveform [B, 2, T] of mid and predicted side coefficients."""
        mid, side = coefficients[:, :1], coefficients[:, 1:]
        both = torch.cat([mid, side + angle * mid], 1)
        waveform = self.transform.synthesise(both, choice)
        return mid_and_side(waveform) * 2


def smooth(values: Tensor) -> Tensor:
    """Return averages over three frames of values [B, C, F, slots]; the middle one counts half."""
    before = torch.cat([values[:, :, :1], values], 2)[:, :, :-1]
    after = torch.cat([values, values[:, :, -1:]], 2)[:, :, 1:]
    return values / 2 + (before + after) / 4


def mid_and_side(waveform: Tensor) -> Tensor:
    """Return half the sum and half the difference of two channels [B, 2, T]."""
    first, second = waveform[:, :1], waveform[:, 1:]
    return torch.cat([first + second, first - second], 1) / 2


def init_steps(
    encoder: StereoEncoder,
    decoder: StereoDecoder,  # noqa: ARG001
    batch: Tensor,
) -> Tensor:
    """Return the relative precision [D] of latents, which needs no data.

    What is heard are bands. A wide band has many coefficients, and each may be less precise: for
    equal audibility of bands, steps would grow with the square root of the width.
    """
    member = encoder.frames.slots.member[0]  # [slots, bins]
    widths = member.T @ member.sum(1) / encoder.frames.config.band_bins
    precision = (widths**-WIDTH_POWER).to(batch.device)
    bins = precision.log().expand(1, CHANNELS, 1, -1)
    nothing = torch.zeros(1, SIDE_BOOKS - 1, 1, encoder.frames.config.num_slots)
    packed = encoder.frames.pack(torch.zeros(1, 1), nothing, bins)
    return packed[0, :, 0].exp()


def check_layout(config: BlocksConfig, tables: Mapping[str, Any]) -> None:
    """Check that quantizer and prior know which latents are splits and levels.

    Raises:
        ConfigError: they do not. They would change levels, and the sound would be another one.
    """
    num_integers = SIDE_BOOKS * config.num_bands
    given = tables["quantizer"].get("num_integers", 0)
    if given != num_integers:
        raise ConfigError(
            f"quantizer.num_integers: {given}, but the network has {num_integers} such latents"
        )
    prior = tables.get("prior", {})
    if prior.get("kind") != "plane":
        return
    if prior.get("num_bands") != config.num_bands:
        raise ConfigError(f"prior.num_bands: not {config.num_bands}, as in the network")
    starts = slot_starts(config)
    if list(prior.get("starts", [0])) != starts:
        raise ConfigError(f"prior.starts: the slots of the network begin in the bands {starts}")


BLOCKS = NetworkPair(StereoEncoder, StereoDecoder, init_steps, check=check_layout)
