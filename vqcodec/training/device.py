"""The device of a training."""

from __future__ import annotations

import torch

from vqcodec.errors import UsageError


def check_device(device: str) -> None:
    """Check that torch can compute on a device, as "cpu" or "cuda".

    Raises:
        UsageError: torch cannot.
    """
    try:
        torch.zeros(1, device=device).tolist()
    # AssertionError: torch was built without CUDA.
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {device}: not available to PyTorch") from error
