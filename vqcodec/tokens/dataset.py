"""Tokens in memory as a dataset for torch.utils.data.DataLoader; torch is not imported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import UsageError
from vqcodec.numbers import as_whole
from vqcodec.tokens.entry import Tokens
from vqcodec.tokens.shards import read


class TokenDataset:
    """Indices of files, or windows of them, as arrays of int64; all are held in memory.

    It has a length and items, which is all that a `DataLoader` needs: batches become tensors.

    Attributes:
        tokens: of every file, without those that are shorter than a window.
        codebook_size: N.
        num_codebooks: K'.
    """

    def __init__(
        self, *sources: str | Path, frames: int | None = None, stride: int | None = None
    ) -> None:
        """Read shards.

        Args:
            sources: shards, or folders of shards.
            frames: the length of a window, for sounds; None for whole files, which differ in size.
            stride: from one window to the next; by default, windows do not overlap.

        Raises:
            InputError: a shard is missing or damaged.
            UsageError: the shards are of several models or rates, no file is as long as a window,
                or there are windows and the files are pictures.
        """
        if stride is not None and frames is None:
            raise UsageError("tokens: a stride is for windows, which need frames")
        for name, value in (("frames", frames), ("stride", stride)):
            if value is not None:
                as_whole(value, name, 1)
        self.frames = frames
        found = list(read(*sources))
        kinds = {(t.fingerprint, t.rate, t.codebook_size, t.indices.ndim) for t in found}
        if len(kinds) > 1:
            raise UsageError("tokens: the shards are of several models or rates")
        if frames is not None and any(t.modality == "image" for t in found):
            raise UsageError("tokens: windows of frames are for sounds")
        self.tokens = [t for t in found if frames is None or t.indices.shape[1] >= frames]
        if not self.tokens:
            raise UsageError(
                f"tokens: no file has {frames} frames"
                if found
                else "tokens: no shard, or empty ones"
            )
        self.codebook_size = self.tokens[0].codebook_size
        self.num_codebooks = self.tokens[0].indices.shape[0]
        step = stride or frames
        self._places: list[tuple[int, int]] = []  # file and first frame
        for number, tokens in enumerate(self.tokens):
            if frames is None or step is None:
                self._places.append((number, 0))
            else:
                last = tokens.indices.shape[1] - frames
                self._places += [(number, start) for start in range(0, last + 1, step)]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> NDArray[np.int64]:
        """Return indices [K', frames], or those of a whole file."""
        number, start = self._places[index]
        indices = self.tokens[number].indices
        part = indices if self.frames is None else indices[:, start : start + self.frames]
        return part.astype(np.int64)

    def file_of(self, index: int) -> Tokens:
        """Return the tokens of the file that an item is from."""
        return self.tokens[self._places[index][0]]
