"""The training side of sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqcodec.config import build_config
from vqcodec.modalities.audio.modality import AudioModality
from vqcodec.signals.suffixes import SOUND_SUFFIXES
from vqcodec.training.audio.dataset import AudioDataConfig, AudioExcerpts
from vqcodec.training.audio.envelopes import envelope_mismatch
from vqcodec.training.audio.losses import compressed_spectral_loss, signal_to_noise_db
from vqcodec.training.audio.loudness import loudness_disturbance
from vqcodec.training.audio.pair_losses import pair_distortion
from vqcodec.training.audio.pairs import PairDataConfig, PairExcerpts
from vqcodec.training.audio.recordings import Form, RecordingFiles, facts_of, open_recordings
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

    suffixes = SOUND_SUFFIXES

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
        config = self._data_config(table)
        length = self.modality.num_samples(config.frames)
        if isinstance(config, PairDataConfig):
            form = replace(self._form, longest_s=config.recording_s)
            return PairExcerpts(open_recordings(files, form, memory_bytes, reader), config, length)
        recordings = open_recordings(files, self._form, memory_bytes, reader)
        speakers = None
        if self.modality.takes_voices:
            speakers = [group_of(name, config.group_separator) for name in recordings.files]
        return AudioExcerpts(recordings, config, length, self.sample_rate, speakers)

    def _data_config(self, table: Mapping[str, Any]) -> AudioDataConfig | PairDataConfig:
        if self.modality.num_plane_channels == 2:
            return build_config(PairDataConfig, table, "data")
        return build_config(AudioDataConfig, table, "data")

    @property
    def _form(self) -> Form:
        """How the networks take recordings."""
        return Form(self.sample_rate, self.modality.num_plane_channels)

    def excerpt(self, name: str | Path) -> Tensor:
        """Return the middle of a recording, [1, C, T], a whole number of frames."""
        form = replace(self._form, longest_s=EXCERPT_S)
        recording = RecordingFiles({str(name): facts_of(name, form)}, form, 0)
        length = int(recording.lengths[0])
        padded = self.modality.num_samples(max(1, self.modality.num_frames(length)))
        waveform = np.zeros((form.num_channels, padded), np.float32)
        waveform[:, :length] = recording.waveform(0, 0, length)
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
