"""Pictures and sounds of a comparison as data URIs, within a budget of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from vqcodec.evaluation.identity import digest_of_file
from vqcodec.evaluation.metrics.attacks import SAMPLE_RATE as ATTACK_RATE
from vqcodec.evaluation.metrics.attacks import clearest_attack
from vqcodec.evaluation.record import Record
from vqcodec.evaluation.report.comparison import (
    Comparison,
    label_of,
    match_qualities,
    rate_of,
    unit_of,
)
from vqcodec.evaluation.report.spectrogram import (
    MAX_HZ,
    View,
    build_spectrogram,
    highest_power_db,
)
from vqcodec.evaluation.report.tables import format_number
from vqcodec.evaluation.run import try_codec
from vqcodec.signals.files import Signal
from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_files import write_picture
from vqcodec.signals.resampling import resample
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import write_clip

MAX_FILES = {"image": 6, "audio": 4}
MAX_SIDE = 1024  # pixels; larger pictures are cropped to their middle
MAX_DURATION_S = 10.0
ATTACK_S, ATTACK_WINDOW_S = 0.12, 0.004  # shown around an attack, and its windows

# These WebP settings and sizes of pictures are tried in order until the budget is met.
_LOSSLESS: Mapping[str, Any] = {"lossless": True, "method": 3}
_CLOSE: Mapping[str, Any] = {"quality": 95, "method": 4}
_PICTURE_STORES = (
    ("lossless WebP", _LOSSLESS, MAX_SIDE),
    ("WebP at quality 95", _CLOSE, MAX_SIDE),
    ("WebP at quality 95", _CLOSE, MAX_SIDE // 2),
)
_DURATIONS_S = (MAX_DURATION_S, 5.0, 2.5)
_MAX_FLAC_RATE = 192_000  # Hz; browsers play no higher rate

# Ready for JSON: name, uri and codecs, each with name, facts and uri; sounds have a spectrogram,
# and another one of an attack.
Shown: TypeAlias = dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Trial:
    """A file, its reconstruction by a codec, and the record."""

    signal: Signal
    decoded: Signal
    record: Record


@dataclass(frozen=True, slots=True)
class Media:
    """Files for the page's script, and a sentence that says which parts are shown."""

    files: Sequence[Shown]
    note: str


def build_media(comparison: Comparison, budget_bytes: int) -> Media:
    """Return up to `MAX_FILES` files of a comparison by every codec at matched sizes.

    Args:
        comparison: its codecs code these files once more.
        budget_bytes: for all data URIs; files are dropped if even the smallest setting exceeds it.
    """
    paths = _spread(comparison.files, MAX_FILES[comparison.modality])
    qualities = match_qualities(comparison)
    records = {(r.file, r.file_digest, r.codec, r.quality): r for r in comparison.records}
    rows = []
    for path in paths:
        digest = digest_of_file(path, comparison.reading)
        row = []
        for codec in comparison.codecs:
            quality = qualities[codec.name]
            signal, decoded = try_codec(path, codec, quality, comparison.reading)
            record = records[path.name, digest, codec.name, quality]
            trial = Trial(signal=signal, decoded=decoded, record=record)
            row.append(_kept(trial, MAX_SIDE, MAX_DURATION_S))
        rows.append(row)
    files, how = (
        _show_pictures(rows, budget_bytes)
        if comparison.modality == "image"
        else _show_sounds(rows, budget_bytes)
    )
    while files and _size_bytes(files) > budget_bytes:
        files.pop()
    chosen = f"{len(files)} of {len(comparison.files)} files, spread evenly"
    return Media(files, f"{chosen}; {how}")


