"""`vqcodec decompress`: .vqc streams back to sounds and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from vqcodec.errors import CorruptStreamError, StreamError, UsageError, VqcodecError
from vqcodec.files import is_file
from vqcodec.numbers import plain
from vqcodec.urls import is_url

from .attempt import Done, Report
from .batch import Batch
from .console import display_name, note_lines, note_records, signal_facts
from .hints import read_stream
from .models import model_of_stream
from .options import (
    Device,
    FileFormat,
    Force,
    Jobs,
    Json,
    ManifestFile,
    ModelName,
    Output,
    Quiet,
    Ray,
    Salvage,
    SkipExisting,
    Sources,
    Strict,
    require_cpu,
)
from .outputs import Outputs, Source, digest_of, find_sources
from .paths import (
    STDIO,
    STREAM_SUFFIX,
    Kind,
    check_space,
    choose_format,
    kind_of,
    open_source,
)

if TYPE_CHECKING:
    from vqcodec.bitstream.header import Modality
    from vqcodec.signals.sound import Sound

_HEADER_BYTES = 64  # more than a header has
_LONGEST_S = 1e9


def decompress(
    *,
    inputs: Sources,
    output: Output = None,
    file_format: FileFormat = None,
    model: ModelName = None,
    start: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="For sounds: start of the part to restore."),
    ] = 0.0,
    duration: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="For sounds: length of the part to restore."),
    ] = None,
    level: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="For pictures: decode only the N coarsest levels."),
    ] = None,
    speaker: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Recording of the target voice; for streams of speech-voices or paper-audio.",
        ),
    ] = None,
    salvage: Salvage = False,
    strict: Strict = False,
    jobs: Jobs = None,
    ray: Ray = None,
    manifest: ManifestFile = None,
    skip_existing: SkipExisting = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
    device: Device = "cpu",
) -> None:
    """Restore sounds and pictures.

    photo.vqc becomes photo.decoded.png in the same folder. If an input is a folder, all streams in
    it are restored. The suffix of PATH decides the format. A stream names its model; if this model
    is not installed, --model names its file. --level restores a coarser picture; a progressive
    stream may be cut off after that level. --salvage restores the undamaged parts of a stream, and
    says what is missing. With --strict, it is an error if anything is missing, or if PATH cannot
    hold it. --speaker takes a recording of a few seconds, and converts speech towards that voice.
    """
    require_cpu(ray, device)
    if not start >= 0:  # also if it is no number
        raise UsageError(f"--start {plain(start)}: not a number of seconds, 0 or more")
    if duration is not None and not 0 < duration <= _LONGEST_S:
        longest = plain(_LONGEST_S)
        raise UsageError(f"--duration {plain(duration)}: not above 0 and up to {longest} s")
    found = find_sources(inputs, {STREAM_SUFFIX}, left_out=output)
    if speaker is not None and (len(found.sources) > 1 or STDIO in inputs or ray is not None):
        _require_file(speaker)
    outputs = Outputs(output, found.sources, force=force, skip_existing=skip_existing)
    work = _Decompression(
        outputs=outputs,
        file_format=file_format,
        model_name=model,
        start_s=start,
        duration_s=duration,
        level=level,
        speaker=speaker,
        salvage=salvage,
        strict=strict,
        device=device,
    )
    Batch(
        found=found,
        outputs=outputs,
        suffix_of=work.suffix_of,
        work=work.decompress_input,
        verb="decompressed",
        jobs=jobs,
        quiet=quiet,
        as_json=as_json,
        ray=ray,
        model=model,
        also_read=(speaker,),
        manifest=manifest,
    ).run()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Decompression:
    """The settings that all inputs share."""

    outputs: Outputs
    file_format: str | None
    model_name: str | None
    start_s: float
    duration_s: float | None
    level: int | None
    speaker: str | None
    salvage: bool
    strict: bool
    device: str

    def suffix_of(self, source: Source) -> str | None:
        """Return how the result's name ends, by the stream's header; None if it is unreadable."""
        from vqcodec.bitstream.fields import FieldReader
        from vqcodec.bitstream.header import parse_header

        if source.name == STDIO or not is_file(source.name):  # a pipe is read once
            return None
        try:
            with open_source(source.name) as file:
                header = parse_header(FieldReader(file.read(_HEADER_BYTES)))
            return self._format_of(header.modality)[0]
        except (VqcodecError, OSError):  # the work will meet it again, and report it
            return None

    def _format_of(self, modality: Modality) -> tuple[str, str]:
        """Return how the result's name ends, and its format."""
        named = self.outputs.named
        suffix, file_format = choose_format(modality.name.lower(), named, self.file_format)
        return f".decoded{suffix}", file_format

    def decompress_input(self, source: Source, report: Report) -> Done:
        """Write the file of one stream and return what came of it."""
        from vqcodec.bitstream.salvage import salvage_header
        from vqcodec.bitstream.stream import parse_stream
        from vqcodec.notes import refuse_notes
        from vqcodec.signals.files import least_bytes, notes_of, notes_on_writing, write_signal

        stream = read_stream(source.name)
        if self.salvage:
            header, _, _ = salvage_header(stream)
        else:
            with _hinting_at_salvage(stream):
                header = parse_stream(stream, self.level).header
        suffix, file_format = self._format_of(header.modality)
        target = self.outputs.target(source, suffix)
        self.outputs.check(target, source)
        model = model_of_stream(header.fingerprint.hex(), self.model_name, self.device)
        with _open_speaker(self.speaker) as speaker:
            signal = model.open(
                stream,
                start_s=self.start_s,
                duration_s=self.duration_s,
                level=self.level,
                speaker=speaker,
                salvage=self.salvage,
                progress=report,
            )
            with self.outputs.open(target, source) as file:
                check_space(target, least_bytes(signal, file_format))
                write_signal(signal, file, file_format)  # a sound is decoded here
                notes = [*notes_of(signal), *notes_on_writing(signal, file_format)]
                if self.strict:  # before the file appears
                    refuse_notes(notes, display_name(source.name))
                digest = digest_of(file)
        name = display_name(source.name)
        record = {
            "output": target,
            "model": model.name,
            "fingerprint": header.fingerprint.hex(),
            **signal_facts(signal),
            "input_bytes": len(stream),
            "notes": note_records(notes),
            "digest": digest,
        }
        return Done(record, (*note_lines(notes, name), f"{name} -> {target}"))


