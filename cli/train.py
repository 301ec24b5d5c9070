"""`vqcodec train`: trains models on folders of files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcodec.errors import MissingModelError, ModelFileError, OutputError, UsageError
from vqcodec.files import is_file, is_folder, replacing

from .adapt import adapt
from .console import note, write_json, write_table
from .options import (
    Device,
    Force,
    Json,
    PlainCommand,
    Quiet,
    Seed,
    SkipBad,
    parse_size,
    require_torch,
)
from .paths import check_target

train = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Train a model.\n\nRun 'vqvae' or 'joint', then 'prior', then 'export'. "
    "'adapt' fits an existing model and needs no other command.",
)
train.command(cls=PlainCommand)(adapt)

DEFAULT_MEMORY = "1G"

Data = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA...",
        help="Files, folders, tar archives (WebDataset shards), or @LIST with one name a line.",
    ),
]
Recipe = Annotated[
    str, typer.Option("--recipe", metavar="R", help="Name of a shipped recipe, or a TOML file.")
]
NewRun = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="RUN", help="Folder of the run; an existing run is resumed."
    ),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Resume an existing run; never begin a new one.")
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps", metavar="N", min=1, help="Stop after N steps. Default: the recipe's number."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=0,
        max=256,
        help="Threads that load data. Default: half of the cores.",
    ),
]
Memory = Annotated[
    str,
    typer.Option(
        "--memory", metavar="SIZE", help="Largest memory for decoded files, e.g. 500M or 4G."
    ),
]

Compile = Annotated[
    bool,
    typer.Option(
        "--compile", help="Compile the networks with torch.compile; this takes some minutes."
    ),
]


@train.command(cls=PlainCommand)
def vqvae(
    *,
    data: Data,
    recipe: Recipe,
    run: NewRun,
    resume: Resume = False,
    steps: Steps = None,
    skip_bad: SkipBad = False,
    seed: Seed = 0,
    workers: Workers = None,
    memory: Memory = DEFAULT_MEMORY,
    compiled: Compile = False,
    device: Device = "cpu",
) -> None:
    """Train networks and codebooks."""
    require_torch(device, compiled=compiled)
    from vqcodec.training.commands import train_vqvae

    _require_checkpoint(run, needed=resume)
    train_vqvae(
        data=data,
        recipe=recipe,
        run=run,
        steps=steps,
        seed=seed,
        device=device,
        skip_bad=skip_bad,
        workers=workers,
        memory_bytes=_memory_bytes(memory),
        compiled=compiled,
    )


@train.command(cls=PlainCommand)
def joint(
    *,
    data: Data,
    recipe: Recipe,
    run: NewRun,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="RUN|MODEL", help="Start from this run's or model's weights."
        ),
    ] = None,
    resume: Resume = False,
    steps: Steps = None,
    skip_bad: SkipBad = False,
    seed: Seed = 0,
    workers: Workers = None,
    memory: Memory = DEFAULT_MEMORY,
    compiled: Compile = False,
    device: Device = "cpu",
) -> None:
    """Train networks, codebooks and prior together.

    The loss is then the rate and the distortion together.
    """
    require_torch(device, compiled=compiled)
    from vqcodec.training.commands import train_joint
    from vqcodec.training.state import CHECKPOINT

    _require_checkpoint(run, needed=resume)
    if start_from is not None and not (run / CHECKPOINT).exists():
        _require_start(start_from)  # a run that has a checkpoint goes on from there
    train_joint(
        data=data,
        recipe=recipe,
        run=run,
        start_from=start_from,
        steps=steps,
        seed=seed,
        device=device,
        skip_bad=skip_bad,
        workers=workers,
        memory_bytes=_memory_bytes(memory),
        compiled=compiled,
    )


@train.command(cls=PlainCommand)
def prior(
    *,
    run: Run,
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DATA...", help="As for 'train joint'. Default: the data of the run."
        ),
    ] = None,
    steps: Steps = None,
    skip_bad: SkipBad = False,
    workers: Workers = None,
    memory: Memory = DEFAULT_MEMORY,
    compiled: Compile = False,
    as_json: Json = False,
    device: Device = "cpu",
) -> None:
    """Train the prior of a run.

    Prints bits per index on held-out files, also for simpler priors.
    """
    require_torch(device, compiled=compiled)
    from vqcodec.training.commands import train_prior

    _require_run(run)
    bits = train_prior(
        run=run,
        data=data or (),
        steps=steps,
        device=device,
        skip_bad=skip_bad,
        workers=workers,
        memory_bytes=_memory_bytes(memory),
        compiled=compiled,
    )
    if bits is None:  # of several processes, one prints the result
        return
    if as_json:
        write_json({"run": run, "bits_per_index": bits})
    else:
        write_table(["prior", "bits per index"], list(bits.items()))


@train.command(cls=PlainCommand)
def export(
    *,
    run: Run,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL", help="File to write, .safetensors.")
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the model. Default: MODEL without its suffix."),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Write the model file of a run."""
    require_torch()
    from vqcodec.codec.model_file import SUFFIX
    from vqcodec.training.commands import export_model

    if output.suffix != SUFFIX:
        raise UsageError(f"-o {output}: the name of a model file ends in {SUFFIX}")
    _require_run(run)
    check_target(str(output), force=force)
    with replacing(output, overwrite=force) as temporary:
        try:
            fingerprint = export_model(run=run, output=temporary, name=name or output.stem)
        except ModelFileError as error:  # names the temporary file
            raise ModelFileError(str(error).replace(str(temporary), str(run))) from error
        except OutputError as error:
            raise OutputError(str(error).removeprefix(f"{temporary}: ")) from error
    note(f"{run} -> {output}: model {fingerprint}", quiet=quiet)


def _memory_bytes(size: str) -> int:
    return int(parse_size("--memory", size))


def _require_run(run: Path) -> None:
    if not is_folder(run):
        raise UsageError(f"{run}: no such run")


def _require_checkpoint(run: Path, *, needed: bool) -> None:
    if not needed:
        return
    from vqcodec.training.state import CHECKPOINT

    _require_run(run)
    if not is_file(run / CHECKPOINT):
        raise UsageError(f"{run}: has no {CHECKPOINT} to go on with; begin without --resume")


def _require_start(source: str) -> None:
    if is_folder(source):
        from vqcodec.training.state import CHECKPOINT

        if not is_file(Path(source, CHECKPOINT)):
            raise UsageError(f"--from {source}: the folder holds no training")
        return
    from vqcodec.codec.zoo import find_model

    try:
        find_model(source)
    except MissingModelError as error:
        raise UsageError(f"--from {source}: neither the folder of a run nor a model") from error
