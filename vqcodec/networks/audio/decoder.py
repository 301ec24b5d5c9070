"""Latents to waveform."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vqcodec.modalities.audio.config import MDCT_FRAMES, MdctConfig
from vqcodec.networks.audio.encoder import WAVEFORM_HZ, AudioEncoder, long_mdct, unpair
from vqcodec.networks.audio.excitation import SOURCE_HZ, Excitation
from vqcodec.networks.audio.voices import VoiceModulation
from vqcodec.networks.pair import NetworkPair
from vqcodec.networks.precision import UnitStack
from vqcodec.networks.residual import ConvNextUnit1d, RateModulation
from vqcodec.networks.spectral import Mdct, expand
from vqcodec.networks.statistics import principal_components

BAND_WEIGHT = 3.0  # of an error in band energies, relative to one in coefficients
START_SHARE = 0.5  # of the energy above WAVEFORM_HZ that is harmonic, before training


class AudioDecoder(nn.Module):
    """Latents to companded MDCT frames to samples: the encoder's two paths reversed.

    Without an excitation, the network predicts a pair of short frames for each latent frame. With
    an excitation, it predicts one long frame, up to WAVEFORM_HZ, for each latent frame; and, in
    pairs of short frames, the gains of regenerated harmonics and of noise.

    With voices, the decoder can take the voice of any speaker (voice conversion).
    """

    def __init__(self, config: MdctConfig) -> None:
        super().__init__()
        self.mdct = Mdct(config.hop_length // MDCT_FRAMES)
        width, num_coded = config.decoder_width, config.hop_length
        self.excitation: Excitation | None = None
        if config.excitation:
            self.excitation = Excitation(self.mdct)
            self.long_mdct = long_mdct(config)
            num_coded, self.num_source = map(config.bins_below, (WAVEFORM_HZ, SOURCE_HZ))
        self.linear = nn.Conv1d(config.dim, num_coded, 1)
        self.widen = nn.Conv1d(config.dim, width, 3, padding=1)
        self.modulation = RateModulation(width)
        self.voice: VoiceModulation | None = None
        if config.voice_dim:
            self.voice = VoiceModulation(config.voice_dim, config.sample_rate, width)
        self.units = UnitStack(*[ConvNextUnit1d(width) for _ in range(config.decoder_units)])
        self.head = nn.Conv1d(width, num_coded, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        if config.excitation:
            self.linear_gains = nn.Conv1d(config.dim, 2 * config.hop_length, 1)
            self.gains = nn.Conv1d(width, 2 * config.hop_length, 1)
            nn.init.zeros_(self.gains.weight)
            nn.init.zeros_(self.gains.bias)  # type: ignore[arg-type]

    def forward(
        self,
        latents: Tensor,
        rate: Tensor,
        corner: tuple[int | Tensor, ...] = (0,),
        voice: Tensor | None = None,
    ) -> Tensor:
        """Return the waveform [B, 1, F * hop - hop / 2], about ±1, of latents [B, D, F].

        The noise in the waveform depends on `corner`, the position of the first latent. In
        training two waveforms are returned, [B, 2, T], that differ only in their noise. Voices are
        vectors [B or 1, V].
        """
        features = self.modulation(self.widen(latents), rate)
        if self.voice is not None:
            features = self.voice(features, voice)
        features = self.units(features)
        coefficients = expand(self.linear(latents) + self.head(features))
        if self.excitation is None:
            return self.mdct.synthesise(unpair(coefficients))
        waveform = self.long_mdct.synthesise(coefficients)
        low = self.long_mdct.synthesise(coefficients[:, : self.num_source].detach())
        both = self.linear_gains(latents) + self.gains(features)
        half = both.shape[1] // 2
        # Gains of harmonics and of noise. Slices, because chunk() becomes a sequence in a graph.
        gains = [expand(unpair(part)) for part in (both[:, :half], both[:, half:])]
        voiced = gains[0] * self.excitation.harmonics(low)
        if not self.training:
            noise = self.excitation.noise_at(MDCT_FRAMES * corner[0], voiced.shape[2])
            return waveform + self.mdct.synthesise(voiced + gains[1] * noise)
        draws = [voiced + gains[1] * self.excitation.random_noise(voiced) for _ in range(2)]
        return torch.cat([waveform + self.mdct.synthesise(draw) for draw in draws], dim=1)


@torch.no_grad()
def init_linear_paths(encoder: AudioEncoder, decoder: AudioDecoder, batch: Tensor) -> Tensor:
    """Set the linear paths to the principal components of the frames of batch [B, 1, T].

    With an excitation, the first latents are components of the band energies, which determine the
    gains; the others are components of the waveform. Returns the weight of an error in each latent
    [D].
    """
    frames = encoder.spectrum(batch).permute(0, 2, 1).flatten(0, 1)  # [N, inputs]
    num_coded, dim, first = decoder.linear.out_channels, encoder.linear.out_channels, 0
    nn.init.zeros_(encoder.linear.weight)
    nn.init.zeros_(encoder.linear.bias)  # type: ignore[arg-type]
    nn.init.zeros_(decoder.linear.weight)
    if encoder.bands is not None:
        num_bands = MDCT_FRAMES * encoder.bands.num_bands
        first = min(dim // 2, num_bands)
        envelope = torch.arange(num_coded, num_coded + num_bands)
        mean, way_back = _start_encoder(encoder, frames, envelope, slice(0, first))
        member = encoder.bands.member.T.clone(memory_format=torch.contiguous_format)
        member[: num_coded // MDCT_FRAMES] = 0  # [hop / 2, bands]: the waveform is coded there
        to_bins = torch.kron(torch.eye(MDCT_FRAMES), member)  # [hop, num_bands]
        shares = torch.tensor([START_SHARE, 1 - START_SHARE])  # of the energy
        to_gains = torch.kron(shares[:, None] ** 0.25, to_bins)  # [2 * hop, num_bands]
        nn.init.zeros_(decoder.linear_gains.weight)
        decoder.linear_gains.weight[:, :first] = (to_gains @ way_back)[:, :, None]
        decoder.linear_gains.bias[:] = to_gains @ mean  # type: ignore[index]
    last = min(dim, first + num_coded)
    waveform = torch.arange(num_coded)
    mean, way_back = _start_encoder(encoder, frames, waveform, slice(first, last))
    decoder.linear.weight[:, first:last] = way_back[:, :, None]
    decoder.linear.bias[:] = mean  # type: ignore[index]
    weights = frames.new_ones(dim)
    weights[:first] = BAND_WEIGHT
    return weights


def _start_encoder(
    encoder: AudioEncoder, frames: Tensor, inputs: Tensor, latents: slice
) -> tuple[Tensor, Tensor]:
    """Make latents the principal components of frames [N, C]; return the mean and the synthesis."""
    mean, components, deviations = principal_components(
        frames[:, inputs], latents.stop - latents.start
    )
    # One scale for all channels preserves the distances between frames.
    scale = deviations.square().mean().sqrt()
    encoder.linear.weight[latents, inputs, 0] = components / scale
    encoder.linear.bias[latents] = -components @ mean / scale  # type: ignore[index]
    return mean, components.T * scale


MDCT = NetworkPair(AudioEncoder, AudioDecoder, init_linear_paths)
