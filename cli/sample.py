"""`vqcodec sample`: new sounds and pictures, sampled from a model's prior."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vqcodec.errors import UsageError

from .console import display_name, note, note_lines, signal_facts, write_json
from .kept_part import Part
from .models import load_model
from .options import (
    Device,
    FileFormat,
    Force,
    Json,
    ModelName,
    Quality,
    Quiet,
    require_quality,
    require_within,
)
from .paths import STDIO, check_target, choose_format, open_target, require_apart

if TYPE_CHECKING:
    from vqcodec.notes import Note

REST_TEMPERATURE = 0.7  # at 1, the rest of a picture is coarse noise


def sample(
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="PATH", help="File to write; - is stdout.")
    ],
    model: ModelName = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, max=2**32 - 1, help="Seed of the sample. Default: random."
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="Below 1: likely indices are preferred; 0: always the most likely index. "
            "Default: 1, or 0.7 for the rest of a picture.",
        ),
    ] = None,
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Length of a sound. Default: 3.")
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="Width of a picture in pixels. Default: 256."),
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="Height of a picture in pixels. Default: 256."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Keep a part of this sound or picture, coded at --quality, and sample the rest.",
        ),
    ] = None,
    keep: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="With --from: how much is kept, the start of a sound or the top of a picture. "
            "Default: 0.5.",
        ),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="HOLE",
            help="With --from, for pictures: sample this rectangle, LEFT,TOP,WIDTH,HEIGHT in "
            "pixels, or what is white in a picture of the same size.",
        ),
    ] = None,
    sweeps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=1000,
            help="For pictures: how many times each index is sampled again, given its neighbours. "
            "Default: 0, and 8 with --from.",
        ),
    ] = None,
    quality: Quality = None,
    file_format: FileFormat = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
    device: Device = "cpu",
) -> None:
    """Sample a sound or a picture from a model, or complete one.

    The modality is that of --model or --from, or follows from the suffix of PATH.
    """
    from vqcodec.signals.files import notes_of, write_signal

    if as_json and output == STDIO:
        raise UsageError("--json and the sample cannot both go to stdout: use -o PATH")
    if temperature is not None:
        require_within("--temperature", temperature, 0, 100)
    check_target(output, force=force)
    require_apart([output], (source, mask, model))
    part = Part.parse(source=source, keep=keep, mask=mask)
    if part is not None and any(value is not None for value in (duration, width, height)):
        raise UsageError("--from gives the size: leave out --duration, --width and --height")
    if part is not None:
        wants_sound = not part.is_picture
    else:
        decides = model is None and width is None and height is None
        wants_sound = duration is not None or _names_a_sound(output, file_format, decides=decides)
    if temperature is None:
        temperature = 1.0 if part is None or wants_sound else REST_TEMPERATURE
    name, reasons = _model_for(part, model, wants_sound=wants_sound)
    loaded = load_model(name, device)
    if wants_sound and sweeps is not None:
        raise UsageError("--sweeps is for pictures")
    named = None if output == STDIO else output
    _, chosen_format = choose_format(loaded.modality, named, file_format)
    size = _size(loaded.modality, duration, width, height)
    settings: dict[str, Any] = {
        "seed": int.from_bytes(os.urandom(4)) if seed is None else seed,
        "temperature": temperature,
        "quality": require_quality(quality),
    }
    if sweeps is not None:
        settings["num_sweeps"] = sweeps
    if part is None:
        signal = loaded.sample(**settings, **size)
    else:
        known = loaded.measured(part.signal)
        signal = loaded.complete(known, **settings, **part.settings)
        for line in note_lines([*reasons, *notes_of(known)], display_name(part.name)):
            note(line, quiet=quiet)
    with open_target(output, force=force) as file:
        write_signal(signal, file, chosen_format)
    note(f"{output}: sampled from {loaded.name} with --seed {settings['seed']}", quiet=quiet)
    if as_json:
        write_json({"output": output, "model": loaded.name, **settings, **signal_facts(signal)})


def _model_for(
    part: Part | None, named: str | None, *, wants_sound: bool
) -> tuple[str, list[Note]]:
    """Return the model that is named, or that a kept part needs, with the reason, or the usual."""
    from vqcodec.codec.zoo import choose_model, default_model_name

    if named is not None:
        return named, []
    if part is None:
        return default_model_name("audio" if wants_sound else "image"), []
    choice = choose_model(part.signal)
    return choice.name, [choice.note] if choice.note else []


def _names_a_sound(output: str, file_format: str | None, *, decides: bool) -> bool:
    """Return whether the format, or else the suffix of the output, is one of sounds.

    Args:
        output: the output path.
        file_format: the value of --format, or None.
        decides: whether nothing else decides between a sound and a picture.

    Raises:
        UsageError: it has to decide, and is neither of sounds nor of pictures.
    """
    from vqcodec.signals.suffixes import PICTURE_FORMATS, SOUND_FORMATS

    suffix = f".{file_format.removeprefix('.')}" if file_format else Path(output).suffix
    is_known = suffix.lower() in {**PICTURE_FORMATS, **SOUND_FORMATS}
    if decides and not is_known and (output != STDIO or file_format is not None):
        wanted = output if file_format is None else f"--format {file_format}"
        raise UsageError(
            f"{wanted}: a picture is written as {', '.join(PICTURE_FORMATS)}; "
            f"a sound as {', '.join(SOUND_FORMATS)}"
        )
    return suffix.lower() in SOUND_FORMATS


def _size(
    modality: str, duration: float | None, width: int | None, height: int | None
) -> dict[str, Any]:
    """Return the size arguments of `Model.sample`; a missing one leaves its default.

    Raises:
        UsageError: an argument is for the other modality.
    """
    sound = {} if duration is None else {"duration_s": duration}
    picture = {} if width is None else {"width": width}
    picture |= {} if height is None else {"height": height}
    if sound and modality != "audio":
        raise UsageError("--duration is for sounds; a picture has --width and --height")
    if picture and modality != "image":
        raise UsageError("--width and --height are for pictures; a sound has --duration")
    return sound or picture
