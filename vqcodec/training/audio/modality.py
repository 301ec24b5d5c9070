"""The training side of sounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.config import build_config
from vqcodec.errors import InputError
from vqcodec.modalities.audio.modality import AudioModality
from vqcodec.signals.resampling import resample
from vqcodec.signals.sound_files import read_clip
from vqcodec.training.audio.dataset import AudioDataConfig, AudioExcerpts
from vqcodec.training.audio.envelopes import envelope_mismatch
from vqcodec.training.audio.losses import compressed_spectral_loss, signal_to_noise_db
from vqcodec.training.audio.loudness import loudness_disturbance
from vqcodec.training.manifest import group_of
from vqcodec.training.modality import Dataset, TrainingModality

WEIGHTS = {  # of the terms of a sound's distortion
    "bands": 100.0,
    "magnitude": 6.0,
    "complex": 0.6,
    "loudness": 0.7,
    "envelope": 4.0,
}
EXCERPT_S = 6.0  # of a held-out file


class AudioTraining(TrainingModality):
    """Excerpts of recordings, and the distortion between two sounds."""

    suffixes = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"})

    def __init__(self, modality: AudioModality) -> None:
        self.modality, self.sample_rate = modality, modality.config.sample_rate

    def _recording(self, path: Path) -> NDArray[np.float32]:
        """Return a file's sound [T] at the model's rate, mixed down to one channel."""
        clip = read_clip(path)
        if not clip.num_samples:
            raise InputError(f"{path}: has no samples")
        mono = clip.waveform.mean(axis=0, keepdims=True)
        recording: NDArray[np.float32] = resample(mono, clip.sample_rate, self.sample_rate)[0]
        return recording

    def loader(self, table: Mapping[str, Any]) -> Callable[[Path], NDArray[np.int16]]:
        """Return a function that returns a recording [T] of 16 bits at the model's rate."""
        build_config(AudioDataConfig, table, "data")  # fail before the first file

        def load(path: Path) -> NDArray[np.int16]:
            return np.round(self._recording(path).clip(-1, 1) * 32767).astype(np.int16)

        return load

    def dataset(
        self, loaded: Mapping[Path, NDArray[np.int16]], table: Mapping[str, Any]
    ) -> Dataset:
        """Return random excerpts."""
        config = build_config(AudioDataConfig, table, "data")
        speakers = None
        if self.modality.takes_voices:
            speakers = [group_of(path, config.group_separator) for path in loaded]
        length = self.modality.num_samples(config.frames)
        recordings = list(loaded.values())
        return AudioExcerpts(recordings, config, length, self.sample_rate, speakers)

    def excerpt(self, path: Path) -> Tensor:
        """Return the middle of a recording, [1, 1, T], a whole number of frames."""
        recording = self._recording(path)
        length = min(len(recording), round(EXCERPT_S * self.sample_rate))
        start = (len(recording) - length) // 2
        padded = self.modality.num_samples(max(1, self.modality.num_frames(length)))
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
        terms = compressed_spectral_loss(reconstruction, target, self.sample_rate)
        one = reconstruction[:, :1]
        terms["loudness"] = loudness_disturbance(one, target, self.sample_rate)
        terms["envelope"] = envelope_mismatch(one, target, self.sample_rate)
        total = sum((weight * terms[name] for name, weight in WEIGHTS.items()), torch.tensor(0.0))
        snr = signal_to_noise_db(one.detach(), target)
        return {"total": total, **terms, "snr_db": snr}

    def rate_of_bits(self, bits: Tensor, target: Tensor) -> Tensor:
        """Return kilobits [B] per second of sounds [B, 1, T]."""
        return bits * self.sample_rate / target.shape[-1] / 1000
