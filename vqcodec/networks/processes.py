"""Training by several processes: each computes a part of every batch, and all stay equal.

The functions work on the process group that `torch.distributed` was set up with. Without one, a
training is a single process, and they do nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, distributed, nn

from vqcodec.errors import ConfigError


def num_processes() -> int:
    """Return the number of processes."""
    ready = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if ready else 1


def process_rank() -> int:
    """Return the number of this process, from 0. Process 0 writes the files."""
    return distributed.get_rank() if num_processes() > 1 else 0


def own_part(batch_size: int) -> slice:
    """Return the items of a batch that this process computes.

    Raises:
        ConfigError: the batch cannot be shared equally.
    """
    share, rest = divmod(batch_size, num_processes())
    if rest:
        raise ConfigError(
            f"schedule.batch_size: {batch_size} items cannot be shared equally "
            f"by {num_processes()} processes"
        )
    return slice(share * process_rank(), share * (process_rank() + 1))


@torch.no_grad()
def sum_over_processes(tensors: Sequence[Tensor]) -> None:
    """Replace tensors of one type by their sums over all processes, in one exchange."""
    if num_processes() == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    distributed.all_reduce(flat)
    for tensor, total in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
        tensor.copy_(total.reshape(tensor.shape))


@torch.no_grad()
def average_over_processes(tensors: Sequence[Tensor]) -> None:
    """Replace tensors of one type by their means over all processes, in one exchange."""
    sum_over_processes(tensors)
    for tensor in tensors:
        tensor.div_(num_processes())


def average_gradients(weights: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their means over all processes.

    A gradient that some processes lack counts as zero there.
    """
    if num_processes() == 1:
        return
    weights = list(weights)
    has_gradient = torch.tensor([float(w.grad is not None) for w in weights], device=_device())
    sum_over_processes([has_gradient])
    needed = [w for w, number in zip(weights, has_gradient.tolist(), strict=True) if number]
    for weight in needed:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    average_over_processes([weight.grad for weight in needed if weight.grad is not None])


def average_values(values: Mapping[str, float]) -> dict[str, float]:
    """Return the means of named values over all processes."""
    if num_processes() == 1:
        return dict(values)
    means = torch.tensor(list(values.values()), dtype=torch.float64, device=_device())
    average_over_processes([means])
    return dict(zip(values, means.tolist(), strict=True))


def any_process(flag: bool) -> bool:
    """Return whether the flag is set in any process."""
    if num_processes() == 1:
        return flag
    flags = torch.tensor([float(flag)], device=_device())
    sum_over_processes([flags])
    return bool(flags.item())


def copy_from_first(tensors: Iterable[Tensor]) -> None:
    """Replace tensors by those of process 0."""
    if num_processes() > 1:
        for tensor in tensors:
            first = tensor.detach().contiguous()
            distributed.broadcast(first, 0)
            tensor.detach().copy_(first)


def _device() -> str:
    """Return the kind of device whose tensors the processes can exchange."""
    return "cuda" if distributed.get_backend() == "nccl" else "cpu"
