"""The training side of sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqcodec.config import build_config
from vqcodec.modalities.audio.modality import AudioModality
from vqcodec.training.audio.dataset import AudioDataConfig, AudioExcerpts
from vqcodec.training.audio.envelopes import envelope_mismatch
from vqcodec.training.audio.losses import compressed_spectral_loss, signal_to_noise_db
from vqcodec.training.audio.loudness import loudness_disturbance
from vqcodec.training.audio.recordings import RecordingFiles, facts_of, open_recordings
from vqcodec.training.inputs import InputReader
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

    def _dataset(
        self,
        files: Sequence[str],
        table: Mapping[str, Any],
        memory_bytes: int,
        reader: InputReader,
    ) -> Dataset:
        """Return random excerpts."""
        config = build_config(AudioDataConfig, table, "data")
        recordings = open_recordings(files, self.sample_rate, memory_bytes, reader)
        speakers = None
        if self.modality.takes_voices:
            speakers = [group_of(name, config.group_separator) for name in recordings.files]
        length = self.modality.num_samples(config.frames)
        return AudioExcerpts(recordings, config, length, self.sample_rate, speakers)

    def excerpt(self, name: str | Path) -> Tensor:
        """Return the middle of a recording, [1, 1, T], a whole number of frames."""
        recording = RecordingFiles({str(name): facts_of(name)}, self.sample_rate, 0)
        total = int(recording.lengths[0])
        length = min(total, round(EXCERPT_S * self.sample_rate))
        start = (total - length) // 2
        padded = self.modality.num_samples(max(1, self.modality.num_frames(length)))
        waveform = np.zeros(padded, np.float32)
        waveform[:length] = recording.waveform(0, start, start + length)
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
