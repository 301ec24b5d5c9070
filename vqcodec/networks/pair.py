"""An encoder and its decoder, which a recipe names by one kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class NetworkPair:
    """The classes of two networks that belong together.

    Attributes:
        encoder: built from its config; called with (signal, rate), rate [B] float in 0 … 1;
            returns latents [B, D, ...].
        decoder: built from its config; called with (latents, rate, corner); returns a signal.
            `corner` is the position of the first latent in the grid, by default all 0. In
            training the decoder may return two channels that differ only in their noise. A decoder
            with voices has a `voice` and takes (latents, rate, corner, vectors [B, V]).
        init_from_data: data-dependent initialisation of encoder and decoder from a first batch.
            Returns the standard deviation [D] of the signal along each latent, None if unknown.
        extend: takes encoder, decoder, batches and the number of latents of a smaller model.
            Makes the new latents code the residual of the old ones, and returns the deviations
            [D] of all latents. None for networks that cannot grow.
        check: takes the networks' config and all tables of a recipe; raises ConfigError if
            quantizer or prior do not fit the layout of the latents. None if any do.
    """

    encoder: Callable[[Any], nn.Module]
    decoder: Callable[[Any], nn.Module]
    init_from_data: Callable[[Any, Any, Tensor], Tensor | None]
    extend: Callable[[Any, Any, Iterable[Tensor], int], Tensor] | None = None
    check: Callable[[Any, Mapping[str, Any]], None] | None = None
