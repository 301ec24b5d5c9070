"""Rates and quality of other codecs alone, on a folder of sounds at 44.1 or 48 kHz."""

from __future__ import annotations

import argparse
import itertools
from dataclasses import asdict
from pathlib import Path

from rate_distortion import gap
from result import write_result

from vqcodec.evaluation.baselines import load_baseline
from vqcodec.evaluation.journal import Journal, key_of_record, keys_of_tasks, read_finished
from vqcodec.evaluation.record import mean_records
from vqcodec.evaluation.run import Task, highest_rate, measure_all
from vqcodec.files import find_files
from vqcodec.signals.suffixes import SOUND_FORMATS

REFERENCE = "opus"
METRICS = ("visqol_audio",)


def main() -> None:
    """Measure and write the result; a run that was stopped goes on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("codecs", nargs="+", help="as opus, or as opus=16,32 for some settings")
    parser.add_argument("--records", type=Path, required=True, help="journal, as .jsonl")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--name", default="peers")
    options = parser.parse_args()

    paths = sorted(find_files([options.folder], set(SOUND_FORMATS)))
    sample_rate = highest_rate(paths)
    codecs, tasks = [], []
    for words in options.codecs:
        name, _, settings = words.partition("=")
        codec = load_baseline(name)
        qualities = [float(setting) for setting in settings.split(",") if setting]
        codecs.append(codec)
        scale = qualities or codec.qualities_at(sample_rate)
        tasks += [Task(path, codec, quality) for quality, path in itertools.product(scale, paths)]
    keys = keys_of_tasks(tasks)
    found = read_finished(options.records, keys) if options.records.exists() else {}
    journal = Journal(options.records, resume=True)
    left = [task for task, key in zip(tasks, keys, strict=True) if key not in found]
    new = measure_all(left, jobs=options.jobs, finished=journal.append)
    found |= {key_of_record(record): record for record in new}
    records = [found[key] for key in keys]
    names = [codec.name for codec in codecs if codec.name != REFERENCE]
    figures = {
        "n": len(paths),
        "means": [asdict(mean) for mean in mean_records(records)],
        "gaps": [gap(records, name, REFERENCE, metric) for name in names for metric in METRICS],
    }
    write_result(options.name, figures)


if __name__ == "__main__":
    main()
