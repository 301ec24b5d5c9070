"""A model and its peers: settings of equal size, gaps between curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vqcodec.evaluation.curves import Fit, gap_or_none, known_curves
from vqcodec.evaluation.record import Record, mean_records
from vqcodec.evaluation.run import Codec
from vqcodec.signals.options import DEFAULT, ReadOptions

FIT = Fit.PCHIP

_TITLES = {"image": "Pictures", "audio": "Sounds"}
_LABELS = {
    "psnr_db": "PSNR (dB)",
    "ms_ssim": "MS-SSIM",
    "ms_ssim_db": "MS-SSIM (dB)",
    "ssimulacra2": "SSIMULACRA 2",
    "si_sdr_db": "SI-SDR (dB)",
    "mel_distance": "mel distance (less is better)",
    "pesq_wb": "PESQ, wide band",
    "stoi": "STOI",
    "visqol": "ViSQOL, speech",
    "visqol_audio": "ViSQOL, audio",
    "log_spectral_distance_db": "log-spectral distance (dB, less is better)",
    "nmr_db": "noise to mask (dB, less is better)",
    "nmr_to_1_khz_db": "noise to mask up to 1 kHz (dB)",
    "nmr_to_4_khz_db": "noise to mask, 1 to 4 kHz (dB)",
    "nmr_to_10_khz_db": "noise to mask, 4 to 10 kHz (dB)",
    "nmr_to_18_khz_db": "noise to mask, 10 to 18 kHz (dB)",
    "pre_echo_db": "pre-echo (dB, less is better)",
    "stereo_level_error_db": "error of level between channels (dB)",
    "stereo_phase_error_rad": "error of phase between channels (rad)",
    "stereo_coherence_error": "error of coherence between channels",
    "speaker_similarity": "speaker similarity",
}


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Comparison:
    """A model, its peers and their records on the files of one modality.

    Attributes:
        modality: of the files, "image" or "audio".
        files: all of them.
        model: is compared with the peers.
        peers: the other codecs.
        quality: the model's setting whose size the peers' settings are matched to.
        records: of all codecs on all files at all settings.
        reading: how the files are read.
    """

    modality: str
    files: Sequence[Path]
    model: Codec
    peers: Sequence[Codec]
    quality: float
    records: Sequence[Record]
    reading: ReadOptions = DEFAULT

    @property
    def codecs(self) -> list[Codec]:
        """The model, then its peers."""
        return [self.model, *self.peers]

    @property
    def title(self) -> str:
        """The kind of files, for readers. Captions begin with it, so that they are unique."""
        return _TITLES[self.modality]

    @property
    def metrics(self) -> list[str]:
        """The names of all metrics that have a value somewhere."""
        found = dict.fromkeys(
            name
            for record in self.records
            for name, value in record.metrics.items()
            if value is not None
        )
        return list(found)


def label_of(metric: str) -> str:
    """Return the label of a metric, for readers."""
    return _LABELS.get(metric, metric)


def rate_of(record: Record) -> float:
    """Return bits per pixel of a picture, or kilobits per second of a sound."""
    if record.bits_per_pixel is not None:
        return record.bits_per_pixel
    assert record.bits_per_second is not None
    return record.bits_per_second / 1000


def unit_of(modality: str) -> str:
    """Return the unit of `rate_of`."""
    return "bits per pixel" if modality == "image" else "kbit/s"


def match_qualities(comparison: Comparison) -> dict[str, float]:
    """Return the setting of each codec whose mean size is closest, by ratio, to the model's."""
    means = mean_records(comparison.records)
    model = comparison.model.name
    target_bytes = next(
        mean.size_bytes
        for mean in means
        if (mean.codec, mean.quality) == (model, comparison.quality)
    )
    matched = {model: comparison.quality}
    for peer in comparison.peers:
        own = [mean for mean in means if mean.codec == peer.name]
        closest = min(own, key=lambda mean: abs(math.log(mean.size_bytes / target_bytes)))
        matched[peer.name] = closest.quality
    return matched


def rate_gap(comparison: Comparison, peer: str, metric: str) -> float | None:
    """Return the model's BD-rate in per cent against a peer; below 0 the model needs fewer bits.

    It is None if the curves share no quality or have too few points.
    """
    own = comparison.model.name
    curves = known_curves(comparison.records, [peer, own], metric)
    return gap_or_none(curves[peer], curves[own], FIT) if len(curves) > 1 else None
