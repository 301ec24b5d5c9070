"""The other codecs to compare with, by name; each has its own quality scale."""

from __future__ import annotations

from vqcodec.errors import UsageError
from vqcodec.evaluation.baseline import Baseline
from vqcodec.evaluation.picture_baselines import JpegXlCodec, avif, jpeg, webp
from vqcodec.evaluation.sound_baselines import AacCodec, Codec2, mp3, opus, vorbis

BASELINES = {
    "jpeg": jpeg,
    "webp": webp,
    "avif": avif,
    "jxl": JpegXlCodec,
    "opus": opus,
    "codec2": Codec2,
    "mp3": mp3,
    "aac": AacCodec,
    "vorbis": vorbis,
}


def load_baseline(name: str) -> Baseline:
    """Return the baseline of this name.

    Raises:
        UsageError: no baseline has this name.
        MissingCodecError: it is not installed; the message says how to install it.
    """
    if name not in BASELINES:
        raise UsageError(f"{name}: not one of the baselines {', '.join(BASELINES)}")
    return BASELINES[name]()
