"""The sound networks of the VQ-VAE paper (van den Oord et al. 2017, arXiv:1711.00937)."""

from __future__ import annotations

from torch import Tensor, nn

from vqcodec.modalities.audio.config import DILATIONS, PaperAudioConfig
from vqcodec.networks.audio.voices import VoiceModulation
from vqcodec.networks.pair import NetworkPair
from vqcodec.networks.residual import PaperUnit1d, scale_for_rectifiers
from vqcodec.networks.statistics import standardise_outputs

START_SIGNALS = 64  # of a first batch: enough for means and standard deviations
VOICE_EMPHASIS = 2.0  # guidance scale in inference: gains of all stages multiply


class PaperAudioEncoder(nn.Module):
    """Six convolutions of window 4 and stride 2."""

    def __init__(self, config: PaperAudioConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        num_channels = 1
        for width in config.widths():
            layers += [nn.Conv1d(num_channels, width, 4, stride=2, padding=1), nn.ReLU()]
            num_channels = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv1d(num_channels, config.dim, 1)
        scale_for_rectifiers(self.body)

    def forward(self, waveform: Tensor, rate: Tensor) -> Tensor:  # noqa: ARG002
        """Return latents [B, D, F] of waveform [B, 1, 64 * F]; the rate is ignored."""
        return self.head(self.body(waveform))  # type: ignore[no-any-return]


class PaperAudioDecoder(nn.Module):
    """The encoder mirrored, with residual units at every resolution.

    The paper's decoder is a WaveNet, which is autoregressive and trained by likelihood. This
    decoder computes all samples at once and is trained by a spectral distance.

    With voices, the speaker embedding scales and shifts the input of every stage, as the paper's
    one-hot code of the speaker conditions every layer. The embedding is computed from a recording,
    so the decoder can take the voice of any speaker.
    """

    def __init__(self, config: PaperAudioConfig) -> None:
        super().__init__()
        widths = config.widths()[::-1]
        layers: list[nn.Module] = [nn.Conv1d(config.dim, widths[0], 1)]
        for width, narrower in zip(widths, [*widths[1:], 1], strict=True):
            layers += [PaperUnit1d(width, dilation) for dilation in DILATIONS[: config.num_units]]
            layers += [nn.ReLU(), nn.ConvTranspose1d(width, narrower, 4, stride=2, padding=1)]
        self.body, self.head = nn.Sequential(*layers[:-1]), layers[-1]
        scale_for_rectifiers(self.body)
        scale_for_rectifiers([self.head], gain=0.1)  # start near silence
        self.widths, self.stage_length = widths, config.num_units + 2
        self.voice: VoiceModulation | None = None
        if config.voice_dim:
            self.voice = VoiceModulation(
                config.voice_dim, config.sample_rate, sum(widths), VOICE_EMPHASIS
            )

    def forward(
        self,
        latents: Tensor,
        rate: Tensor,  # noqa: ARG002
        corner: tuple[int, ...] = (0,),  # noqa: ARG002
        voice: Tensor | None = None,
    ) -> Tensor:
        """Return the waveform [B, 1, 64 * F], about ±1, of latents [B, D, F].

        Voices are vectors [B or 1, V].
        """
        if self.voice is None:
            return self.head(self.body(latents))  # type: ignore[no-any-return]
        features = self.body[0](latents)
        scales, shifts = self.voice.gains_of(voice)
        start = 0
        for number, width in enumerate(self.widths):
            mine = slice(start, start + width)  # split() would become a sequence in a graph
            first = 1 + number * self.stage_length
            stage = self.body[first : first + self.stage_length]
            features = stage(features * (1 + scales[:, mine]) + shifts[:, mine])
            start += width
        return self.head(features)  # type: ignore[no-any-return]


def init_paper_networks(
    encoder: PaperAudioEncoder,
    decoder: PaperAudioDecoder,  # noqa: ARG001
    batch: Tensor,
) -> None:
    """Give the latents of a first batch [B, 1, T] mean 0 and standard deviation 1."""
    standardise_outputs(encoder.head, encoder.body(batch[:START_SIGNALS]))


PAPER = NetworkPair(PaperAudioEncoder, PaperAudioDecoder, init_paper_networks)
