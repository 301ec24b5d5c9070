"""Sounds as people have them: noisy, in a room, over music, from a telephone, coded, sung."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import numpy as np
import soundfile
from numpy.typing import NDArray

from vqcodec.signals.resampling import resample
from vqcodec.signals.sound import AudioClip

Samples = NDArray[np.float32]

RATE = 16_000  # Hz, of singing
_FFT, _HOP = 1024, 160
_ENVELOPE = 40  # cepstral coefficients: the shape of the vocal tract without the pitch
_SCALE = (0, 2, 4, 5, 7, 9, 11)  # semitones
_CODED = (("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS"))
_OPUS_RATE = 48_000


def varied(clip: AudioClip, rng: random.Random, behind: Callable[[], AudioClip]) -> AudioClip:
    """Return a voice of at most 10 s with noise, music or a room, band-limited, coded, or as it is.

    Args:
        clip: the voice.
        rng: draws what happens to it.
        behind: draws what is played quietly behind the voice.
    """
    samples, rate = clip.waveform, clip.sample_rate
    size = 1 << (samples.shape[1] + rate).bit_length()
    noise = np.random.default_rng(rng.randrange(1 << 30))
    kind = rng.choice(("none", "noise", "noise", "music", "room"))
    if kind == "noise":
        samples = _over(samples, _coloured(noise, samples.shape[1], rng), rng.uniform(10, 35))
    elif kind == "music":
        other = behind()
        music = resample(other.waveform.mean(axis=0, keepdims=True), other.sample_rate, rate)
        samples = _over(samples, np.resize(music[0], samples.shape[1]), rng.uniform(15, 30))
    elif kind == "room":
        seconds = rng.uniform(0.15, 0.6)
        times = np.arange(round(seconds * rate)) / rate
        tail = noise.normal(size=len(times)) * np.exp(-6.9 * times / seconds)
        tail[0] = np.sqrt(np.square(tail).sum()) * rng.uniform(0.7, 2)
        samples = _filtered(samples, np.fft.rfft(tail, size), size)
    return carried(AudioClip(samples, rate), rng)


def carried(clip: AudioClip, rng: random.Random) -> AudioClip:
    """Return a sound of at most 10 s band-limited, coded, copied to two channels."""
    samples, rate = clip.waveform, clip.sample_rate
    size = 1 << (samples.shape[1] + rate).bit_length()
    if rng.random() < 0.2:
        low, high = rng.choice(((300, 3400), (50, 3800), (100, 7000), (200, 4000)))
        hz = np.fft.rfftfreq(size, 1 / rate)
        samples = _filtered(samples, ((low < hz) & (hz < high)).astype(float), size)
    samples = samples * np.float32(rng.uniform(0.1, 0.9) / max(1e-6, float(np.abs(samples).max())))
    if rng.random() < 0.3:
        samples, rate = _coded(samples, rate, rng)
    if len(samples) == 1 and rng.random() < 0.2:
        samples = np.repeat(samples, 2, axis=0)
    return AudioClip(np.ascontiguousarray(samples, dtype=np.float32), rate)


def sung(clip: AudioClip, rng: random.Random) -> AudioClip:
    """Return a voice at 16 kHz that sings: its sounds last longer, on notes, with vibrato."""
    mono = resample(clip.waveform.mean(axis=0, keepdims=True), clip.sample_rate, RATE)[
        0, : 6 * RATE
    ]
    window = np.hanning(_FFT)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(mono, (0, _FFT)), _FFT)[::_HOP]
    levels = np.log(np.abs(np.fft.rfft(frames * window, axis=1)) + 1e-4)
    bins = np.arange(levels.shape[1]) * RATE / _FFT
    loud = np.exp(levels)
    hissing = loud[:, bins > 3000].sum(axis=1) > 1.5 * loud[:, (bins > 80) & (bins < 1500)].sum(
        axis=1
    )
    cepstra = np.fft.irfft(levels, axis=1)
    cepstra[:, _ENVELOPE : _FFT - _ENVELOPE] = 0
    envelopes = np.fft.rfft(cepstra, axis=1).real
    speeds = np.where(hissing, 1.0, 1 / rng.uniform(1.3, 3.5))
    places = (
        np.interp(np.arange(0, np.sum(1 / speeds)), np.cumsum(1 / speeds), np.arange(len(speeds)))
        .round()
        .astype(int)[: 10 * RATE // _HOP]
    )
    phase = 2 * np.pi * np.cumsum(np.repeat(_melody(len(places), rng), _HOP)) / RATE
    pulses = np.diff(np.floor(phase / (2 * np.pi)), prepend=0) > 0
    noise = np.random.default_rng(rng.randrange(1 << 30))
    hiss = np.repeat(hissing[places], _HOP)
    source = np.where(hiss, 0.0, 8.0 * pulses) + noise.normal(size=len(pulses)) * (0.02 + hiss)
    parts = np.lib.stride_tricks.sliding_window_view(np.pad(source, (0, _FFT)), _FFT)[::_HOP]
    shaped = np.fft.rfft(parts[: len(places)] * window, axis=1) * np.exp(envelopes[places])
    result = np.zeros(len(source) + _FFT)
    for number, frame in enumerate(np.fft.irfft(shaped, axis=1) * window):
        result[number * _HOP : number * _HOP + _FFT] += frame
    return AudioClip((result / np.abs(result).max() * 0.5)[None].astype(np.float32), RATE)


def _melody(num_frames: int, rng: random.Random) -> NDArray[np.float64]:
    """Return the pitch [F] of a melody in Hz, every 10 ms."""
    notes = np.zeros(num_frames)
    at, step = 0, 0
    while at < num_frames:
        length = rng.choice((15, 25, 35, 50, 80, 120))
        step = max(-5, min(8, step + rng.choice((-3, -2, -1, -1, 0, 1, 1, 2, 3))))
        notes[at : at + length] = 12 * (step // 7) + _SCALE[step % 7]
        at += length
    slide = np.hanning(2 * rng.randint(1, 8) + 3)
    notes = np.convolve(np.pad(notes, len(slide) // 2, mode="edge"), slide / slide.sum(), "valid")
    vibrato = rng.choice((0.0, 0.2, 0.5)) * np.sin(
        2 * np.pi * rng.uniform(4.8, 6.5) * np.arange(num_frames) / 100
    )
    pitch: NDArray[np.float64] = rng.uniform(110, 400) * 2 ** ((notes + vibrato) / 12)
    return pitch


def _over(samples: Samples, other: NDArray[np.floating], ratio_db: float) -> Samples:
    level = np.sqrt(np.square(samples).mean() / max(1e-12, float(np.square(other).mean())))
    mixed: Samples = (samples + other * level * 10 ** (-ratio_db / 20)).astype(np.float32)
    return mixed


def _coloured(noise: np.random.Generator, length: int, rng: random.Random) -> Samples:
    """Return noise that falls by 0, 3 or 6 dB an octave."""
    spectrum = np.fft.rfft(noise.normal(size=length))
    spectrum /= np.maximum(1, np.arange(len(spectrum))) ** rng.choice((0, 0.5, 1))
    return np.fft.irfft(spectrum, length).astype(np.float32)


def _filtered(samples: Samples, response: NDArray[np.inexact], size: int) -> Samples:
    length = samples.shape[1]
    result = np.fft.irfft(np.fft.rfft(samples, size, axis=1) * response, axis=1)
    return result[:, :length].astype(np.float32)


def _coded(samples: Samples, rate: int, rng: random.Random) -> tuple[Samples, int]:
    """Return a sound after a lossy codec."""
    container, codec = rng.choice(_CODED)
    if codec == "OPUS" and rate != RATE:
        samples, rate = resample(samples, rate, _OPUS_RATE), _OPUS_RATE
    file = io.BytesIO()
    soundfile.write(
        file, samples.T, rate, format=container, subtype=codec, compression_level=rng.random()
    )
    file.seek(0)
    decoded, rate = soundfile.read(file, dtype="float32", always_2d=True)
    return np.ascontiguousarray(decoded.T), int(rate)
