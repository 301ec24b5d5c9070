"""Principal components, the start of the networks' linear paths."""

from __future__ import annotations

import torch
from torch import Tensor


def principal_components(patches: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean [P], the leading components [dim, P] and their deviations [dim].

    Args:
        patches: [N, P] float32, N patches of P values.
        dim: how many components, largest variance first.
    """
    mean = patches.double().mean(0)
    centred = patches.double() - mean
    variances, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    order = variances.argsort(descending=True)[:dim]
    deviations = variances[order].clamp(min=1e-12).sqrt()
    return mean.float(), vectors.T[order].float(), deviations.float()
