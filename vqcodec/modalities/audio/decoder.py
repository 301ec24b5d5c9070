"""Latents to waveform."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vqcodec.modalities.audio.encoder import MDCT_FRAMES, AudioEncoder, AudioNetworkConfig, unpair
from vqcodec.modalities.audio.excitation import Excitation
from vqcodec.nn.precision import UnitStack
from vqcodec.nn.residual import ConvNextUnit1d, RateModulation
from vqcodec.nn.spectral import Mdct, expand
from vqcodec.nn.statistics import principal_components

WAVEFORM_HZ = 2_000.0  # the waveform is coded up to here, and made of an excitation above
BAND_WEIGHT = 3.0  # of an error in the energies of bands, beside one in coefficients
START_SHARE = 0.5  # of the energy above WAVEFORM_HZ that is harmonics, before training


class AudioDecoder(nn.Module):
    """Latents to pairs of companded MDCT frames to samples: the encoder's two paths reversed.

    With an excitation, these frames end at WAVEFORM_HZ; above, and between their harmonics,
    the network gives the gains of regenerated harmonics and of noise instead.
    """

    coded: Tensor  # 1 for the coefficients below WAVEFORM_HZ

    def __init__(self, config: AudioNetworkConfig) -> None:
        super().__init__()
        self.mdct = Mdct(config.hop_length // MDCT_FRAMES)
        width = config.decoder_width
        self.linear = nn.Conv1d(config.dim, config.hop_length, 1)
        self.widen = nn.Conv1d(config.dim, width, 3, padding=1)
        self.modulation = RateModulation(width)
        self.units = UnitStack(*[ConvNextUnit1d(width) for _ in range(config.decoder_units)])
        self.head = nn.Conv1d(width, config.hop_length, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        self.excitation: Excitation | None = None
        if config.excitation:
            self.excitation = Excitation(self.mdct, config.sample_rate)
            frequency = torch.arange(self.mdct.hop_length) + 0.5
            coded = frequency * config.sample_rate / (2 * self.mdct.hop_length) < WAVEFORM_HZ
            self.register_buffer("coded", coded.float()[:, None], persistent=False)
            self.linear_gains = nn.Conv1d(config.dim, 2 * config.hop_length, 1)
            self.gains = nn.Conv1d(width, 2 * config.hop_length, 1)
            nn.init.zeros_(self.gains.weight)
            nn.init.zeros_(self.gains.bias)  # type: ignore[arg-type]

    def forward(self, latents: Tensor, rate: Tensor, corner: tuple[int, ...] = (0,)) -> Tensor:
        """Return the waveform [B, 1, F * hop - hop / 2], about ±1, of latents [B, D, F].

        The noise in it depends on the place of the first latent. In training two waveforms come
        back, [B, 2, T], that differ in their noise alone.
        """
        features = self.units(self.modulation(self.widen(latents), rate))
        frames = self.linear(latents) + self.head(features)
        coefficients = expand(unpair(frames))
        if self.excitation is None:
            return self.mdct.synthesise(coefficients)
        coefficients = coefficients * self.coded
        both = self.linear_gains(latents) + self.gains(features)
        gains = [expand(unpair(part)) for part in both.chunk(2, dim=1)]  # of harmonics, of noise
        voiced = coefficients + gains[0] * self.excitation.harmonics(coefficients.detach())
        if not self.training:
            noise = self.excitation.noise_at(MDCT_FRAMES * corner[0], voiced.shape[2])
            return self.mdct.synthesise(voiced + gains[1] * noise)
        draws = [voiced + gains[1] * self.excitation.random_noise(voiced) for _ in range(2)]
        return torch.cat([self.mdct.synthesise(draw) for draw in draws], dim=1)


@torch.no_grad()
def start_linear_paths(encoder: AudioEncoder, decoder: AudioDecoder, batch: Tensor) -> Tensor:
    """Set the linear paths to the principal components of the frames of batch [B, 1, T].

    With an excitation, the first latents are components of the energies of bands, from which the
    gains follow, and the others are components of the coefficients below WAVEFORM_HZ. Returns how
    much an error in each latent [D] weighs.
    """
    frames = encoder.spectrum(batch).permute(0, 2, 1).flatten(0, 1)  # [N, hop, or with bands]
    hop, dim = decoder.linear.out_channels, encoder.linear.out_channels
    waveform, first = torch.arange(hop), 0
    for parameter in (encoder.linear, decoder.linear):
        nn.init.zeros_(parameter.weight)
        nn.init.zeros_(parameter.bias)  # type: ignore[arg-type]
    if encoder.bands is not None:
        nn.init.zeros_(decoder.linear_gains.weight)
        nn.init.zeros_(decoder.linear_gains.bias)  # type: ignore[arg-type]
        first = min(dim // 2, frames.shape[1] - hop)
        envelope = torch.arange(hop, frames.shape[1])
        mean, way_back = _start_encoder(encoder, frames, envelope, slice(0, first))
        member = torch.kron(torch.eye(MDCT_FRAMES), encoder.bands.member).T  # [hop, bands]
        share = 1 - decoder.coded.repeat(MDCT_FRAMES, 1)  # nothing where the waveform is coded
        for part, energy in enumerate((START_SHARE, 1 - START_SHARE)):
            rows, to_bins = slice(part * hop, (part + 1) * hop), energy**0.25 * share * member
            decoder.linear_gains.weight[rows, :first] = (to_bins @ way_back)[:, :, None]
            decoder.linear_gains.bias[rows] = to_bins @ mean  # type: ignore[index]
        waveform = waveform[decoder.coded.repeat(MDCT_FRAMES, 1)[:, 0] > 0]
    last = min(dim, first + len(waveform))
    mean, way_back = _start_encoder(encoder, frames, waveform, slice(first, last))
    decoder.linear.weight[waveform, first:last] = way_back[:, :, None]
    decoder.linear.bias[waveform] = mean  # type: ignore[index]
    weights = frames.new_ones(dim)
    weights[:first] = BAND_WEIGHT
    return weights


def _start_encoder(
    encoder: AudioEncoder, frames: Tensor, inputs: Tensor, latents: slice
) -> tuple[Tensor, Tensor]:
    """Make latents the principal components of inputs among frames [N, C]; mean and way back."""
    mean, components, deviations = principal_components(
        frames[:, inputs], latents.stop - latents.start
    )
    # One scale for all channels: distances between latents stay distances between frames.
    scale = deviations.square().mean().sqrt()
    encoder.linear.weight[latents, inputs, 0] = components / scale
    encoder.linear.bias[latents] = -components @ mean / scale  # type: ignore[index]
    return mean, components.T * scale
