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
from vqcodec.training.audio.pair_losses import pair_distortion
from vqcodec.training.audio.pairs import PairDataConfig, PairExcerpts
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

    def _recording(self, path: Path, longest_s: float | None = None) -> NDArray[np.float32]:
        """Return a file's sound [C, T] at the model's rate, for the channels of a plane.

        For one channel the sound is mixed down. Of a longer sound only the middle is returned.
        """
        clip = read_clip(path)
        if not clip.num_samples:
            raise InputError(f"{path}: has no samples")
        waveform = clip.waveform
        if longest_s is not None:
            length = min(waveform.shape[1], round(longest_s * clip.sample_rate))
            start = (waveform.shape[1] - length) // 2
            waveform = waveform[:, start : start + length]
        if self.modality.num_plane_channels == 1:
            waveform = waveform.mean(axis=0, keepdims=True)
        else:
            waveform = waveform[[0, min(1, len(waveform) - 1)]]
        recording: NDArray[np.float32] = resample(waveform, clip.sample_rate, self.sample_rate)
        return recording

    def loader(self, table: Mapping[str, Any]) -> Callable[[Path], NDArray[np.int16]]:
        """Return a function that returns a recording of 16 bits at the model's rate.

        It is [T], or [2, T] for a model of pairs of channels.
        """
        config = self._data_config(table)  # fail before the first file

        def load(path: Path) -> NDArray[np.int16]:
            if isinstance(config, PairDataConfig):
                return _as_integers(self._recording(path, config.recording_s))
            return _as_integers(self._recording(path)[0])

        return load

    def dataset(
        self, loaded: Mapping[Path, NDArray[np.int16]], table: Mapping[str, Any]
    ) -> Dataset:
        """Return random excerpts."""
        config, recordings = self._data_config(table), list(loaded.values())
        length = self.modality.num_samples(config.frames)
        if isinstance(config, PairDataConfig):
            return PairExcerpts(recordings, config, length)
        speakers = None
        if self.modality.takes_voices:
            speakers = [group_of(path, config.group_separator) for path in loaded]
        return AudioExcerpts(recordings, config, length, self.sample_rate, speakers)

    def _data_config(self, table: Mapping[str, Any]) -> AudioDataConfig | PairDataConfig:
        if self.modality.num_plane_channels == 2:
            return build_config(PairDataConfig, table, "data")
        return build_config(AudioDataConfig, table, "data")

    def excerpt(self, path: Path) -> Tensor:
        """Return the middle of a recording, [1, C, T], a whole number of frames."""
        recording = self._recording(path, EXCERPT_S)
        length = recording.shape[1]
        padded = self.modality.num_samples(max(1, self.modality.num_frames(length)))
        waveform = np.zeros((len(recording), padded), np.float32)
        waveform[:, :length] = recording
        return torch.from_numpy(waveform)[None]

    def distortion(
        self,
        reconstruction: Tensor,
        target: Tensor,
        kind: str = "default",  # noqa: ARG002 - there is no other
    ) -> dict[str, Tensor]:
        """Return spectral and perceptual errors; "snr_db" is only reported."""
        if self.modality.num_plane_channels == 2:
            return pair_distortion(reconstruction, target, self.sample_rate)
        terms = compressed_spectral_loss(reconstruction, target, self.sample_rate)
        one = reconstruction[:, :1]
        terms["loudness"] = loudness_disturbance(one, target, self.sample_rate)
        terms["envelope"] = envelope_mismatch(one, target, self.sample_rate)
        total = sum((weight * terms[name] for name, weight in WEIGHTS.items()), torch.tensor(0.0))
        snr = signal_to_noise_db(one.detach(), target)
        return {"total": total, **terms, "snr_db": snr}

    def rate_of_bits(self, bits: Tensor, target: Tensor) -> Tensor:
        """Return kilobits [B] per second of sounds [B, C, T]."""
        return bits * self.sample_rate / target.shape[-1] / 1000


def _as_integers(recording: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return samples as 16-bit integers, which take half the memory."""
    return np.round(recording.clip(-1, 1) * 32767).astype(np.int16)
