"""A lapped transform whose frames are split into shorter blocks where a sound changes."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor, nn

from vqcodec.modalities.audio.config import SPLITS


class BlockTransform(nn.Module):
    """An orthonormal MDCT with block switching, critically sampled.

    Frame f holds the samples from f * hop on. It has `SPLITS[choice]` blocks of equal length. Two
    neighbouring blocks overlap by the length of the shorter one, with a sine window (Edler 1989,
    "Codierung von Audiosignalen mit überlappender Transformation und adaptiven
    Fensterfunktionen"). The overlap is computed first, as a rotation of the samples around the
    border of two blocks; then a DCT-IV of each block follows. Both ends of the signal are borders
    without overlap, so that every sample is reconstructed.

    The coefficients of a frame are interleaved: those of all blocks at the lowest frequency come
    first. So a coefficient's number gives its frequency, whatever the split.
    """

    windows: Tensor
    one_hot: Tensor

    def __init__(self, hop_length: int, num_bins: int) -> None:
        """Take the samples and the coefficients per frame; higher frequencies are left out."""
        super().__init__()
        self.hop_length, self.num_bins = hop_length, num_bins
        rows = [_window(hop_length // 2, hop_length // 2 // split) for split in SPLITS]
        rows.append(_window(hop_length // 2, 0))
        # The window of every choice; the last one has no overlap.
        self.register_buffer("one_hot", torch.eye(len(SPLITS)), persistent=False)
        self.register_buffer("windows", torch.stack(rows), persistent=False)

    def analyse(self, waveform: Tensor, choice: Tensor) -> Tensor:
        """Return coefficients [B, C, F, num_bins] of waveform [B, C, F * hop].

        choice [B, F] int64 is the number of each frame's split in `SPLITS`.
        """
        frames = waveform.reshape(*waveform.shape[:2], -1, self.hop_length)
        rotated = _rotate(frames, self._window_at(choice)[:, None])
        return self._selected([self._blocks_to_bins(rotated, split) for split in SPLITS], choice)

    def synthesise(self, coefficients: Tensor, choice: Tensor) -> Tensor:
        """Return the waveform [B, C, F * hop] of coefficients [B, C, F, num_bins]."""
        rotated = self._selected(
            [self._bins_to_blocks(coefficients, split) for split in SPLITS], choice
        )
        frames = _rotate(rotated, self._window_at(choice)[:, None], back=True)
        return frames.reshape(*coefficients.shape[:2], -1)

    def analyse_alike(self, waveform: Tensor, number: int) -> Tensor:
        """Return coefficients as `analyse` does, with one choice for all frames."""
        frames = waveform.reshape(*waveform.shape[:2], -1, self.hop_length)
        choice = torch.zeros_like(frames[:, 0, :, 0], dtype=torch.int64) + number
        rotated = _rotate(frames, self._window_at(choice)[:, None])
        return self._blocks_to_bins(rotated, SPLITS[number])

    def _window_at(self, choice: Tensor) -> Tensor:
        """Return the windows [B, F + 1, hop / 2] at the borders of all frames."""
        end = torch.zeros_like(choice[:, :1]) + len(SPLITS)
        shorter = torch.maximum(torch.cat([end, choice], 1), torch.cat([choice, end], 1))
        return self.windows[shorter]

    def _selected(self, of_splits: list[Tensor], choice: Tensor) -> Tensor:
        """Return the tensor [B, C, F, n] of each frame's choice."""
        chosen = self.one_hot[choice]  # [B, F, splits]
        total = of_splits[0] * chosen[:, None, :, 0, None]
        for number, part in enumerate(of_splits[1:], start=1):
            total = total + part * chosen[:, None, :, number, None]
        return total

    def _blocks_to_bins(self, frames: Tensor, split: int) -> Tensor:
        """Return coefficients [B, C, F, num_bins] of frames [B, C, F, hop] in `split` blocks."""
        length = self.hop_length // split
        blocks = frames.reshape(*frames.shape[:3], split, length)
        if split > 1:
            blocks = _rotate(blocks, self._inner_windows(split))
        # One product for all blocks: ONNX Runtime would make one for every frame.
        bins = torch.matmul(
            blocks.reshape(-1, length), _cosines(length, self.num_bins // split, frames)
        )
        bins = bins.reshape(*frames.shape[:3], split, -1)
        return bins.transpose(3, 4).reshape(*frames.shape[:3], self.num_bins)

    def _bins_to_blocks(self, coefficients: Tensor, split: int) -> Tensor:
        """Return frames [B, C, F, hop] of coefficients [B, C, F, num_bins]."""
        length, shape = self.hop_length // split, coefficients.shape[:3]
        bins = coefficients.reshape(*shape, self.num_bins // split, split).transpose(3, 4)
        basis = _cosines(length, self.num_bins // split, bins)
        blocks = torch.matmul(bins.reshape(-1, self.num_bins // split), basis.transpose(0, 1))
        blocks = blocks.reshape(*shape, split, length)
        if split > 1:
            blocks = _rotate(blocks, self._inner_windows(split), back=True)
        return blocks.reshape(*shape, self.hop_length)

    def _inner_windows(self, split: int) -> Tensor:
        """Return the windows [split + 1, length / 2] at the borders of the blocks of a frame."""
        half = self.hop_length // split // 2
        inner = self.windows[SPLITS.index(split), :half]
        ends = torch.ones_like(inner)[None]
        return torch.cat([ends, inner[None].expand(split - 1, -1), ends])


def _window(length: int, overlap: int) -> Tensor:
    """Return the rising half of a window [length] from a border on, 1 after `overlap` samples."""
    place = (torch.arange(length, dtype=torch.float64) + 0.5) / max(overlap, 1)
    rising = torch.sin(math.pi / 4 * (1 + place))
    return torch.where(torch.arange(length) < overlap, rising, 1.0).float()


def _rotate(blocks: Tensor, window: Tensor, *, back: bool = False) -> Tensor:
    """Return blocks [..., M, n] with the samples around the M + 1 borders rotated.

    window [..., M + 1, n / 2] has the cosines of the angles.
    """
    half = blocks.shape[-1] // 2
    empty = torch.zeros_like(blocks[..., :1, :half])
    after = torch.cat([blocks[..., :half], empty], -2)  # of each border
    before = torch.cat([empty, blocks[..., half:].flip(-1)], -2)
    sine = (1 - window.square()).clamp(min=0).sqrt()
    if back:
        sine = -sine
    left = window * after + sine * before
    right = window * before - sine * after
    return torch.cat([left[..., :-1, :], right[..., 1:, :].flip(-1)], -1)


def _cosines(length: int, num_bins: int, like: Tensor) -> Tensor:
    """Return the lowest basis functions [length, num_bins] of the DCT-IV.

    A graph computes the basis when it is loaded: stored, it would be most of a model file.
    """
    if torch.compiler.is_exporting():
        return _make_cosines(length, num_bins, like.device, like.dtype)
    return _cached_cosines(length, num_bins, like.device, like.dtype)


def _make_cosines(length: int, num_bins: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return what `_cosines` does; angles are reduced, because large ones are not precise.

    All products are below 2 ** 24, so they are exact in 32 bits.
    """
    # Tensors of numbers, because ONNX Runtime does not compute a Range beforehand.
    n = torch.tensor(range(1, 2 * length, 2), device=device, dtype=dtype)[:, None]
    k = torch.tensor(range(1, 2 * num_bins, 2), device=device, dtype=dtype)[None]
    turns = n * (k / (8 * length))
    return torch.cos((turns - torch.floor(turns)) * (2 * math.pi)) * math.sqrt(2 / length)


_cached_cosines = functools.lru_cache(maxsize=16)(_make_cosines)
