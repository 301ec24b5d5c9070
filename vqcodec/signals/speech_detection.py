"""Is a sound speech? A small network judges named measures of excerpts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcodec.signals.sound import Sound, Waveform, checked_blocks
from vqcodec.signals.speech_measures import measures_of
from vqcodec.signals.speech_weights import BIAS, MEASURES, UNIT_BIASES, UNIT_WEIGHTS

Values = NDArray[np.float64]

EXCERPT_S = 10.0
MAX_EXCERPTS = 4
REACH_S = 600.0  # excerpts lie within this time from the start
# Energy of what the channels are beside their mean, over that of the mean: stereo recordings of one
# voice have up to 0.03, three quarters of music have 0.07 or more.
_WIDE = 0.05
FAR = 3.0  # standard deviations that a measure counts

# What a small and a large value says. The network reads them in this order.
_REASONS = {
    "syllables": (
        "its loudness does not change at the rate of syllables",
        "its loudness changes at the rate of syllables",
    ),
    "roughness": (
        "its loudness changes no faster than syllables",
        "its loudness changes faster than syllables",
    ),
    "pauses": ("it has no pauses", "it has pauses"),
    "dips": ("its loudness is even", "its loudness is uneven"),
    "bass": ("it has no bass", "it has bass"),
    "hisses": ("its brightness is even", "its brightness changes"),
    "beat": ("it has no beat", "it has a beat"),
    "change": ("its timbre changes slowly", "its timbre changes fast"),
    "drift": ("its timbre stays", "its timbre changes"),
    "voiced": ("it has little pitch", "it has a pitch most of the time"),
    "purity": ("its pitch is rough", "its pitch is pure"),
    "steadiness": ("its pitch glides", "its pitch is steady"),
    "breath": ("its voiced sounds are short", "its voiced sounds are long"),
    "range": ("its pitch varies little", "its pitch varies much"),
    "notes": ("its pitch stays on no note", "its pitch stays on notes"),
    "scale": ("its pitch follows no scale", "its pitch follows a scale"),
    "tones": ("its tones do not last", "its tones last"),
}
NAMES = tuple(_REASONS)
_CENTRES, _SCALES = (np.array([MEASURES[name][part] for name in NAMES]) for part in (0, 1))
_WEIGHTS = np.array([MEASURES[name][2] for name in NAMES])


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a sound is speech.

    Attributes:
        is_speech: the decision; None of silence, or of less than half a second.
        reason: what speaks most for the decision, in words; empty if there is none.
        score: the logarithm of the odds, above 0 for speech.
    """

    is_speech: bool | None
    reason: str
    score: float


def judge(sound: Sound) -> Judgement:
    """Return whether a sound is speech: one voice, or several that take turns.

    Up to four excerpts of 10 s are measured, spread over the first 10 minutes, so memory and time
    are bounded. Their scores are averaged. A sound of unlike channels is not speech, because a
    model for speech has one channel. The result depends on the samples alone.
    """
    found = [each for each in map(measures_of, excerpts(sound)) if each is not None]
    if not found:
        return Judgement(None, "", 0.0)
    inputs = np.array([[each[name] for name in NAMES] for each in found])
    inputs = np.clip((inputs - _CENTRES) / _SCALES, -FAR, FAR)
    score = float(_scores(inputs).mean())
    if np.mean([each["width"] for each in found]) > _WIDE:
        return Judgement(False, "its channels differ", score)
    return Judgement(score > 0, _reason(inputs, score), score)


def _scores(inputs: Values) -> Values:
    """Return the logarithms of the odds [N] of measures [N, M] in standard deviations."""
    scores: Values = np.tanh(inputs @ _WEIGHTS + UNIT_BIASES) @ UNIT_WEIGHTS + BIAS
    return scores


def _reason(inputs: Values, score: float) -> str:
    """Return what the measure says without which the score would be nearest to the other side."""
    effects = np.empty(len(NAMES))
    for number in range(len(NAMES)):
        usual = inputs.copy()
        usual[:, number] = 0
        effects[number] = score - float(_scores(usual).mean())
    number = int((effects if score > 0 else -effects).argmax())
    return _REASONS[NAMES[number]][int(inputs[:, number].mean() > 0)]


def excerpts(sound: Sound) -> Iterator[tuple[Waveform, int]]:
    """Yield excerpts [C, n] of a sound with their sample rate; up to 40 s, they are all of it."""
    rate = sound.sample_rate
    longest = round(EXCERPT_S * rate)
    reach = min(sound.num_samples, round(REACH_S * rate))
    count = min(MAX_EXCERPTS, max(1, -(-reach // longest)))
    length = min(longest, reach // count)
    step = max(0, reach - length) // max(1, count - 1)
    starts = [number * step for number in range(count)]
    held: list[Waveform] = []
    at = 0  # the number of the next block's first sample
    for block in checked_blocks(sound):
        stop = at + block.shape[1]
        while starts and starts[0] < stop:
            begin, end = starts[0], min(starts[0] + length, reach)
            held.append(block[:, max(0, begin - at) : max(0, end - at)])
            if stop < end:
                break
            yield np.concatenate(held, axis=1), rate
            held = []
            del starts[0]
        if not starts:
            return
        at = stop
