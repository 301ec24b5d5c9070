"""A lapped transform whose frames are split into shorter blocks where a sound changes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vqcodec.modalities.audio.config import SPLITS
from vqcodec.networks.audio.dct import dct4, inverse_dct4


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

    cosines: Tensor
    sines: Tensor
    one_hot: Tensor

    def __init__(self, hop_length: int, num_bins: int) -> None:
        """Take the samples and the coefficients per frame; higher frequencies are left out."""
        super().__init__()
        self.hop_length, self.num_bins = hop_length, num_bins
        # The angles of every choice; the last one has no overlap.
        overlaps = [*(hop_length // 2 // split for split in SPLITS), 0]
        angles = torch.stack([_angles(hop_length // 2, overlap) for overlap in overlaps])
        self.register_buffer("cosines", torch.cos(angles).float(), persistent=False)
        self.register_buffer("sines", torch.sin(angles).float(), persistent=False)
        self.register_buffer("one_hot", torch.eye(len(SPLITS)), persistent=False)

    def analyse(self, waveform: Tensor, choice: Tensor) -> Tensor:
        """Return coefficients [B, C, F, num_bins] of waveform [B, C, F * hop].

        choice [B, F] int64 is the number of each frame's split in `SPLITS`.
        """
        frames = waveform.reshape(*waveform.shape[:2], -1, self.hop_length)
        folded = fold(frames, *self._rotations(choice))
        frames = mirror(folded)  # their inner borders are not folded yet
        split_bins = [self._bins(self._fold_inner(frames, n), n) for n in range(1, len(SPLITS))]
        return self._selected([self._bins(folded, 0), *split_bins], choice)

    def synthesise(self, coefficients: Tensor, choice: Tensor) -> Tensor:
        """Return the waveform [B, C, F * hop] of coefficients [B, C, F, num_bins]."""
        split_frames = [self._unfold_inner(coefficients, n) for n in range(1, len(SPLITS))]
        # As if all frames were whole.
        folded = mirror(self._selected(split_frames, choice, first=1))
        folded = folded + self._selected([self._halves(coefficients, 0)], choice)
        waveform = unfold(folded, *self._rotations(choice))
        return waveform.reshape(*coefficients.shape[:2], -1)

    def analyse_alike(self, waveform: Tensor, number: int) -> Tensor:
        """Return coefficients as `analyse` does, with one choice for all frames.

        The ends of the signal have an overlap with nothing.
        """
        half = self.hop_length // SPLITS[number] // 2
        blocks = waveform.reshape(*waveform.shape[:2], -1, 2 * half)
        folded = fold(blocks, self.cosines[number, :half], self.sines[number, :half])
        return self._bins(folded, number)

    def _rotations(self, choice: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosines and sines [B, 1, F + 1, hop / 2] at the borders of frames."""
        end = torch.zeros_like(choice[:, :1]) + len(SPLITS)
        shorter = torch.maximum(torch.cat([end, choice], 1), torch.cat([choice, end], 1))
        return self.cosines[shorter][:, None], self.sines[shorter][:, None]

    def _inner_rotations(self, number: int) -> tuple[Tensor, Tensor]:
        """Return cosines and sines [M + 1, n] at the borders in a frame; none at its ends."""
        split = SPLITS[number]
        half = self.hop_length // split // 2
        cosine, sine = (
            torch.cat([table[-1:, :half], table[number, :half].expand(split - 1, -1)])
            for table in (self.cosines, self.sines)
        )
        return torch.cat([cosine, cosine[:1]]), torch.cat([sine, sine[:1]])

    def _fold_inner(self, frames: Tensor, number: int) -> Tensor:
        """Return folded blocks [B, C, F * M, 2 n] of one split of frames [B, C, F, hop]."""
        split, length = SPLITS[number], self.hop_length // SPLITS[number]
        blocks = frames.reshape(*frames.shape[:3], split, length)
        folded = fold(blocks, *self._inner_rotations(number))
        return folded.reshape(*frames.shape[:2], -1, length)

    def _unfold_inner(self, coefficients: Tensor, number: int) -> Tensor:
        """Return frames [B, C, F, hop] of one split, whose borders are still folded."""
        shape = coefficients.shape[:3]
        blocks = self._halves(coefficients, number).reshape(*shape, SPLITS[number], -1)
        return unfold(blocks, *self._inner_rotations(number)).reshape(*shape, self.hop_length)

    def _selected(self, of_splits: list[Tensor], choice: Tensor, first: int = 0) -> Tensor:
        """Return the tensor [B, C, F, n] of each frame's choice, 0 for choices not given."""
        chosen = self.one_hot[choice][:, None, :, first:, None]  # [B, 1, F, splits, 1]
        total = of_splits[0] * chosen[:, :, :, 0]
        for number, part in enumerate(of_splits[1:], start=1):
            total = total + part * chosen[:, :, :, number]
        return total

    def _bins(self, folded: Tensor, number: int) -> Tensor:
        """Return coefficients [B, C, F, num_bins] of folded blocks [B, C, F * split, length]."""
        split, length = SPLITS[number], folded.shape[3]
        bins = dct4(folded.reshape(-1, length), self.num_bins // split)
        bins = bins.reshape(*folded.shape[:2], -1, split, self.num_bins // split)
        return bins.transpose(3, 4).reshape(*folded.shape[:2], -1, self.num_bins)

    def _halves(self, coefficients: Tensor, number: int) -> Tensor:
        """Return folded blocks [B, C, F * split, length] of coefficients [B, C, F, num_bins]."""
        split, shape = SPLITS[number], coefficients.shape[:3]
        length, num_bins = self.hop_length // split, self.num_bins // split
        bins = coefficients.reshape(*shape, num_bins, split).transpose(3, 4)
        folded = inverse_dct4(bins.reshape(-1, num_bins), length)
        return folded.reshape(*shape[:2], -1, length)


def _angles(length: int, overlap: int) -> Tensor:
    """Return the angles [length] of the rotation of samples from a border on."""
    place = torch.arange(length, dtype=torch.float64)
    return torch.where(
        place < overlap, math.pi / 4 * (1 - (place + 0.5) / max(overlap, 1)), torch.zeros(())
    )


def fold(blocks: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Return blocks [..., M, 2 n] of samples as folded blocks.

    The n samples after a border are rotated with those before it, which are mirrored. A folded
    block has its first half, then its second half mirrored.

    Args:
        blocks: [..., M, 2 n].
        cosine: of the angles of the M + 1 borders, broadcastable to [..., M + 1, n].
        sine: of the same.
    """
    half = blocks.shape[-1] // 2
    empty = torch.zeros_like(blocks[..., :1, :half])
    after = torch.cat([blocks[..., :half], empty], -2)  # of each border
    before = torch.cat([empty, blocks[..., half:].flip(-1)], -2)
    left, right = cosine * after + sine * before, cosine * before - sine * after
    return torch.cat([left[..., :-1, :], right[..., 1:, :]], -1)


def mirror(blocks: Tensor) -> Tensor:
    """Return blocks [..., 2 n] with their second half mirrored."""
    half = blocks.shape[-1] // 2
    return torch.cat([blocks[..., :half], blocks[..., half:].flip(-1)], -1)


def unfold(folded: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Return blocks [..., M, 2 n] of samples of folded blocks [..., M, 2 n]; see `fold`."""
    half = folded.shape[-1] // 2
    empty = torch.zeros_like(folded[..., :1, :half])
    left = torch.cat([folded[..., :half], empty], -2)
    right = torch.cat([empty, folded[..., half:]], -2)
    after, before = cosine * left - sine * right, cosine * right + sine * left
    return torch.cat([after[..., :-1, :], before[..., 1:, :].flip(-1)], -1)
