"""The choice between the models for speech and for other sounds: fitted, and measured.

`fit` writes vqcodec/signals/speech_weights.py; `measure` writes a result. What `measure` is to
judge fairly must not lie in the folders of `fit`. Files NAME_1, NAME_2... are of one recording,
which is in one fold.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from choice_network import FOLDS, Row, write_weights
from choice_variations import carried, sung, varied
from result import write_result

from vqcodec.errors import InputError
from vqcodec.files import find_files
from vqcodec.signals.resampling import resample
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import read_clip
from vqcodec.signals.speech_detection import NAMES, judge
from vqcodec.signals.speech_measures import RATE, SHORTEST_S, measures_of
from vqcodec.signals.suffixes import SOUND_FORMATS

SUNG, SUNG_SHARE = "sung voices", 1.5
LONGEST_S = 10.0


def main() -> None:
    """Fit or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["fit", "measure"])
    parser.add_argument("--voices", nargs="+", required=True, help="folders; to fit: SHARE:FOLDER")
    parser.add_argument("--others", nargs="+", required=True, help="folders; to fit: SHARE:FOLDER")
    parser.add_argument("--most", type=int, default=300, help="files of a folder to fit on")
    parser.add_argument("--rows", type=Path, help="file that keeps the measures of fit")
    parser.add_argument("--name", default="choice", help="of the result that measure writes")
    parser.add_argument("--varied", action="store_true", help="measure sounds with noise, coded...")
    options = parser.parse_args()
    if options.action == "fit":
        write_weights(_kept(options.rows, options.voices, options.others, options.most))
        return
    folders = [list(map(Path, each)) for each in (options.voices, options.others)]
    measure(*folders, name=options.name, vary=options.varied)


def _kept(kept: Path | None, voices: Sequence[str], others: Sequence[str], most: int) -> list[Row]:
    """Return the rows of a file with the shares of today; without the file, find and keep them."""
    if kept is None or not kept.exists():
        found = list(rows(voices, others, most))
        if kept is not None:
            kept.write_text(json.dumps([asdict(row) for row in found]), encoding="utf-8")
        return found
    shares = {SUNG: SUNG_SHARE}
    for words in (*voices, *others):
        share, _, folder = words.partition(":")
        shares[Path(folder).name] = float(share)
    found = [Row(**each) for each in json.loads(kept.read_text(encoding="utf-8"))]
    return [replace(row, share=shares[row.kind]) for row in found]


def rows(voices: Sequence[str], others: Sequence[str], most: int) -> Iterator[Row]:
    """Yield the measures of each file as it is, of a variation of it, and of voices that sing."""
    rng = random.Random(0)
    behind = [folder.partition(":")[2] for folder in others]
    quiet = [path for folder in behind for path in _some_files(Path(folder), rng, most)]
    for words, is_voice in [
        *((each, True) for each in voices),
        *((each, False) for each in others),
    ]:
        share, _, folder = words.partition(":")
        kind = Path(folder).name
        for number, path in enumerate(_some_files(Path(folder), rng, most)):
            clip = _read(path)
            if clip is None:
                continue
            labelled = [(clip, is_voice, kind, float(share))]
            short = _cut(clip, rng.uniform(1.0, 6.0), rng)
            if is_voice:
                labelled.append((_varied(clip, rng, quiet), True, kind, float(share)))
                labelled.append((_varied(short, rng, quiet), True, kind, float(share)))
                if number % 3 == 0:
                    labelled.append((carried(sung(clip, rng), rng), False, SUNG, SUNG_SHARE))
            else:
                labelled.append((carried(short, rng), False, kind, float(share)))
            for each, label, name, weight in labelled:
                found = measures_of((each.waveform, each.sample_rate))
                if found:
                    values = [found[measure] for measure in NAMES]
                    yield Row(values, label, name, weight, _fold(path))


def measure(
    voices: Sequence[Path], others: Sequence[Path], *, name: str, vary: bool = False
) -> None:
    """Write how each file is judged, and how many of each folder are judged right."""
    rng = random.Random(1)
    quiet = [path for folder in others for path in _some_files(folder, rng, 300)]
    files, kinds = [], {}
    for folder, is_voice in [
        *((each, True) for each in voices),
        *((each, False) for each in others),
    ]:
        own = []
        for path in find_files([folder], set(SOUND_FORMATS)):
            clip = read_clip(path)
            if vary:
                clip = _cut(clip, LONGEST_S, rng)
                clip = _varied(clip, rng, quiet) if is_voice else carried(clip, rng)
            judgement = judge(clip)
            own.append(
                {
                    "file": path.name,
                    "is_voice": is_voice,
                    "judged": judgement.is_speech,
                    "score": judgement.score,
                    "reason": judgement.reason,
                }
            )
        kinds[folder.name] = {
            "n": len(own),
            "right": sum(bool(each["judged"]) is is_voice for each in own),
        }
        print(folder.name, kinds[folder.name], flush=True)
        files += own
    totals = {
        label: {
            "n": sum(each["is_voice"] is is_voice for each in files),
            "right": sum(
                bool(each["judged"]) is is_voice for each in files if each["is_voice"] is is_voice
            ),
        }
        for label, is_voice in (("voices", True), ("others", False))
    }
    write_result(name, {**totals, "folders": kinds, "files": files})


def _fold(path: Path) -> int:
    recording = re.sub(r"[-_]\d+$", "", path.stem)
    return zlib.crc32(recording.encode()) % FOLDS


def _some_files(folder: Path, rng: random.Random, most: int) -> list[Path]:
    paths = sorted(find_files([folder], set(SOUND_FORMATS)))
    return rng.sample(paths, min(most, len(paths)))


def _read(path: Path) -> AudioClip | None:
    """Return ten seconds of a file at 16 kHz; None if it is damaged or too short."""
    try:
        clip = read_clip(path)
    except InputError:
        return None
    if clip.duration_s < SHORTEST_S:
        return None
    clip = _cut(clip, LONGEST_S, random.Random(path.name))
    mono = clip.waveform.mean(axis=0, keepdims=True)
    return AudioClip(resample(mono, clip.sample_rate, RATE), RATE)


def _cut(clip: AudioClip, longest_s: float, rng: random.Random) -> AudioClip:
    length = min(clip.num_samples, round(longest_s * clip.sample_rate))
    first = rng.randrange(clip.num_samples - length + 1)
    samples = np.ascontiguousarray(clip.waveform[:, first : first + length])
    return AudioClip(samples, clip.sample_rate)


def _varied(clip: AudioClip, rng: random.Random, quiet: Sequence[Path]) -> AudioClip:
    return varied(clip, rng, lambda: _cut(read_clip(rng.choice(quiet)), LONGEST_S, rng))


if __name__ == "__main__":
    main()
