"""Speaker similarity of two sounds, by Resemblyzer's network."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.evaluation.metrics.spectra import mel_bands

PACKAGE = "resemblyzer"

_SAMPLE_RATE = 16_000  # Hz
_WINDOW, _HOP, _NUM_BANDS = 400, 160, 40  # 25 and 10 ms
_WIDTH = 256  # of the network and of its embeddings
_PIECE = 160  # frames of a piece
_STEP = 77  # frames from one piece to the next: 1.3 a second
_LEAST_COVERAGE = 0.75  # of the last piece, unless it is the only one
_LOUDNESS_DB = -30.0  # of full scale; quieter sounds are amplified to this


def speaker_similarity(
    reference: NDArray[np.float32], decoded: NDArray[np.float32]
) -> float | None:
    """Return the cosine between speaker embeddings of waveforms [T] at 16 kHz, 0 … 1.

    The network is the GE2E speaker encoder (Wan et al. 2018, arXiv:1710.10467) of the package
    Resemblyzer; only its weights are read. Pauses are kept in both sounds; the package would remove
    them with a voice activity detector. Two speakers have about 0.4 … 0.7. None for silence.
    """
    if not reference.any() or not decoded.any():
        return None
    first, second = (embedding_of(waveform) for waveform in (reference, decoded))
    return float(first @ second)


def embedding_of(waveform: NDArray[np.float32]) -> Tensor:
    """Return the embedding [256], of length 1, of a waveform [T] at 16 kHz: a mean over pieces."""
    loudness_db = 10 * np.log10(np.square(waveform, dtype=np.float64).mean())
    gain = 10 ** (max(0.0, _LOUDNESS_DB - loudness_db) / 20)
    num_frames = -(-(len(waveform) + 1) // _HOP)
    starts = list(range(0, max(1, num_frames - _PIECE + _STEP + 1), _STEP))
    last_coverage = (len(waveform) - starts[-1] * _HOP) / (_PIECE * _HOP)
    if last_coverage < _LEAST_COVERAGE and len(starts) > 1:
        del starts[-1]
    missing = max(0, (starts[-1] + _PIECE) * _HOP - len(waveform))
    padded = functional.pad(torch.from_numpy(waveform * np.float32(gain)), (0, missing))
    frames = _mel_frames(padded)
    pieces = torch.stack([frames[start : start + _PIECE] for start in starts])
    lstm, linear = _network()
    with torch.inference_mode():
        _, (hidden, _) = lstm(pieces)
        embeddings = functional.normalize(linear(hidden[-1]).relu(), dim=1)
    return functional.normalize(embeddings.mean(dim=0), dim=0)


def _mel_frames(waveform: Tensor) -> Tensor:
    """Return the mel power [frames, 40] of a waveform [T]."""
    window = torch.hann_window(_WINDOW)
    spectrum = torch.stft(
        waveform, _WINDOW, _HOP, window=window, pad_mode="constant", return_complex=True
    )
    bands = torch.from_numpy(mel_bands(_WINDOW, _NUM_BANDS, _SAMPLE_RATE))
    return spectrum.abs().square().T @ bands


@lru_cache(maxsize=1)
def _network() -> tuple[nn.LSTM, nn.Linear]:
    """Return the layers with the weights that are installed."""
    spec = find_spec(PACKAGE)
    assert spec is not None and spec.origin is not None, "callers check that it is installed"
    # Not imported: its voice activity detector needs a removed part of setuptools.
    path = Path(spec.origin).with_name("pretrained.pt")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    lstm = nn.LSTM(_NUM_BANDS, _WIDTH, num_layers=3, batch_first=True)
    linear = nn.Linear(_WIDTH, _WIDTH)
    for name, layer in (("lstm", lstm), ("linear", linear)):
        start = f"{name}."
        own = {key.removeprefix(start): state[key] for key in state if key.startswith(start)}
        layer.load_state_dict(own)
    return lstm, linear
