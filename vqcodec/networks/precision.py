"""Where products of 16-bit floats are faster than those of 32 bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

PROCESSOR_FACTS = Path("/proc/cpuinfo")
# Instruction sets that make such products about three times and twice as fast.
INSTRUCTION_SETS = {"amx_bf16", "avx512_bf16"}


class MixedPrecision(nn.Module):
    """A network whose products can be of 16-bit floats while it trains, with `in_bfloat16`."""

    in_bfloat16 = False

    def products(self, device: torch.device) -> torch.autocast:
        """Return the context in which layers multiply in bfloat16, if this network is to."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.in_bfloat16)


class UnitStack(nn.Sequential, MixedPrecision):
    """Residual units in a row, where networks spend their time.

    What goes in and comes out has 32 bits.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        dtype = features.dtype
        with self.products(features.device):
            for unit in self:
                features = unit(features)
        return features.to(dtype)


def gains_by_bfloat16(device: str) -> bool:
    """Return whether the device has units of its own for 16-bit products."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    if device != "cpu" or not PROCESSOR_FACTS.exists():
        return False
    facts = PROCESSOR_FACTS.read_text(encoding="utf-8", errors="replace")
    return not INSTRUCTION_SETS.isdisjoint(facts.split())


def use_bfloat16(module: nn.Module) -> None:
    """Let every part of a module that can multiply in bfloat16."""
    for part in module.modules():
        if isinstance(part, MixedPrecision):
            part.in_bfloat16 = True


@contextmanager
def in_full_precision(module: nn.Module) -> Iterator[None]:
    """Let every part of a module multiply in 32 bits for as long as the block lasts."""
    parts = [p for p in module.modules() if isinstance(p, MixedPrecision) and p.in_bfloat16]
    for part in parts:
        part.in_bfloat16 = False
    try:
        yield
    finally:
        for part in parts:
            part.in_bfloat16 = True


@torch.no_grad()
def lay_channels_last(module: nn.Module) -> None:
    """Keep the kernels of a module as convolutions of channels-last features read them."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1):
            part.weight.data = part.weight.contiguous(memory_format=torch.channels_last)


def in_memory_order(tensor: Tensor) -> Tensor:
    """Return a tensor's own memory as a contiguous tensor, channels last if they lie so."""
    own = tensor.detach()
    return own if own.is_contiguous() else own.permute(0, 2, 3, 1)
