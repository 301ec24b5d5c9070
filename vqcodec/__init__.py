"""A learnt codec for sounds and pictures: VQ-VAE indices, entropy-coded under an exact prior."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vqcodec.api import compress, decompress, load, read, write
    from vqcodec.codec.model import Model
    from vqcodec.errors import VqcodecError
    from vqcodec.notes import Note
    from vqcodec.signals.options import ReadOptions
    from vqcodec.signals.picture import Picture
    from vqcodec.signals.sound import AudioClip, Sound

__version__ = "0.1.0"
__all__ = [
    "AudioClip",
    "Model",
    "Note",
    "Picture",
    "ReadOptions",
    "Sound",
    "VqcodecError",
    "__version__",
    "compress",
    "decompress",
    "load",
    "read",
    "write",
]

_MODULES = {
    "AudioClip": "vqcodec.signals.sound",
    "Model": "vqcodec.codec.model",
    "Note": "vqcodec.notes",
    "Picture": "vqcodec.signals.picture",
    "ReadOptions": "vqcodec.signals.options",
    "Sound": "vqcodec.signals.sound",
    "VqcodecError": "vqcodec.errors",
    "compress": "vqcodec.api",
    "decompress": "vqcodec.api",
    "load": "vqcodec.api",
    "read": "vqcodec.api",
    "write": "vqcodec.api",
}


if not TYPE_CHECKING:  # otherwise a type checker accepts every name in this module

    def __getattr__(name: str) -> object:
        """Import a public name on first use, so that `import vqcodec` loads nothing heavy."""
        if name not in _MODULES:
            raise AttributeError(f"module 'vqcodec' has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
