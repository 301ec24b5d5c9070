"""Roughness of steady tones: how much the level of each partial fluctuates after coding.

Notes and chords of steady partials are coded. The level of a partial is the envelope in a band
around it; the original has none of the fluctuation. Fluctuations at the rate of a codec's frames
are heard as roughness. Partials are only measured where no other one is near.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from result import write_result

import vqcodec
from vqcodec.evaluation.sound_baselines import opus
from vqcodec.rate import bits_per_second
from vqcodec.signals.sound import AudioClip

SAMPLE_RATE, SECONDS, EDGE_S = 48_000, 4.0, 0.5
HALF_BAND_HZ = 45.0
HIGHEST_HZ = 6_000.0
PEAK = 0.3
LOST = 1e-5  # level of a partial that is not there
CHORDS = ((110.0,), (220.0,), (330.0,), (523.25,), (261.63, 329.63, 392.0), (261.63, 392.0, 659.26))
QUALITIES = (1.0, 2.5, 4.0, 6.0)

Floats = NDArray[np.float64]


def partials_of(chord: tuple[float, ...]) -> list[tuple[float, float]]:
    """Return the frequency and the level of the partials of a chord."""
    return sorted(
        (note * number, 1 / number)
        for note in chord
        for number in range(1, int(HIGHEST_HZ / note) + 1)
    )


def tone(chord: tuple[float, ...]) -> AudioClip:
    """Return a chord in two equal channels, with random phases."""
    times = np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, 1_000)
    partials = zip(partials_of(chord), phases, strict=False)
    waveform = sum(
        level * np.sin(2 * np.pi * hertz * times + phase) for (hertz, level), phase in partials
    )
    scaled = (PEAK * waveform / np.abs(waveform).max()).astype(np.float32)
    return AudioClip(np.stack([scaled, scaled]), SAMPLE_RATE)


def alone(chord: tuple[float, ...]) -> list[float]:
    """Return the frequencies of partials that have no other one near."""
    hertz = np.array([hertz for hertz, _ in partials_of(chord)])
    gaps = np.diff(hertz, prepend=-np.inf, append=np.inf)
    found: list[float] = hertz[np.minimum(gaps[:-1], gaps[1:]) > 2 * HALF_BAND_HZ].tolist()
    return found


def fluctuations(clip: AudioClip, frequencies: list[float]) -> Floats:
    """Return the standard deviation of the level of each partial over its mean; 1 if it is lost."""
    assert clip.sample_rate == SAMPLE_RATE
    waveform = clip.waveform.mean(axis=0, dtype=np.float64)[: round(SECONDS * SAMPLE_RATE)]
    spectrum = np.fft.fft(waveform)
    hertz = np.fft.fftfreq(len(waveform), 1 / SAMPLE_RATE)
    edge, found = round(EDGE_S * SAMPLE_RATE), []
    for frequency in frequencies:
        distance = np.clip((hertz - frequency) / HALF_BAND_HZ, -1, 1)
        band = np.cos(np.pi / 2 * distance)
        level = np.abs(np.fft.ifft(spectrum * band))[edge:-edge]
        found.append(level.std() / level.mean() if level.mean() > LOST else 1.0)
    return np.array(found)


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="audio", help="name or file")
    options = parser.parse_args()
    model, peer = vqcodec.load(options.model), opus()
    points: dict[tuple[str, float], list[tuple[float, float]]] = defaultdict(list)
    for chord in CHORDS:
        sound, frequencies = tone(chord), alone(chord)
        assert fluctuations(sound, frequencies).max() < 0.001
        works: list[tuple[str, Any, Sequence[float]]] = [
            (model.name, model, QUALITIES),
            (peer.name, peer, peer.full_band_qualities or ()),
        ]
        for name, codec, qualities in works:
            for quality in qualities:
                stream = codec.compress(sound, quality=quality)
                decoded = codec.decompress(stream)
                assert isinstance(decoded, AudioClip)
                rate = bits_per_second(len(stream), SECONDS)
                points[name, quality].append((rate, fluctuations(decoded, frequencies).mean()))
        print(f"{chord}: done", flush=True)
    means = []
    for (codec, quality), found in points.items():
        rate, fluctuation = np.mean(found, axis=0).tolist()
        mean = {"codec": codec, "quality": quality, "bits_per_second": rate}
        means.append({**mean, "fluctuation": fluctuation})
    identity = {"name": model.name, "fingerprint": model.fingerprint}
    write_result("steady_tones", {"n": len(CHORDS), "model": identity, "means": means})


if __name__ == "__main__":
    main()
