"""`vqcodec compress`: sounds and pictures to .vqc streams."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqcodec.errors import TargetSizeError, UsageError, VqcodecError
from vqcodec.files import is_file
from vqcodec.numbers import plain
from vqcodec.rate import bits_per_pixel, bits_per_second

from .attempt import Done, Report
from .batch import Batch
from .console import display_name, note_lines, note_records, signal_facts
from .goal import Goal
from .hints import is_stream, refuse_stream
from .models import load_model
from .options import (
    Device,
    Force,
    Frame,
    Jobs,
    Json,
    ManifestFile,
    ModelName,
    NoIcc,
    Output,
    Quality,
    Quiet,
    Ray,
    Salvage,
    SkipExisting,
    Sources,
    Strict,
    require_cpu,
    require_torch,
)
from .outputs import Outputs, Source, find_sources
from .paths import STDIO, STREAM_SUFFIX, Kind, kind_of, open_source

if TYPE_CHECKING:
    from vqcodec.codec.model import Model
    from vqcodec.notes import Note
    from vqcodec.signals.files import LazySignal
    from vqcodec.signals.options import ReadOptions


def compress(
    *,
    inputs: Sources,
    output: Output = None,
    model: ModelName = None,
    quality: Quality = None,
    bitrate: Annotated[
        str | None,
        typer.Option(
            metavar="RATE", help="For sounds: largest bit rate in bit/s, e.g. 3000 or 3k."
        ),
    ] = None,
    bpp: Annotated[
        str | None,
        typer.Option(
            metavar="RATE", help="For pictures: largest number of bits per pixel, e.g. 0.4."
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="BYTES", help="Largest size of each output file, e.g. 20000, 20kB or 20KiB."
        ),
    ] = None,
    psnr: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            help="For pictures: smallest allowed PSNR (peak signal-to-noise ratio) in dB.",
        ),
    ] = None,
    stereo: Annotated[
        bool,
        typer.Option("--stereo", help="Code each channel of a sound separately, not their mean."),
    ] = False,
    progressive: Annotated[
        bool,
        typer.Option("--progressive", help="Code a picture in levels: see 'decompress --level'."),
    ] = False,
    effort: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            max=1000,
            help="For pictures: refine the latents in N steps. 100 steps save 9.5 % of the "
            "bytes at the same quality and take 36 s for 0.4 megapixels. Needs PyTorch "
            "(extra 'train').",
        ),
    ] = 0,
    salvage: Salvage = False,
    strict: Strict = False,
    no_icc: NoIcc = False,
    keep_metadata: Annotated[
        bool,
        typer.Option(
            "--keep-metadata",
            help="Keep tags of sounds, and EXIF and XMP of pictures; they may contain a location.",
        ),
    ] = False,
    frame: Frame = 0,
    jobs: Jobs = None,
    ray: Ray = None,
    manifest: ManifestFile = None,
    skip_existing: SkipExisting = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
    device: Device = "cpu",
) -> None:
    """Compress sounds and pictures.

    photo.png becomes photo.vqc in the same folder. If an input is a folder, all pictures and
    sounds in it are compressed. Set one of: --quality (default 5); a limit (--bitrate, --bpp or
    --size), for the best quality within it; or --psnr, for the smallest file with at least this
    PSNR. Notes on stderr say what was left out or changed; with --strict, this is an error.
    """
    from vqcodec.signals.options import ReadOptions

    require_cpu(ray, device)
    if effort:
        require_torch(device, needed_by="--effort")
        if ray is not None:
            raise UsageError("--effort: workers of --ray do not refine pictures")
    goal = Goal.parse(quality=quality, bitrate=bitrate, bpp=bpp, size=size, psnr=psnr)
    found = find_sources(inputs, _suffixes(inputs), left_out=output)
    outputs = Outputs(output, found.sources, force=force, skip_existing=skip_existing)
    work = _Compression(
        outputs=outputs,
        reading=ReadOptions(
            salvage=salvage, keep_profile=not no_icc, frame=frame, keep_metadata=keep_metadata
        ),
        strict=strict,
        goal=goal,
        model_name=model,
        device=device,
        stereo=stereo,
        progressive=progressive,
        effort=effort,
    )
    Batch(
        found=found,
        outputs=outputs,
        suffix_of=_suffix_of,
        work=work.compress_input,
        verb="compressed",
        jobs=jobs,
        quiet=quiet,
        as_json=as_json,
        ray=ray,
        model=model,
        manifest=manifest,
    ).run()


def _suffix_of(source: Source) -> str | None:
    """Return how the result's name ends; None for what the work will refuse.

    That is a stream, or a file that is not there and is called like one.
    """
    if Path(source.name).suffix != STREAM_SUFFIX:
        return STREAM_SUFFIX
    try:
        refused = kind_of(source.name) is Kind.NOTHING or is_stream(source.name)
    except VqcodecError:  # the work will meet it again, and report it
        refused = True
    return None if refused else STREAM_SUFFIX


def _suffixes(inputs: Sequence[str]) -> Collection[str]:
    """Return what names of sounds and pictures end in; it matters only if there is a folder."""
    if all(name == STDIO or is_file(name) for name in inputs):
        return ()
    from vqcodec.signals.suffixes import SIGNAL_SUFFIXES

    return SIGNAL_SUFFIXES


@dataclass(frozen=True, kw_only=True, slots=True)
class _Compression:
    """The settings that all inputs share."""

    outputs: Outputs
    reading: ReadOptions
    strict: bool
    goal: Goal
    model_name: str | None
    device: str
    stereo: bool
    progressive: bool
    effort: int

    def compress_input(self, source: Source, report: Report) -> Done:
        """Write the stream of one input and return what came of it."""
        from vqcodec.notes import refuse_notes
        from vqcodec.signals.files import notes_of, open_signal

        name = display_name(source.name)
        target = self.outputs.target(source, STREAM_SUFFIX)
        with open_source(source.name) as file:
            refuse_stream(file, name)
            signal = open_signal(file, name, options=self.reading)
            num_bytes = file.seek(0, os.SEEK_END)
            limit_bytes = self.goal.limit_bytes(signal)
            self.outputs.check(target, source)
            self._check_options(signal, limit_bytes)
            model, reasons = self._model_for(signal)
            signal = model.measured(signal, separate_channels=self.stereo)
            stream = self._stream(model, signal, limit_bytes, report)
        notes = [
            *reasons,
            *_with_remedy(notes_of(signal)),
            *_notes_of_result(len(stream), num_bytes, target),
        ]
        if self.strict:
            refuse_notes(notes, name)
        with self.outputs.open(target, source) as file:
            file.write(stream)
        rate = _rate(signal, len(stream))
        words = "".join(
            f", {plain(value, 4)} {unit.replace('_', ' ')}"
            for unit, value in rate.items()
            if value is not None
        )
        lines = [
            *note_lines(notes, name),
            f"{name} -> {target}: {len(stream)} bytes{words}",
        ]
        record = {
            "output": target,
            "model": model.name,
            "fingerprint": model.fingerprint,
            **signal_facts(signal),
            "input_bytes": num_bytes,
            "size_bytes": len(stream),
            **rate,
            "digest": hashlib.sha256(stream).hexdigest(),
            "notes": note_records(notes),
        }
        return Done(record, tuple(lines))

    def _check_options(self, signal: LazySignal, limit_bytes: int | None) -> None:
        """Refuse options for the other kind of signal, and limits that its profile exceeds."""
        from vqcodec.signals.picture import Picture

        if isinstance(signal, Picture):
            if self.stereo:
                raise UsageError("--stereo is for sounds")
            if limit_bytes is not None:
                from vqcodec.signals.icc_profiles import refuse_huge_profile

                refuse_huge_profile(signal.icc_profile, limit_bytes)
        elif self.progressive or self.effort:
            option = "--progressive" if self.progressive else "--effort"
            raise UsageError(f"{option} is for pictures")

    def _model_for(self, signal: LazySignal) -> tuple[Model, list[Note]]:
        """Return the model that the user names or the signal needs, and the reason."""
        from vqcodec.codec.zoo import choose_model

        if self.model_name is not None:
            return self._load(self.model_name), []
        choice = choose_model(signal)
        return self._load(choice.name), [choice.note] if choice.note else []

    def _load(self, name: str) -> Model:
        model = load_model(name, self.device)
        if not self.effort:
            return model
        from vqcodec.training.refining import refined

        return refined(model, name, self.effort)

    def _stream(
        self, model: Model, signal: LazySignal, limit_bytes: int | None, report: Report
    ) -> bytes:
        from vqcodec.codec.search import compress_to_goal

        try:
            return compress_to_goal(
                model.parts,
                signal,
                quality=self.goal.quality,
                size_bytes=limit_bytes,
                psnr_db=self.goal.psnr_db,
                separate_channels=self.stereo,
                progressive=self.progressive,
                progress=report,
            )
        except TargetSizeError as error:
            raise UsageError(self.goal.refusal(signal, error.least_bytes)) from error


def _with_remedy(notes: Sequence[Note]) -> Iterator[Note]:
    """Yield notes; one on a mix-down ends in the option that keeps the channels."""
    from vqcodec.notes import NoteCode

    for each in notes:
        mixed_down = each.code is NoteCode.MIXED_DOWN
        yield replace(each, text=f"{each.text}; --stereo keeps them") if mixed_down else each


def _notes_of_result(size_bytes: int, input_bytes: int, target: str) -> Iterator[Note]:
    """Yield what a user should know of a stream beside its input."""
    from vqcodec.notes import Note, NoteCode
    from vqcodec.signals.suffixes import SIGNAL_SUFFIXES

    if size_bytes > input_bytes:
        text = f"the stream is larger than the input: {size_bytes} bytes, not {input_bytes}"
        yield Note(NoteCode.LARGER, text)
    suffix = Path(target).suffix.lower()
    if target != STDIO and suffix in SIGNAL_SUFFIXES:
        yield Note(NoteCode.MISNAMED, f"{target} is a stream, though its name ends in {suffix}")


def _rate(signal: LazySignal, size_bytes: int) -> dict[str, float | None]:
    """Return the stream's mean rate under the name of its unit; None for an empty sound."""
    from vqcodec.signals.picture import Picture

    if isinstance(signal, Picture):
        return {"bits_per_pixel": bits_per_pixel(size_bytes, signal.width, signal.height)}
    duration_s = signal.num_samples / signal.sample_rate
    return {"bits_per_second": bits_per_second(size_bytes, duration_s) if duration_s else None}
