"""Networks of a training compiled by torch.compile, in place."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch._functorch.config
from torch import Tensor

from vqcodec.errors import UsageError
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.priors.base import PriorNetwork

BACKEND = "inductor"  # of torch.compile: its own
COMPILING = "the first step compiles the networks, which takes a minute or more"


def check_compiling(device: str) -> None:
    """Check that torch.compile can build code for a device: compile a small function.

    Raises:
        UsageError: it cannot.
    """
    # It warns of missing CUDA, whatever the device is.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)

    @torch.compile(options={"fx_graph_cache": False})  # else it may find old code
    def double(values: Tensor) -> Tensor:
        return values + values

    try:
        double(torch.ones(64, device=device))
    except RuntimeError as error:  # of which all errors of torch.compile are kinds
        needed = "a C++ compiler such as g++" if device == "cpu" else "a C++ compiler and Triton"
        raise UsageError(
            f"--compile: torch.compile does not work for {device}; it needs {needed}"
        ) from error


def compile_autoencoder(autoencoder: Autoencoder) -> None:
    """Let encoder and decoder be compiled at their first call; names of weights stay."""
    _keep_results()
    for network in (autoencoder.encoder, autoencoder.decoder):
        network.compile(backend=BACKEND, dynamic=False)


def compile_prior(prior: PriorNetwork) -> None:
    """Let the cost of indices under a prior be compiled at its first call."""
    _keep_results()
    prior.bits = torch.compile(  # type: ignore[method-assign]
        prior.bits, backend=BACKEND, dynamic=False
    )


@contextmanager
def uncompiled() -> Iterator[None]:
    """Compile nothing inside the `with` block: signals of every size would take a minute each."""
    with torch.compiler.set_stance("force_eager"):
        yield


def _keep_results() -> None:
    """Let gradients be computed from the results of layers, not from masks of activations.

    Compiled code for processors writes masks byte by byte, which takes longer than what it saves.
    """
    torch._functorch.config.recompute_views = True
    torch._functorch.config.aggressive_recomputation = True
