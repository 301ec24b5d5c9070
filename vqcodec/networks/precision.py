"""Where products of 16-bit floats are faster than those of 32 bits."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

PROCESSOR_FACTS = Path("/proc/cpuinfo")
# Instruction sets that make such products about three times and twice as fast.
INSTRUCTION_SETS = {"amx_bf16", "avx512_bf16"}


class UnitStack(nn.Sequential):
    """Residual units in a row, where networks spend their time.

    With `in_bfloat16`, for training, their products are of 16-bit floats; what goes in and comes
    out has 32 bits, and so have all layers that make latents or samples.
    """

    in_bfloat16 = False

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        kind, dtype = features.device.type, features.dtype
        with torch.autocast(kind, torch.bfloat16, enabled=self.in_bfloat16):
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
    """Let every stack of units in a module compute in bfloat16."""
    for part in module.modules():
        if isinstance(part, UnitStack):
            part.in_bfloat16 = True
