"""The entry point; turns errors into messages and exit codes."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from vqcodec import __version__
from vqcodec.cores import share_one_heap
from vqcodec.errors import InputError, UsageError, VqcodecError
from vqcodec.interrupts import handle_ends

from .console import complain, write_line
from .options import PlainCommand, with_address_of_ray

# Module and function of each command. Only the requested command is imported.
COMMANDS = {
    "compress": ("compress", "compress"),
    "decompress": ("decompress", "decompress"),
    "info": ("info", "info"),
    "verify": ("verify", "verify"),
    "models": ("models", "models"),
    "sample": ("sample", "sample"),
    "tokens": ("tokens", "tokens"),
    "train": ("train", "train"),
    "eval": ("eval", "evaluate_folders"),
}

# \b keeps the line breaks.
EXIT_CODES = """\b
Exit codes:
  0  done
  1  a bug, with a traceback to report
  2  wrong usage, or a wrong recipe
  3  an input cannot be read
  4  a stream or a model is damaged, or the file is of another kind
  5  a stream needs a newer version, or a model that is not installed
  6  an output cannot be written
  7  'train adapt': the new model is not better, so it is not written
  130  interrupted (143: terminated, 129: its terminal was closed)
\b
If a file fails, the others are still processed.
The exit code is that of the first failure."""


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """Return the app with the command in the arguments, or with all commands if there is none."""
    app = typer.Typer(
        epilog=EXIT_CODES,
        no_args_is_help=True,
        rich_markup_mode=None,  # plain help starts in half the time
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(about)
    named = next((word for word in arguments if not word.startswith("-")), None)
    for name in [named] if named in COMMANDS else COMMANDS:
        module, attribute = COMMANDS[name]
        command = getattr(import_module(f".{module}", __package__), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, cls=PlainCommand)(command)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        write_line(f"vqcodec {__version__}")
        raise typer.Exit


def about(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Compress sounds and pictures to small .vqc files with neural networks, and restore them."""


def _open_closed_streams() -> None:
    """Give closed standard streams a descriptor, so that no file gets theirs, and stderr a file."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def _is_folder_gone() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def main() -> None:
    """Run the command and exit with its code."""
    _open_closed_streams()
    handle_ends()
    share_one_heap()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may hold any bytes
    try:
        # typer exits with 130 on Ctrl-C, and with 2 on a usage error.
        arguments = with_address_of_ray(sys.argv[1:])
        build_app(arguments)(arguments, prog_name="vqcodec")
    except VqcodecError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # while the command was imported
        sys.exit(128 + signal.SIGINT)
    except FileNotFoundError:
        if not _is_folder_gone():
            raise
        complain("the current folder does not exist any more; use full names, or change the folder")
        sys.exit(InputError.exit_code)
    except OSError as error:  # a path that cannot be examined
        if error.errno not in (errno.ENAMETOOLONG, errno.EACCES) or error.filename is None:
            raise
        complain(f"{os.fsdecode(error.filename)}: {error.strerror}")
        sys.exit(InputError.exit_code)
    except SystemExit as stop:
        if stop.code == UsageError.exit_code:
            from .hints import hint_at_dashes

            hint = hint_at_dashes(sys.argv[1:])
            if hint is not None:
                complain(hint)
        raise