@contextmanager
def _hinting_at_salvage(stream: bytes) -> Iterator[None]:
    """Add a hint at --salvage to errors in the block, if the header of the stream is readable."""
    try:
        yield
    except CorruptStreamError as error:
        if not _has_header(stream):
            raise
        raise type(error)(f"{error}; try --salvage to restore the undamaged parts") from error


def _has_header(stream: bytes) -> bool:
    """Return whether the header of a stream is readable, or can be repaired."""
    from vqcodec.bitstream.salvage import salvage_header

    try:
        salvage_header(stream)
    except StreamError:
        return False
    return True


def _require_file(speaker: str) -> None:
    """Check that a recording can be read several times.

    Raises:
        UsageError: it is stdin or a pipe.
    """
    if speaker == STDIO or (not is_url(speaker) and kind_of(speaker) is Kind.SPECIAL):
        name = display_name(speaker)
        raise UsageError(f"--speaker: {name} can be read for one stream only; name a file")


@contextmanager
def _open_speaker(name: str | None) -> Iterator[Sound | None]:
    """Open the recording of the speaker for the block; None if no speaker is named.

    Raises:
        UsageError: it is a picture.
        InputError: it cannot be read.
    """
    if name is None:
        yield None
        return
    from vqcodec.signals.files import open_signal
    from vqcodec.signals.sound import Sound

    with open_source(name) as file:
        recording = open_signal(file, display_name(name))
        if not isinstance(recording, Sound):
            raise UsageError(f"--speaker: {name} is a picture")
        yield recording
