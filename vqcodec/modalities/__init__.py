"""Kinds of signal, by the name that recipes and model files use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vqcodec.errors import ConfigError

if TYPE_CHECKING:
    from vqcodec.modalities.base import Modality


def modality_of(name: str) -> Modality:
    """Return the modality of this name.

    Raises:
        ConfigError: there is none.
    """
    if name == "image":
        from vqcodec.modalities.image.modality import ImageModality

        return ImageModality()
    if name == "audio":
        from vqcodec.modalities.audio.modality import AudioModality

        return AudioModality()
    raise ConfigError(f"modality: {name!r} is not 'image' or 'audio'")
