"""A sound in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class AudioClip:
    """Samples and their rate.

    Attributes:
        waveform: [C, T] in -1 … 1; T may be 0.
        sample_rate: in Hz.
    """

    waveform: NDArray[np.float32]
    sample_rate: int

    def __post_init__(self) -> None:
        assert self.waveform.ndim == 2 and self.waveform.shape[0] and self.sample_rate > 0
        assert self.waveform.dtype == np.float32

    @property
    def num_channels(self) -> int:
        """Channels."""
        return int(self.waveform.shape[0])

    @property
    def num_samples(self) -> int:
        """Samples of each channel."""
        return int(self.waveform.shape[1])

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.num_samples / self.sample_rate
