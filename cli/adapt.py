"""`vqcodec train adapt`: fits a model to files of one kind, in minutes."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqcodec.errors import MissingCodecError, NoGainError, UsageError
from vqcodec.files import replacing
from vqcodec.numbers import plain

from .console import Record, complain, note, write_json, write_line, write_table
from .options import Force, Json, Quiet, Seed, SkipBad, require_torch
from .paths import check_target, require_apart

if TYPE_CHECKING:
    from vqcodec.training.adapt.command import Adapted, Part
    from vqcodec.training.adapt.judging import Judged

RIVALS = {"image": "avif", "audio": "opus"}  # by modality
INTERRUPTED = (
    "Ctrl-C: the fitting ends; the model is judged, and written if it is better. "
    "A second Ctrl-C ends the command."
)


def adapt(
    *,
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA...", help="Files, or folders of files.")
    ],
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="Start from this model; see 'models'.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL", help="File to write, .safetensors.")
    ],
    prior: Annotated[bool, typer.Option("--prior", help="Fit the prior alone.")] = False,
    decoder: Annotated[
        bool,
        typer.Option("--decoder", help="Fit the decoder alone; the fingerprint does not change."),
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Fit networks, quantizer and prior.")
    ] = False,
    minutes: Annotated[
        float, typer.Option(metavar="N", help="Longest time for the fitting, in minutes.")
    ] = 10.0,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the new model. Default: MODEL without its suffix."),
    ] = None,
    seed: Seed = 0,
    skip_bad: SkipBad = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fit a model to files of one kind, in minutes.

    Fits the prior, then the decoder. The command holds out some files. The fitting ends when the
    bits or the errors of held-out files no longer fall. Then the command compresses held-out files
    with both models, and writes the new model only if it is clearly better. Ctrl-C ends the fitting
    early; a second one ends the command.
    """
    require_torch()
    from vqcodec.codec.model_file import SUFFIX

    chosen: list[Part] = []
    chosen += ["prior"] if prior else []
    chosen += ["decoder"] if decoder else []
    chosen += ["all"] if everything else []
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(f'--{part}' for part in chosen)}: use one of them")
    if output.suffix != SUFFIX:
        raise UsageError(f"-o {output}: the name of a model file ends in {SUFFIX}")
    if not 0 < minutes <= 10_000:
        raise UsageError(f"--minutes {plain(minutes)}: not above 0 and at most 10000")
    check_target(str(output), force=force)
    require_apart([str(output)], (model,))
    from vqcodec.training.adapt.interruption import Interruption

    interruption = Interruption(lambda: note(INTERRUPTED, quiet=quiet))
    try:
        with interruption.handled():
            from vqcodec.training.adapt.command import adapt_model
            from vqcodec.training.adapt.model import write_fitted

            adapted = adapt_model(
                data=data,
                model=model,
                part=chosen[0] if chosen else "both",
                minutes=minutes,
                seed=seed,
                skip_bad=skip_bad,
                report=lambda *values: _report(*values, quiet=quiet),
                interruption=interruption,
            )
            rivals, rival_gap = _compare_with_rival(adapted)
            record = _record(adapted, rivals, rival_gap)
            if adapted.gained:
                with replacing(output, overwrite=force) as temporary:
                    card = adapted.card()
                    write_fitted(temporary, adapted.file, name=name or output.stem, card=card)
                record |= {"output": output, "written": True}
    except KeyboardInterrupt as error:
        complain(f"{output}: not written, because Ctrl-C ended the command")
        raise typer.Exit(128 + signal.SIGINT) from error
    if as_json:
        write_json(record)
    else:
        _print(adapted, rivals, rival_gap)
    if not adapted.gained:
        raise NoGainError(
            f"{output}: not written, because the fitted model is not clearly better than "
            f"{adapted.base.name} ({adapted.measured}); give it more files or more minutes"
        )
    note(f"{output}: model {adapted.file.fingerprint}", quiet=quiet)


def _report(part: str, share: float, change_percent: float, *, quiet: bool) -> None:
    """Tell how far the fitting of a part is, and the change of the held-out figure."""
    note(f"{part}: {share:.0%} of the time, held-out {change_percent:+.2f} %", quiet=quiet)


def _compare_with_rival(adapted: Adapted) -> tuple[list[Judged], float | None]:
    """Return the records of AVIF or Opus, and the gap of the new model to it in per cent.

    There are none if it is not installed. The gap is None if their qualities do not overlap.
    """
    import math

    from vqcodec.evaluation.baselines import load_baseline
    from vqcodec.modalities import build_modality
    from vqcodec.training.adapt.judging import gap_percent, judge

    tables = adapted.file.tables
    try:
        rival = load_baseline(RIVALS[tables["modality"]])
    except MissingCodecError as error:
        complain(str(error))
        return [], None
    modality = build_modality(tables["modality"], tables["network"])
    distortion = adapted.distortion
    records = list(judge(rival, adapted.domain.judged, rival.qualities, modality, distortion))
    gap = gap_percent(records, adapted.after)
    return records, gap if math.isfinite(gap) else None


def _record(adapted: Adapted, rivals: Sequence[Judged], rival_gap: float | None) -> Record:
    """Return the JSON object of the command."""
    from dataclasses import asdict

    gap = adapted.gap_percent
    return {
        "model": adapted.base.name,
        "fingerprint_before": adapted.base.fingerprint,
        "fingerprint": adapted.file.fingerprint,
        "written": False,
        "change_percent": gap,
        "rival": rivals[0].codec if rivals else None,
        "change_to_rival_percent": rival_gap,
        "num_training_files": len(adapted.domain.train),
        "num_stopping_files": len(adapted.domain.stopping),
        "judged_files": [path.name for path in adapted.domain.judged],
        "fitting_s": adapted.seconds,
        "fits": {name: asdict(fitted) for name, fitted in adapted.fits.items()},
        "before": [asdict(record) for record in adapted.before],
        "after": [asdict(record) for record in adapted.after],
        "rivals": [asdict(record) for record in rivals],
    }


def _print(adapted: Adapted, rivals: Sequence[Judged], rival_gap: float | None) -> None:
    """Print the bytes of every file, before and after, and the gaps at equal quality."""
    rows = [
        (old.file, old.quality, old.size_bytes, new.size_bytes, old.quality_db, new.quality_db)
        for old, new in zip(adapted.before, adapted.after, strict=True)
    ]
    header = ["file", "quality", "bytes before", "bytes after", "dB before", "dB after"]
    write_table(header, rows)
    write_line("")
    base = f"{adapted.base.name} {adapted.base.fingerprint}"
    write_line(f"bytes at equal quality, against {base}: {adapted.gap_percent:+.1f} %")
    if rivals and rival_gap is None:
        write_line(
            f"against {rivals[0].codec}: no quality in common: it {_extent(rivals)}, "
            f"and the new model {_extent(adapted.after)}"
        )
    elif rivals:
        write_line(f"bytes at equal quality, against {rivals[0].codec}: {rival_gap:+.1f} %")


def _extent(records: Sequence[Judged]) -> str:
    """Return the bytes of all files and their mean quality at the ends of a codec's scale."""
    ends = []
    for quality in (min(r.quality for r in records), max(r.quality for r in records)):
        own = [record for record in records if record.quality == quality]
        mean_db = sum(record.quality_db for record in own) / len(own)
        ends.append(f"{sum(record.size_bytes for record in own)} bytes at {mean_db:.1f} dB")
    return f"takes {ends[0]} to {ends[1]}"
