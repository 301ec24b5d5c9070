"""Statistics of a first batch, for data-dependent initialisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def principal_components(patches: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean [P], the leading components [dim, P] and their standard deviations [dim].

    Deviations are at least 1e-4, so that weights divided by them fit half precision.

    Args:
        patches: [N, P] float32, N patches of P values.
        dim: the number of components; those of largest variance come first.
    """
    mean = patches.double().mean(0)
    centred = patches.double() - mean
    variances, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    order = variances.argsort(descending=True)[:dim]
    deviations = variances[order].clamp(min=1e-8).sqrt()
    return mean.float(), vectors.T[order].float(), deviations.float()


@torch.no_grad()
def standardise_outputs(layer: nn.Conv1d | nn.Conv2d, inputs: Tensor) -> None:
    """Scale and shift a layer so that its channels have mean 0 and deviation 1 over inputs."""
    outputs = layer(inputs).movedim(1, 0).flatten(1)  # [C, N]
    mean, deviation = outputs.mean(1), outputs.std(1).clamp(min=1e-6)
    assert layer.bias is not None
    layer.bias.copy_((layer.bias - mean) / deviation)
    layer.weight.div_(deviation.reshape((-1,) + (1,) * (layer.weight.dim() - 1)))
