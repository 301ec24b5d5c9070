"""Sounds, as training and the codec see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.bitstream.header import AudioFacts
from vqcodec.bitstream.header import Modality as HeaderModality
from vqcodec.config import build_config
from vqcodec.errors import UsageError
from vqcodec.layout import Place
from vqcodec.modalities.audio.decoded import DecodedSound
from vqcodec.modalities.base import Dataset, Decode, Facts, Modality, NetworkKind
from vqcodec.networks.audio.decoder import AudioDecoder, start_linear_paths
from vqcodec.networks.audio.encoder import AudioEncoder, AudioNetworkConfig
from vqcodec.networks.audio.paper import (
    PaperAudioConfig,
    PaperAudioDecoder,
    PaperAudioEncoder,
    start_paper_networks,
)
from vqcodec.signals.files import LazySignal
from vqcodec.signals.resampling import resample, resample_blocks
from vqcodec.signals.sound import ForwardReader, Sound
from vqcodec.signals.sound_files import read_clip
from vqcodec.training.manifest import group_of

TRAINING_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"})
WEIGHTS = {  # of the terms of a sound's distortion
    "bands": 100.0,
    "magnitude": 6.0,
    "complex": 0.6,
    "loudness": 0.7,
    "envelope": 4.0,
}
EXCERPT_S = 6.0  # of a held-out file
VOICE_S = 30.0  # of a speaker's recording are listened to
SHORTEST_VOICE_S = 0.5


class AudioModality(Modality):
    """Mono sounds at the model's rate; one latent frame for a stretch of samples."""

    name = "audio"
    wire_id = HeaderModality.AUDIO
    suffixes = TRAINING_SUFFIXES
    dims = 1
    network_kinds: ClassVar[Mapping[str, NetworkKind]] = {
        "mdct": NetworkKind(AudioNetworkConfig, AudioEncoder, AudioDecoder, start_linear_paths),
        "paper": NetworkKind(
            PaperAudioConfig, PaperAudioEncoder, PaperAudioDecoder, start_paper_networks
        ),
    }
    config: AudioNetworkConfig | PaperAudioConfig

    @property
    def takes_voices(self) -> bool:
        """Whether the decoder can speak as somebody else: as a recording of theirs does."""
        return isinstance(self.config, AudioNetworkConfig) and self.config.voice_dim > 0

    def recording_of(self, sound: Sound) -> Tensor:
        """Return [1, 1, T] of what a speaker's sound begins with, as a decoder's voice takes it.

        Raises:
            UsageError: it is too short to tell a voice.
        """
        wanted = min(sound.num_samples, round(VOICE_S * sound.sample_rate))
        if wanted < SHORTEST_VOICE_S * sound.sample_rate:
            raise UsageError(f"a speaker's recording takes {SHORTEST_VOICE_S} s at least")
        read = ForwardReader(sound.blocks(), sound.num_channels)
        mono = read(0, wanted).mean(axis=0, keepdims=True)
        return torch.from_numpy(resample(mono, sound.sample_rate, self.config.sample_rate))[None]

    def facts(self, signal: LazySignal, *, separate_channels: bool) -> AudioFacts:
        """Return the length, rate and channels of a sound."""
        if not isinstance(signal, Sound):
            raise UsageError("this model is for sounds, and the input is a picture")
        return AudioFacts(
            num_samples=signal.num_samples,
            sample_rate=signal.sample_rate,
            num_channels=signal.num_channels,
            downmixed=signal.num_channels > 1 and not separate_channels,
        )

    def num_planes(self, facts: Facts) -> int:
        """Return the number of coded channels."""
        assert isinstance(facts, AudioFacts)
        return 1 if facts.downmixed else facts.num_channels

    def model_samples(self, facts: AudioFacts) -> int:
        """Return the samples of a channel at the model's rate."""
        return -(-facts.num_samples * self.config.sample_rate // facts.sample_rate)

    def grid(self, facts: Facts) -> tuple[int, ...]:
        """Return the number of frames; none for a sound without samples."""
        assert isinstance(facts, AudioFacts)
        count = self.model_samples(facts)
        return (self.num_frames(count),)

    def facts_of_size(self, size: tuple[int, ...]) -> AudioFacts:
        """Return the facts of a mono sound of (samples,) at the model's rate."""
        return AudioFacts(
            num_samples=size[0],
            sample_rate=self.config.sample_rate,
            num_channels=1,
            downmixed=False,
        )

    def reader(self, signal: LazySignal, facts: Facts) -> Callable[[Place], Tensor]:
        """Return what gives the coded channels at a place, [P, 1, T], at the model's rate."""
        assert isinstance(signal, Sound)
        assert isinstance(facts, AudioFacts)
        blocks, num_planes = signal.blocks(), self.num_planes(facts)
        if facts.downmixed:
            blocks = (block.mean(axis=0, keepdims=True, dtype=np.float32) for block in blocks)
        wanted = range(self.model_samples(facts))
        resampled = resample_blocks(
            blocks, num_planes, signal.sample_rate, self.config.sample_rate, wanted
        )
        read = ForwardReader(resampled, num_planes)
        return lambda place: torch.from_numpy(read(place[0].start, place[0].stop))[:, None]

    def restore(self, decode: Decode, facts: Facts) -> DecodedSound:
        """Return the sound at its own rate, length and number of channels, decoded when read."""
        assert isinstance(facts, AudioFacts)
        return DecodedSound(self, decode, facts, range(facts.num_samples))

    def num_frames(self, num_samples: int) -> int:
        """Return the latent frames that num_samples at the model's rate need; 0 for none."""
        geometry = self.geometry()
        return -(-(num_samples + geometry.missing) // geometry.step) if num_samples else 0

    def num_samples(self, num_frames: int) -> int:
        """Return the samples that num_frames decode to."""
        geometry = self.geometry()
        return max(0, num_frames * geometry.step - geometry.missing)

    def _recording(self, path: Path) -> NDArray[np.float32]:
        """Return a file's sound [T] at the model's rate, mixed down to one channel."""
        clip = read_clip(path)
        mono = clip.waveform.mean(axis=0, keepdims=True)
        recording: NDArray[np.float32] = resample(mono, clip.sample_rate, self.config.sample_rate)[
            0
        ]
        return recording

    def dataset(self, files: Sequence[Path], table: Mapping[str, Any]) -> Dataset:
        """Return random excerpts."""
        from vqcodec.training.audio.dataset import AudioDataConfig, AudioExcerpts

        config = build_config(AudioDataConfig, table, "data")
        recordings = [
            np.round(self._recording(path).clip(-1, 1) * 32767).astype(np.int16) for path in files
        ]
        separator = config.group_separator
        speakers = [group_of(path, separator) for path in files] if self.takes_voices else None
        length = self.num_samples(config.frames)
        return AudioExcerpts(recordings, config, length, self.config.sample_rate, speakers)

    def excerpt(self, path: Path) -> Tensor:
        """Return the middle of a recording, [1, 1, T], of a whole number of frames."""
        recording = self._recording(path)
        length = min(len(recording), round(EXCERPT_S * self.config.sample_rate))
        start = (len(recording) - length) // 2
        padded = self.num_samples(max(1, self.num_frames(length)))
        waveform = np.zeros(padded, np.float32)
        waveform[:length] = recording[start : start + length]
        return torch.from_numpy(waveform)[None, None]

    def distortion(
        self,
        reconstruction: Tensor,
        target: Tensor,
        kind: str = "default",  # noqa: ARG002 - there is no other
    ) -> dict[str, Tensor]:
        """Return spectral and perceptual errors; "snr_db" is only reported."""
        from vqcodec.training.audio.envelopes import envelope_mismatch
        from vqcodec.training.audio.losses import compressed_spectral_loss, signal_to_noise_db
        from vqcodec.training.audio.loudness import loudness_disturbance

        sample_rate = self.config.sample_rate
        terms = compressed_spectral_loss(reconstruction, target, sample_rate)
        one = reconstruction[:, :1]
        terms["loudness"] = loudness_disturbance(one, target, sample_rate)
        terms["envelope"] = envelope_mismatch(one, target, sample_rate)
        total = sum((weight * terms[name] for name, weight in WEIGHTS.items()), torch.tensor(0.0))
        snr = signal_to_noise_db(one.detach(), target)
        return {"total": total, **terms, "snr_db": snr}

    def rate_of_bits(self, bits: Tensor, target: Tensor) -> Tensor:
        """Return kilobits [B] per second of sounds [B, 1, T]."""
        return bits * self.config.sample_rate / target.shape[-1] / 1000