def data_uri(kind: str, data: bytes) -> str:
    """Return bytes as a URI; `kind` is their MIME type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _spread(paths: Sequence[Path], count: int) -> list[Path]:
    """Return `count` paths, evenly spread, or all if there are fewer."""
    if len(paths) <= count:
        return list(paths)
    return [paths[index * len(paths) // count] for index in range(count)]


def _show_pictures(rows: Sequence[Sequence[Trial]], budget_bytes: int) -> tuple[list[Shown], str]:
    files: list[Shown] = []
    how = ""
    for name, options, side in _PICTURE_STORES:
        files = []
        for row in rows:
            trials = [_kept(trial, side, MAX_DURATION_S) for trial in row]
            uris = [_picture_uri(trial.decoded, options) for trial in trials]
            file = _shown(trials, uris)
            files.append(file | {"uri": _picture_uri(trials[0].signal, options)})
        how = f"as {name}; larger pictures are cut to their middle {side} x {side} pixels"
        if _size_bytes(files) <= budget_bytes:
            break
    return files, how


def _show_sounds(rows: Sequence[Sequence[Trial]], budget_bytes: int) -> tuple[list[Shown], str]:
    files: list[Shown] = []
    how = ""
    for duration_s in _DURATIONS_S:
        files = []
        for row in rows:
            trials = [_kept(trial, MAX_SIDE, duration_s) for trial in row]
            uris = [_sound_uri(trial.decoded) for trial in trials]
            file = _shown(trials, uris)
            file["uri"] = _sound_uri(trials[0].signal)
            _add_spectrograms(file, trials)
            files.append(file)
        how = f"the first {duration_s:g} s of each, without further loss"
        if _size_bytes(files) <= budget_bytes:
            break
    return files, how


def _shown(trials: Sequence[Trial], uris: Sequence[str]) -> Shown:
    """Return a file by all codecs, without its original."""
    codecs = [
        {"name": trial.record.codec, "facts": _facts(trial.record), "uri": uri}
        for trial, uri in zip(trials, uris, strict=True)
    ]
    return {"name": trials[0].record.file, "codecs": codecs}


def _facts(record: Record) -> str:
    """Return setting, size, rate and metrics of the whole file in one line."""
    modality = "image" if record.bits_per_pixel is not None else "audio"
    parts = [
        f"quality {record.quality:g}",
        f"{record.size_bytes:.0f} bytes",
        f"{format_number(rate_of(record))} {unit_of(modality)}",
    ]
    parts += [
        f"{label_of(name)} {format_number(value)}"
        for name, value in record.metrics.items()
        if value is not None
    ]
    return ", ".join(parts)


def _kept(trial: Trial, side: int, duration_s: float) -> Trial:
    """Return a trial whose signals are cut to the part that is shown."""
    signal, decoded = trial.signal, trial.decoded
    if isinstance(signal, Picture):
        assert isinstance(decoded, Picture)
        return Trial(
            signal=_middle(signal, side), decoded=_middle(decoded, side), record=trial.record
        )
    assert isinstance(decoded, AudioClip)
    return Trial(
        signal=_start(signal, duration_s), decoded=_start(decoded, duration_s), record=trial.record
    )


def _middle(picture: Picture, side: int) -> Picture:
    """Return the middle of a picture in 8 bits, without alpha and profile, as peers code it."""
    top, left = (max(0, (length - side) // 2) for length in (picture.height, picture.width))
    return Picture(picture.to_8_bits()[top : top + side, left : left + side])


def _start(clip: AudioClip, duration_s: float) -> AudioClip:
    """Return the start of a sound, with at most two channels: browsers play no more."""
    samples = clip.waveform[:2, : round(duration_s * clip.sample_rate)]
    return AudioClip(np.ascontiguousarray(samples), clip.sample_rate)


def _picture_uri(picture: object, options: Mapping[str, Any]) -> str:
    assert isinstance(picture, Picture)
    file = io.BytesIO()
    write_picture(picture, file, "WEBP", options)
    return data_uri("image/webp", file.getvalue())


def _sound_uri(clip: object) -> str:
    assert isinstance(clip, AudioClip)
    is_flac = clip.num_samples > 0 and clip.sample_rate <= _MAX_FLAC_RATE
    file = io.BytesIO()
    write_clip(clip, file, "FLAC" if is_flac else "WAV")
    return data_uri("audio/flac" if is_flac else "audio/wav", file.getvalue())


def _add_spectrograms(file: Shown, trials: Sequence[Trial]) -> None:
    """Add spectrograms of the original and of each reconstruction, all with the same axes.

    There is a second one around the clearest attack, if there is an attack.
    """
    original = trials[0].signal
    assert isinstance(original, AudioClip)
    highest_hz = min(original.sample_rate / 2, MAX_HZ)
    whole = View(duration_s=original.duration_s, highest_hz=highest_hz)
    channels = ", the left channel above" if original.num_channels > 1 else ""
    file["axes"] = (
        f"0 … {whole.duration_s:.3g} s to the right, 0 … {highest_hz / 1000:g} kHz upwards"
        f"{channels}; colours span 80 dB"
    )
    _add_views(file, "spectrogram", whole, trials)
    attack_s = _clearest_attack_s(original)
    if attack_s is not None:
        start_s = attack_s - ATTACK_S / 2
        around = View(
            start_s=start_s, duration_s=ATTACK_S, highest_hz=highest_hz, window_s=ATTACK_WINDOW_S
        )
        _add_views(file, "attack", around, trials)
        file["axes"] += (
            f". The second picture shows {ATTACK_S * 1000:g} ms around {attack_s:.3f} s, with the "
            "attack in its middle: what is left of it and not in the original is pre-echo"
        )


def _add_views(file: Shown, name: str, view: View, trials: Sequence[Trial]) -> None:
    original = trials[0].signal
    assert isinstance(original, AudioClip)
    top_db = highest_power_db(original, view)

    def picture_of(clip: object) -> str:
        assert isinstance(clip, AudioClip)
        return data_uri("image/png", build_spectrogram(clip, view, top_db=top_db))

    file[name] = picture_of(original)
    for codec, trial in zip(file["codecs"], trials, strict=True):
        codec[name] = picture_of(trial.decoded)


def _clearest_attack_s(clip: AudioClip) -> float | None:
    """Return the time of the attack with the largest rise; None without attacks."""
    mono = clip.waveform.mean(axis=0, keepdims=True)
    attack = clearest_attack(resample(mono, clip.sample_rate, ATTACK_RATE)[0])
    return None if attack is None else attack / ATTACK_RATE


def _size_bytes(files: Sequence[Shown]) -> int:
    codecs = [codec for file in files for codec in file["codecs"]]
    forms = [*files, *codecs]
    pictures = [form.get(name, "") for form in forms for name in ("spectrogram", "attack")]
    return sum(len(form["uri"]) for form in forms) + sum(map(len, pictures))
