"""The input files of `vqcodec eval`: found, and read once before the work begins."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vqcodec.errors import InputError
from vqcodec.files import find_files
from vqcodec.numbers import counted

from .console import complain, progress_of_many

if TYPE_CHECKING:
    from vqcodec.signals.options import ReadOptions

Files = dict[str, list[Path]]  # by modality


def find_by_modality(sources: Sequence[Path]) -> Files:
    """Return the files to measure, by modality: by suffix, or by content if it has another one.

    What cannot be opened counts as a picture; `readable_files` says what is wrong.
    """
    from vqcodec.signals.files import open_signal
    from vqcodec.signals.picture import Picture
    from vqcodec.signals.suffixes import SIGNAL_SUFFIXES, SOUND_SUFFIXES

    found: Files = {"image": [], "audio": []}
    for path in find_files(sources, SIGNAL_SUFFIXES):
        is_sound = path.suffix.lower() in SOUND_SUFFIXES
        if path.suffix.lower() not in SIGNAL_SUFFIXES:
            with suppress(InputError, OSError), path.open("rb") as file:
                is_sound = not isinstance(open_signal(file, str(path)), Picture)
        found["audio" if is_sound else "image"].append(path)
    return found


def readable_files(files: Files, reading: ReadOptions, *, skip_bad: bool, quiet: bool) -> Files:
    """Return the files that can be read, after a line on stderr for each other one.

    Raises:
        InputError: there are others and `skip_bad` is false, or there are none but others.
    """
    from vqcodec.signals.files import check_file

    num_files, num_bad = sum(map(len, files.values())), 0
    readable: Files = {}
    with progress_of_many(num_files, quiet=quiet) as show:
        for modality, paths in files.items():
            readable[modality] = []
            for path in paths:
                try:
                    check_file(path, options=reading)
                    readable[modality].append(path)
                except InputError as error:
                    complain(str(error))
                    num_bad += 1
                show(num_bad + sum(map(len, readable.values())), path.name)
    if num_bad and not skip_bad:
        hint = "; --skip-bad goes on without them"
        raise InputError(f"{num_bad} of {counted(num_files, 'input')} cannot be read{hint}")
    if num_bad == num_files:
        raise InputError(f"none of {counted(num_files, 'input')} can be read")
    return readable
