"""Similarity of two neurograms (spectrograms of the ear), patch by patch."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PATCH = 30  # frames
_CENTRE, _EDGE, _CORNER = 0.619485845753726, 0.0838251475442633, 0.0113033910173052
_INTENSITY, _STRUCTURE = 0.01**2, 0.03**2 / 2  # keep quotients finite where nothing varies
_LEAST_POWER_DB, _RANGE_DB = -45.0, 45.0
_BATCH = 32  # candidates at once, so that they fit into the cache


def prepare(reference: Floats, decoded: Floats) -> tuple[Floats, Floats]:
    """Return spectrograms [B, F] and [B, G] in dB above the quietest value of both.

    Values below -45 dB, or 45 dB below the louder of both frames' peaks, are raised to that.
    """
    pair = []
    for spectrogram in (reference, decoded):
        silent = spectrogram == 0
        levels = 10 * np.log10(np.where(silent, np.finfo(np.float64).eps, spectrogram))
        pair.append(np.maximum(levels, _LEAST_POWER_DB))
    num_frames = min(levels.shape[1] for levels in pair)
    peaks = np.maximum(*(levels[:, :num_frames].max(axis=0) for levels in pair))
    for levels in pair:
        common = levels[:, :num_frames]
        np.maximum(common, peaks - _RANGE_DB, out=common)
    lowest = min(levels.min() for levels in pair)
    return pair[0] - lowest, pair[1] - lowest


class _Patches:
    """Patches [N, B, P] of one spectrogram, with their local means and variances."""

    def __init__(self, patches: Floats) -> None:
        """Take patches; a patch's outermost values are repeated around it."""
        self.padded = np.pad(patches, ((0, 0), (1, 1), (1, 1)), mode="edge")
        self.means = _blur(self.padded)
        self.variances = _blur(np.square(self.padded)) - np.square(self.means)

    def __len__(self) -> int:
        return len(self.padded)

    def take(self, part: slice) -> _Patches:
        """Return some of the patches."""
        taken = _Patches.__new__(_Patches)
        taken.padded, taken.means = self.padded[part], self.means[part]
        taken.variances = self.variances[part]
        return taken


def similarity(reference: Floats, decoded: Floats) -> Floats:
    """Return the mean NSIM [B] of each band of two patches [B, P]."""
    bands: Floats = _similarities(_Patches(reference[None]), _Patches(decoded[None]))[0]
    return bands


def _similarities(reference: _Patches, decoded: _Patches) -> Floats:
    """Return the NSIM [N, B] of pairs of patches; one may be a single patch.

    NSIM (Hines and Harte 2012, doi:10.1016/j.specom.2011.09.004) is SSIM without its contrast.
    """
    products = reference.means * decoded.means
    squares = np.square(reference.means) + np.square(decoded.means)
    covariances = _blur(reference.padded * decoded.padded) - products
    variances = reference.variances * decoded.variances
    deviations = np.sqrt(np.maximum(variances, 0))
    intensity = (2 * products + _INTENSITY) / (squares + _INTENSITY)
    structure = (covariances + _STRUCTURE) / (deviations + _STRUCTURE)
    means: Floats = (intensity * structure).mean(axis=2)
    return means


def _blur(padded: Floats) -> Floats:
    """Return weighted means [N, B, P] over 3 x 3 values of [N, B + 2, P + 2]."""
    middle, beside = padded[:, 1:-1], padded[:, :-2] + padded[:, 2:]
    edges = middle[..., :-2] + middle[..., 2:] + beside[..., 1:-1]
    corners = beside[..., :-2] + beside[..., 2:]
    blurred: Floats = _CENTRE * middle[..., 1:-1] + _EDGE * edges + _CORNER * corners
    return blurred


def match_patches(reference: Floats, decoded: Floats) -> tuple[list[int], list[int], list[Floats]]:
    """Return where patches of the reference begin, where their matches begin, and similarities.

    Matches are the offsets in the decoded spectrogram [B, G], in the order of the patches, whose
    similarities have the largest sum (dynamic programming). A patch without a match has offset -1
    and a similarity of 0.

    Raises:
        ValueError: the reference [B, F] is shorter than one and a half patches.
    """
    starts = patch_starts(reference.shape[1])
    num_bands, num_frames = decoded.shape
    starts = [start for start in starts if start - PATCH // 2 <= num_frames]
    padded = np.pad(decoded, ((0, 0), (0, PATCH - 1)))
    # [G, B, P]: the candidates are all offsets; the last ones end in zeros.
    candidates = _Patches(sliding_window_view(padded, PATCH, axis=1).transpose(1, 0, 2))
    batches = [candidates.take(slice(at, at + _BATCH)) for at in range(0, len(candidates), _BATCH)]
    scores = np.empty((len(starts), num_frames, num_bands))
    for number, start in enumerate(starts):
        patch = _Patches(reference[None, :, start : start + PATCH])
        scores[number] = np.concatenate([_similarities(patch, batch) for batch in batches])
    offsets = _best_path(scores.mean(axis=2))
    bands = [
        scores[number, offset] if offset >= 0 else np.zeros(num_bands)
        for number, offset in enumerate(offsets)
    ]
    return starts, offsets, bands


def patch_starts(num_frames: int) -> list[int]:
    """Return the first frames of the reference's patches; they do not overlap.

    Raises:
        ValueError: there are fewer frames than one and a half patches.
    """
    first = PATCH // 2
    if num_frames < PATCH + first:
        raise ValueError(f"{num_frames} frames, needed {PATCH + first}")
    return [start - 1 for start in range(first, max(num_frames - PATCH, first + 1), PATCH)]


def _best_path(scores: Floats) -> list[int]:
    """Return the increasing offsets with the largest sum of scores [patches, offsets].

    A patch may be left out: it has offset -1.
    """
    num_patches, num_offsets = scores.shape
    sums = np.empty_like(scores)
    previous = np.full(scores.shape, -1)
    sums[0] = scores[0]
    for number in range(1, num_patches):
        before = np.concatenate([[-np.inf], np.maximum.accumulate(sums[number - 1])[:-1]])
        # The last of equal sums before each offset.
        rises = sums[number - 1] >= np.concatenate([[-np.inf], before[1:]])
        last = np.maximum.accumulate(np.where(rises, np.arange(num_offsets), -1))
        previous[number, 1:] = last[:-1]
        sums[number] = scores[number] + before
        left_out = sums[number - 1] > sums[number]
        sums[number, left_out] = sums[number - 1, left_out]
        previous[number, left_out] = np.flatnonzero(left_out)
    offset = int(sums[-1].argmax())
    offsets = []
    for number in range(num_patches - 1, -1, -1):
        is_left_out = previous[number, offset] == offset
        offsets.append(-1 if is_left_out else offset)
        offset = int(previous[number, offset])
    return offsets[::-1]
