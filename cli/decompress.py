"""`vqcodec decompress`: .vqc streams back to sounds and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from vqcodec.errors import UsageError

from .console import Record, display_name, for_each, note, progress, signal_facts
from .models import load_model
from .options import (
    Device,
    FileFormat,
    Force,
    Inputs,
    Json,
    ModelName,
    Output,
    Quiet,
    require_within,
)
from .paths import Outputs, check_space, choose_format, open_source, open_target, read_source

if TYPE_CHECKING:
    from vqcodec.signals.sound import Sound


def decompress(
    *,
    inputs: Inputs,
    output: Output = None,
    file_format: FileFormat = None,
    model: ModelName = None,
    start: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Begin here; for sounds.")
    ] = 0.0,
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Restore so much; for sounds.")
    ] = None,
    level: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="For pictures: read only the N coarsest levels."),
    ] = None,
    speaker: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Speak as this recording does; for models with voices."),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
    device: Device = "cpu",
) -> None:
    """Restore sounds and pictures.

    photo.vqc becomes photo.decoded.png beside it; the suffix of PATH decides what kind of file it
    is. A stream names its model; --model is for a file of it that is not installed. --level takes
    a coarser picture out of a stream, which may be cut after that level if it is progressive.
    --speaker takes some seconds of anybody's voice, and has what is said spoken with it.
    """
    if duration is not None:
        require_within("--duration", duration, 1e-6, 1e9)
    outputs = Outputs(output, inputs, force=force)
    if as_json and outputs.to_stdout:
        raise UsageError("--json and the result cannot both go to stdout: use -o")
    work = _Decompression(
        outputs=outputs,
        file_format=file_format,
        model_name=model,
        start_s=start,
        duration_s=duration,
        level=level,
        speaker=speaker,
        device=device,
        quiet=quiet,
    )
    for_each(inputs, work.decompress_input, as_json=as_json)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Decompression:
    """What stays the same from input to input."""

    outputs: Outputs
    file_format: str | None
    model_name: str | None
    start_s: float
    duration_s: float | None
    level: int | None
    speaker: str | None
    device: str
    quiet: bool

    def decompress_input(self, source: str) -> Record:
        """Write the file of one stream and return what came of it."""
        from vqcodec.bitstream.stream import parse_stream
        from vqcodec.signals.files import least_bytes, write_signal

        stream = read_source(source)
        header = parse_stream(stream, self.level).header
        suffix, file_format = choose_format(
            header.modality.name.lower(), self.outputs.named, self.file_format
        )
        target = self.outputs.choose(source, f".decoded{suffix}")
        model = load_model(self.model_name or header.fingerprint.hex(), self.device)
        name = display_name(source)
        with progress(name, quiet=self.quiet) as report, _open_speaker(self.speaker) as speaker:
            signal = model.open(
                stream,
                start_s=self.start_s,
                duration_s=self.duration_s,
                level=self.level,
                speaker=speaker,
                progress=report,
            )
            check_space(target, least_bytes(signal, file_format))
            with open_target(target, force=self.outputs.force) as file:
                write_signal(signal, file, file_format)  # a sound is decoded here
        note(f"{name} -> {target}", quiet=self.quiet)
        return {"output": target, "model": model.name, **signal_facts(signal)}


@contextmanager
def _open_speaker(name: str | None) -> Iterator[Sound | None]:
    """Give the recording of who is to speak for as long as the block lasts, if there is one.

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
        recording = open_signal(file, name)
        if not isinstance(recording, Sound):
            raise UsageError(f"--speaker: {name} is a picture")
        yield recording
