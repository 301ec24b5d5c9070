"""`vqcodec decompress`: .vqc streams back to sounds and pictures."""

from __future__ import annotations

from dataclasses import dataclass

from vqcodec.errors import UsageError

from .console import Record, display_name, for_each, note, progress, signal_facts
from .models import load_model
from .options import Device, FileFormat, Force, Inputs, Json, ModelName, Output, Quiet
from .paths import Outputs, choose_format, open_target, read_source


def decompress(
    *,
    inputs: Inputs,
    output: Output = None,
    file_format: FileFormat = None,
    model: ModelName = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
    device: Device = "cpu",
) -> None:
    """Restore sounds and pictures.

    photo.vqc becomes photo.decoded.png beside it; the suffix of PATH decides what kind of file it
    is. A stream names its model; --model is for a file of it that is not installed.
    """
    outputs = Outputs(output, inputs, force=force)
    if as_json and outputs.to_stdout:
        raise UsageError("--json and the result cannot both go to stdout: use -o")
    work = _Decompression(
        outputs=outputs, file_format=file_format, model_name=model, device=device, quiet=quiet
    )
    for_each(inputs, work.decompress_input, as_json=as_json)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Decompression:
    """What stays the same from input to input."""

    outputs: Outputs
    file_format: str | None
    model_name: str | None
    device: str
    quiet: bool

    def decompress_input(self, source: str) -> Record:
        """Write the file of one stream and return what came of it."""
        from vqcodec.bitstream.stream import parse_stream
        from vqcodec.modalities.media import write_signal

        stream = read_source(source)
        header = parse_stream(stream).header
        suffix, file_format = choose_format(
            header.modality.name.lower(), self.outputs.named, self.file_format
        )
        target = self.outputs.choose(source, f".decoded{suffix}")
        model = load_model(self.model_name or header.fingerprint.hex(), self.device)
        name = display_name(source)
        with progress(name, quiet=self.quiet) as report:
            signal = model.decompress(stream, progress=report)
        with open_target(target, force=self.outputs.force) as file:
            write_signal(signal, file, file_format)
        note(f"{name} -> {target}", quiet=self.quiet)
        return {"output": target, "model": model.name, **signal_facts(signal)}
