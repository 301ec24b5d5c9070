"""A learnt codec for sounds and pictures: VQ-VAE indices, entropy-coded under an exact prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vqcodec.codec.model import Model

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(name: str) -> Model:
    """Return the model with this name, fingerprint or file path, ready to compress and decompress.

    Raises:
        MissingModelError: no such model is installed.
        ModelFileError: the file is damaged or is not a model.
    """
    from vqcodec.codec.zoo import load_model  # here: importing torch takes seconds

    return load_model(name)
