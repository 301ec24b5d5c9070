"""A small language model over tokens: trained for some minutes, then sampled and decoded to sound.

    vqcodec tokens VOICE -o words.tar --quality 1
    python benchmarks/token_language_model.py words-*.tar --minutes 5 -o new.wav

It works for any sound model: one codebook, residual codebooks, or a lattice. A recurrent network
reads the frames. Within a frame, the codebooks are predicted one after the other: the state of the
frame plus the sum of the embeddings of the codebooks before (NADE, Larochelle and Murray 2011).
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from result import write_result
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Subset

import vqcodec
from vqcodec.tokens import TokenDataset

FRAMES, BATCH, WIDTH = 64, 8, 128
HELD_OUT_SHARE = 0.05
LEARNING_RATE = 3e-3


class FrameLanguageModel(nn.Module):
    """Predicts the indices of a frame from the frames before and from its own codebooks before."""

    least: Tensor
    starts: Tensor
    sizes: Tensor
    unused: Tensor

    def __init__(self, least: Tensor, sizes: Tensor) -> None:
        """Take the least index that occurs in each of K codebooks, [K], and how many, [K].

        Codebooks of a lattice hardly use their range, so this makes the tables small. Those whose
        index is always the same are not predicted.
        """
        super().__init__()
        self.everything = least
        (self.open,) = (sizes > 1).nonzero(as_tuple=True)  # codebooks that vary
        least, sizes = least[self.open], sizes[self.open]
        self.register_buffer("least", least)
        self.register_buffer("starts", sizes.cumsum(0) - sizes)
        self.register_buffer("sizes", sizes)
        num_entries, most = int(sizes.sum()), int(sizes.max())
        self.inputs = nn.EmbeddingBag(num_entries, WIDTH, mode="sum")
        self.within = nn.Embedding(num_entries, WIDTH)
        self.frames = nn.GRU(WIDTH, WIDTH, num_layers=2, batch_first=True)
        self.first = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.bias = nn.Parameter(torch.zeros(len(sizes), WIDTH))
        self.head = nn.Parameter(torch.zeros(len(sizes), WIDTH, most))
        self.offset = nn.Parameter(torch.zeros(len(sizes), most))
        for table in (self.inputs, self.within):
            nn.init.normal_(table.weight, std=len(sizes) ** -0.5)
        unused = torch.arange(most) >= sizes[:, None]
        self.register_buffer("unused", unused)

    def entries(self, indices: Tensor) -> Tensor:
        """Return rows of the tables [B, F, K] for indices [B, K, F]; rare indices are clamped."""
        own = (indices[:, self.open].movedim(1, -1) - self.least).clamp(min=0)
        return torch.minimum(own, self.sizes - 1) + self.starts

    def forward(self, indices: Tensor) -> Tensor:
        """Return the bits of every index, [B, F, K], of indices [B, K, F]."""
        entries = self.entries(indices)
        batch, frames, num = entries.shape
        summed = self.inputs(entries.reshape(-1, num)).reshape(batch, frames, WIDTH)
        before = torch.cat([self.first.expand(batch, -1, -1), summed[:, :-1]], dim=1)
        state, _ = self.frames(before)
        own = self.within(entries)  # [B, F, K, W]
        known = own.cumsum(2) - own  # of the codebooks before
        hidden = functional.relu(state[:, :, None] + known + self.bias)
        logits = torch.einsum("bfkw,kwn->bfkn", hidden, self.head) + self.offset
        logits = logits.masked_fill(self.unused, -math.inf)
        chosen = (entries - self.starts)[..., None]
        return -logits.log_softmax(-1).gather(-1, chosen)[..., 0] / math.log(2)

    @torch.no_grad()
    def sample(self, num_frames: int, temperature: float) -> Tensor:
        """Return new indices [K, F]."""
        found, hidden = [], None
        before = self.first
        for _ in range(num_frames):
            state, hidden = self.frames(before, hidden)
            known, rows = state[0, 0], []
            for book in range(len(self.sizes)):
                logits = functional.relu(known + self.bias[book]) @ self.head[book]
                logits = (logits + self.offset[book]).masked_fill(self.unused[book], -math.inf)
                choice = torch.multinomial((logits / temperature).softmax(0), 1)[0]
                rows.append(choice + self.starts[book])
                known = known + self.within.weight[rows[-1]]
            entries = torch.stack(rows)
            found.append(entries - self.starts + self.least)
            before = self.inputs(entries[None])[None]
        indices = self.everything[:, None].repeat(1, num_frames)
        indices[self.open] = torch.stack(found, dim=1)
        return indices


@torch.no_grad()
def init_from_counts(model: FrameLanguageModel, dataset: TokenDataset, rows: range) -> None:
    """Start from the frequencies of indices."""
    entries = torch.cat([model.entries(torch.from_numpy(dataset[row])[None])[0] for row in rows])
    counts = torch.bincount(entries.flatten(), minlength=int(model.sizes.sum())) + 0.1
    for book, (start, size) in enumerate(zip(model.starts, model.sizes, strict=True)):
        model.offset[book, :size] = counts[start : start + size].log()


def ranges_of(dataset: TokenDataset, rows: range) -> tuple[Tensor, Tensor]:
    """Return the least index in each codebook, [K], and the number of indices from there, [K]."""
    everything = np.concatenate([dataset[row] for row in rows], axis=1)  # [K, all frames]
    least, most = everything.min(axis=1), everything.max(axis=1)
    return torch.from_numpy(least), torch.from_numpy(most - least + 1)


def loader_of(dataset: TokenDataset, rows: range, *, shuffle: bool) -> Iterable[Tensor]:
    """Return batches [B, K, F] of some windows."""
    subset: Any = Subset(cast(Any, dataset), rows)
    return cast(Iterable[Tensor], DataLoader(subset, BATCH, shuffle=shuffle, drop_last=shuffle))


def fit(model: FrameLanguageModel, dataset: TokenDataset, minutes: float, num_train: int) -> int:
    """Train until the minutes of this processor are over; return the number of steps."""
    loader = loader_of(dataset, range(num_train), shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    begun, steps = time.process_time(), 0
    while True:
        for indices in loader:
            share = (time.process_time() - begun) / (60 * minutes)
            if share >= 1:
                return steps
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * (1 - share)
            optimizer.zero_grad()
            bits = model(indices)
            bits.sum(2).mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 50.0)
            optimizer.step()
            steps += 1
            if steps % 50 == 0:
                print(
                    f"{share:.0%}  {float(bits.detach().sum(2).mean()):.2f} bits a frame",
                    file=sys.stderr,
                )


@torch.no_grad()
def held_out_bits(model: FrameLanguageModel, dataset: TokenDataset, rows: range) -> float:
    """Return the mean bits of a frame."""
    loader = loader_of(dataset, rows, shuffle=False)
    found = [float(model(indices).sum(2).mean()) for indices in loader]
    return sum(found) / len(found)


def main() -> None:
    """Train, sample, decode."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", nargs="+")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--temperature", type=float, default=0.9)
    parser.add_argument("-o", "--output", type=Path, required=True)
    wanted = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    dataset = TokenDataset(*wanted.shards, frames=FRAMES)
    num_train = round((1 - HELD_OUT_SHARE) * len(dataset))
    train, held_out = range(num_train), range(num_train, len(dataset))
    model = FrameLanguageModel(*ranges_of(dataset, train))
    init_from_counts(model, dataset, train)
    before = held_out_bits(model, dataset, held_out)
    steps = fit(model, dataset, wanted.minutes, num_train)
    after = held_out_bits(model, dataset, held_out)

    tokens = dataset.file_of(0)
    codec = vqcodec.load(tokens.fingerprint)
    hop_s = codec.parts.modality.position_size
    indices = model.sample(round(wanted.seconds / hop_s), wanted.temperature)
    vqcodec.write(wanted.output, codec.decode(indices.numpy(), quality=tokens.quality))

    write_result(
        "token_language_model",
        {
            "model": {"name": tokens.model, "fingerprint": tokens.fingerprint},
            "quality": tokens.quality,
            "minutes": wanted.minutes,
            "steps": steps,
            "num_windows": num_train,
            "num_held_out": len(held_out),
            "parameters": sum(p.numel() for p in model.parameters()),
            "frames_per_second": 1 / hop_s,
            "bits_per_frame_by_frequency": before,
            "bits_per_frame": after,
        },
    )


if __name__ == "__main__":
    main()
