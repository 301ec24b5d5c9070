"""The modalities: how sounds and pictures become planes for networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vqcodec.registry import Kind, Registry, imported

if TYPE_CHECKING:
    from vqcodec.modalities.base import Modality

MODALITIES = Registry(
    "modality",
    {
        "image": Kind(
            runtime="vqcodec.modalities.image.modality:ImageModality",
            training="vqcodec.training.image.modality:ImageTraining",
        ),
        "audio": Kind(
            runtime="vqcodec.modalities.audio.modality:AudioModality",
            training="vqcodec.training.audio.modality:AudioTraining",
        ),
    },
)


def build_modality(name: object, network: Mapping[str, Any]) -> Modality[Any]:
    """Return the modality of this name, for the [network] table of a recipe or a model file.

    Raises:
        ConfigError: the name, or a key or value of the table, is wrong.
    """
    modality: Modality[Any] = imported(MODALITIES[name].runtime).of_table(network)
    return modality
