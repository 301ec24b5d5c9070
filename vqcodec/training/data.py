"""The data of a training, read at its start: excerpts to train on, and held-out ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from vqcodec.errors import InputError
from vqcodec.training.cache import DEFAULT_BYTES
from vqcodec.training.inputs import InputReader, read_excerpts, require_some
from vqcodec.training.manifest import Manifest
from vqcodec.training.modality import Dataset, TrainingModality, training_side
from vqcodec.training.recipe import Recipe
from vqcodec.training.sources import find_names
from vqcodec.training.split import split_by_recipe
from vqcodec.training.trained_run import TrainedRun

NUM_HELD_OUT = 12  # files, or up to twice as many


class TrainingData(NamedTuple):
    """The data of a training, and of what is judged after it."""

    dataset: Dataset
    held_out: Sequence[Tensor]  # excerpts [1, C, ...]


def read_data(
    manifest: Manifest,
    modality: TrainingModality,
    recipe: Recipe,
    *,
    reader: InputReader,
    skip_bad: bool,
    memory_bytes: int,
) -> TrainingData:
    """Return the files of a manifest as a dataset, and excerpts of those that are held out.

    Args:
        manifest: the files.
        modality: reads them.
        recipe: its [data] table decides what excerpts to train on are like.
        reader: keeps the names of files that cannot be read.
        skip_bad: go on without the files that cannot be read.
        memory_bytes: decoded files are kept in memory up to this size.

    Raises:
        InputError: files cannot be read, and are not skipped, or none is left.
    """
    dataset = modality.dataset(manifest.train, recipe.data, memory_bytes, reader)
    dataset.skip_bad = skip_bad
    held_out = read_excerpts(reader, manifest.valid, modality.excerpt, NUM_HELD_OUT)
    reader.conclude(skip_bad=skip_bad)
    require_some(held_out, "held-out files")
    return TrainingData(dataset, held_out)


def read_data_of_run(
    trained: TrainedRun,
    data: Sequence[str | Path] = (),
    *,
    skip_bad: bool = False,
    memory_bytes: int = DEFAULT_BYTES,
) -> TrainingData:
    """Return the files of a run, or others; held-out files stay held out.

    Args:
        trained: the run.
        data: see `sources.find_names`; none for the files of the run.
        skip_bad: as for `read_data`.
        memory_bytes: as for `read_data`.

    Raises:
        InputError: files cannot be read, and are not skipped, or none is left.
        ConfigError: all files are held out of the run.
    """
    modality, manifest = training_side(trained.autoencoder.modality), trained.manifest
    if data:  # what the networks were trained on is not judged, and the reverse
        files = find_names(data, modality.suffixes)
        manifest = split_by_recipe(files, trained.recipe, trained.seed, manifest)
    try:
        return read_data(
            manifest,
            modality,
            trained.recipe,
            reader=InputReader(),
            skip_bad=skip_bad,
            memory_bytes=memory_bytes,
        )
    except InputError as error:
        if data or any(map(os.path.exists, manifest.files)):
            raise
        raise InputError(
            f"{error}; the run names its files as seen from the folder in which it was begun: "
            "go there, or name the files"
        ) from error
