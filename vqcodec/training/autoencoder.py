"""Training of networks and quantizer, alone or together with the prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vqcodec.errors import ConfigError
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.precision import (
    gains_by_bfloat16,
    lay_channels_last,
    use_bfloat16,
)
from vqcodec.networks.priors import build_prior_network
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.processes import (
    any_process,
    average_gradients,
    average_values,
    copy_from_first,
    own_part,
    process_rank,
)
from vqcodec.training.cache import DEFAULT_BYTES
from vqcodec.training.compiling import compile_autoencoder, compile_prior, uncompiled
from vqcodec.training.curves import write_curves
from vqcodec.training.data import read_data
from vqcodec.training.inputs import InputReader, require_some
from vqcodec.training.joining import joined_processes
from vqcodec.training.loading import Loader
from vqcodec.training.log import TrainingLog
from vqcodec.training.loop import GRADIENT, TrainingLoop
from vqcodec.training.manifest import (
    MANIFEST,
    Manifest,
    check_files,
    check_split,
    in_order_of,
    missing_files,
    read_manifest,
    without_files,
)
from vqcodec.training.modality import Batch, training_side
from vqcodec.training.objective import loss_terms
from vqcodec.training.optimizer import build_optimizer
from vqcodec.training.recipe import Recipe, read_recipe
from vqcodec.training.sources import find_names
from vqcodec.training.split import split_by_recipe
from vqcodec.training.start import (
    Started,
    check_reference,
    initialise,
    module_of,
    start_from,
)
from vqcodec.training.state import (
    CHECKPOINT,
    AveragedWeights,
    check_folder,
    check_recipe,
    fitting_recipe,
    load_state,
    open_run,
    save_state,
    step_seed,
)
from vqcodec.training.validation import Terms, held_out_terms, rate_gap

NEEDED = ("joint", "step", "module", "average", "optimizer", "seed")  # in a checkpoint


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What a caller chooses for one run, besides the recipe."""

    run: Path
    data: Sequence[str | Path]  # see `sources.find_names`
    seed: int = 0
    steps: int | None = None  # stop after this step; does not change the schedule
    device: str = "cpu"
    start_from: str | None = None  # a run or a model whose weights initialise a new run
    skip_bad: bool = False  # go on without the files that cannot be read
    report_every: int = 50
    save_every: int = 500
    workers: int | None = None  # threads that load batches; None: by the number of cores
    memory_bytes: int = DEFAULT_BYTES  # of decoded files that are kept
    compiled: bool = False  # whether torch.compile compiles the networks


class AutoencoderTraining(TrainingLoop):
    """Networks, quantizer and (for joint training) prior, with their optimizer and data."""

    def __init__(self, recipe: Recipe, options: TrainingOptions, *, joint: bool) -> None:
        torch.manual_seed(options.seed)
        self.recipe, self.options, self.joint = recipe, options, joint
        self.schedule, self.compiled = recipe.schedule, options.compiled
        self.report_every, self.save_every = options.report_every, options.save_every
        self.autoencoder = Autoencoder(recipe.model_tables())
        self.modality = training_side(self.autoencoder.modality)
        known = self.modality.distortions
        if recipe.objective.distortion not in known:
            raise ConfigError(
                f"objective.distortion: {recipe.objective.distortion!r} is not one of "
                f"{', '.join(map(repr, known))}"
            )
        own_part(self.schedule.batch_size)  # fail now, not at the first step
        if recipe.reference is not None:  # fail now, not at the first validation
            check_reference(recipe.reference, recipe.modality)
        self.prior: PriorNetwork | None = None
        if joint:
            quantizer = self.autoencoder.quantizer
            self.prior = build_prior_network(recipe.prior, quantizer.codebook_sizes)
            if self.prior.head != quantizer.relaxed_head:
                raise ConfigError(
                    f"prior.head: {self.prior.head!r}, but joint training of a "
                    f"{recipe.quantizer['kind']!r} quantizer needs {quantizer.relaxed_head!r}"
                )
        self.module = nn.ModuleDict({"autoencoder": self.autoencoder})
        if self.prior is not None:
            self.module["prior"] = self.prior
        self.started: Started | None = None
        if options.start_from is not None and not (options.run / CHECKPOINT).exists():
            self.started = start_from(self.module, options.start_from)
        files = find_names(options.data, self.modality.suffixes)
        self.manifest = split_by_recipe(files, recipe, options.seed)
        self.kept_manifest: Manifest | None = None  # of the run that goes on
        self._read_files()
        self.log = TrainingLog(options.run / "log.jsonl")
        if set(self.manifest.valid) & set(self.manifest.train) and process_rank() == 0:
            self.log.note("one group of files: those trained on are also the held-out ones")
        self.module.to(options.device)
        lay_channels_last(self.module)
        if gains_by_bfloat16(options.device):
            use_bfloat16(self.module)
        rates = {
            "autoencoder": self.schedule.learning_rate,
            "prior": self.schedule.prior_learning_rate,
        }
        self.optimizer = build_optimizer(self.schedule, self.module, rates, options.device)
        self.average = AveragedWeights(self.module, self.schedule.average_decay)
        self.step = 0
        self.reference: Terms | None = None  # of the reference, from the first validation on

    def _read_files(self) -> None:
        """Read the training files, or their headers, and the excerpts for validation.

        Raises:
            ConfigError: the files are not those that the run was begun with.
            InputError: files cannot be read, and are not to be skipped.
        """
        options, reader = self.options, InputReader()
        path = options.run / MANIFEST
        kept = read_manifest(path) if path.exists() else None
        if kept is not None:
            self.manifest = in_order_of(kept, self.manifest)
        if kept is not None and options.skip_bad:
            for gone in missing_files(kept, self.manifest.files):
                reader.leave_out(gone, f"{gone}: was a file of this run, and is gone")
            # What was bad when the run was begun is in no manifest.
            reader.read_each(missing_files(self.manifest, kept.files), self.modality.excerpt)
            self.manifest = without_files(self.manifest, reader.bad)
        elif kept is not None:
            check_files(kept, self.manifest.files, options.run)
        self.dataset, self.valid = read_data(
            self.manifest,
            self.modality,
            self.recipe,
            reader=reader,
            skip_bad=options.skip_bad,
            memory_bytes=options.memory_bytes,
        )
        self.loader = Loader(self.load, options.workers)
        self.manifest = without_files(self.manifest, reader.bad)
        if kept is not None:
            self.kept_manifest = without_files(kept, reader.bad)
            require_some(self.kept_manifest.valid, f"held-out files of {options.run}")
            check_files(self.kept_manifest, self.manifest.files, options.run)

    def begin(self) -> None:
        """Resume from the run's checkpoint if it has one, else initialise the weights.

        A run keeps the manifest that it was begun with.

        Raises:
            ConfigError: the run was begun with other options.
        """
        run = self.options.run
        if (run / CHECKPOINT).exists():
            self._resume(load_state(run / CHECKPOINT, NEEDED))
        else:
            generator = np.random.default_rng([self.options.seed, 2**31])
            initialise(self.autoencoder, self.started, self.dataset, generator)
            self.average.load(self.module.state_dict())
        copy_from_first([*self.module.state_dict().values(), *self.average.values.values()])
        if self.kept_manifest is not None:
            check_split(self.kept_manifest, self.manifest, run)
        elif process_rank() == 0:
            self.manifest.write(run / MANIFEST)
        if any_process(self.step != average_values({"step": self.step})["step"]):
            raise ConfigError(f"{run}: is not the same folder for all processes")
        if self.compiled:  # not before: initialisation takes batches of other sizes
            compile_autoencoder(self.autoencoder)
            if self.prior is not None:
                compile_prior(self.prior)

    def _resume(self, state: dict[str, Any]) -> None:
        """Load everything that the next step depends on from a checkpoint."""
        run, seed = self.options.run, self.options.seed
        if state["joint"] != self.joint:
            raise ConfigError(f"{run}: holds a training of the other kind")
        if state["seed"] != seed:  # because other files would be held out
            raise ConfigError(f"{run}: was begun with seed {state['seed']}, not {seed}")
        with fitting_recipe(run):
            self.module.load_state_dict(state["module"])
            self.average.load(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def save(self) -> None:
        """Write the run's checkpoint, in process 0."""
        if process_rank() > 0:
            return
        save_state(
            self.options.run / CHECKPOINT,
            {
                "joint": self.joint,
                "step": self.step,
                "module": self.module.state_dict(),
                "average": self.average.values,
                "optimizer": self.optimizer.state_dict(),
                "seed": self.options.seed,
            },
        )

    def losses(self, batch: Batch, rate: Tensor) -> dict[str, Tensor]:
        """Return the loss "total" [] and its terms, for B excerpts at rate [B]."""
        return loss_terms(
            self.autoencoder,
            self.prior,
            self.modality,
            self.recipe.objective,
            batch,
            rate,
            relax=self.joint,
        )

    def load(self, step: int) -> Batch:
        """Return the batch of a step, or the part of it that this process computes.

        Which excerpts it has depends only on the seed and the number of the step.
        """
        size = self.schedule.batch_size
        _, generator = step_seed([self.options.seed, step])
        return self.dataset.batch(size, generator, own_part(size))

    def train_step(self) -> dict[str, float]:
        """Make one step and return its terms, means over the batch, or over the own part of it.

        All random numbers depend only on the seed and the number of the step; those inside the
        networks also on the process.
        """
        size = self.schedule.batch_size
        seed, _ = step_seed([self.options.seed, self.step])
        torch.manual_seed(seed)
        rate = self.autoencoder.quantizer.sample_rates(size)[own_part(size)]
        rate = rate.to(self.options.device)
        if process_rank() > 0:  # so that all items of a batch get different noise
            torch.manual_seed(seed + process_rank())
        batch = self.loader(self.step).to(self.options.device)
        self.module.zero_grad(set_to_none=True)
        terms = self.losses(batch, rate)
        terms["total"].backward()  # type: ignore[no-untyped-call]
        average_gradients(self.module.parameters())
        norms = self.optimizer.update(self.schedule.learning_rate_factor(self.step))
        self.step += 1
        self.average.update(self.module, self.step)
        values = {name: float(term.detach().mean()) for name, term in terms.items()}
        return {**values, **{GRADIENT + name: float(norm) for name, norm in norms.items()}}

    def run(self) -> None:
        """Train to the end of the schedule, or to `options.steps`; see `run_to`."""
        self.run_to(self.options.steps)

    def report_held_out(self) -> None:
        """Report figures of the held-out files, in process 0; the others wait at the next step."""
        if process_rank() == 0:
            self.log.report(self.step, self.schedule.steps, self.validate())
            write_curves(self.log.path)

    def validate(self) -> dict[str, float]:
        """Return the terms of held-out files at several rates, for the averaged weights.

        If the recipe has a reference, "valid_bd_rate" is the BD-rate to it in per cent; below 0,
        this training needs fewer bits.
        """
        distortion, device = self.recipe.objective.distortion, self.options.device
        self.module.eval()
        with self.average.in_place_of_weights(self.module), uncompiled():
            found = held_out_terms(self.module, self.valid, distortion, device)
        self.module.train()
        values = {
            f"valid_{name}@{rate}": value
            for rate, terms in found.items()
            for name, value in terms.items()
        }
        if self.recipe.reference is not None and self.prior is not None:
            if self.reference is None:
                module = module_of(self.recipe.reference).to(device).eval()
                self.reference = held_out_terms(module, self.valid, distortion, device)
            values["valid_bd_rate"] = rate_gap(self.reference, found)
        return values


def train_autoencoder(recipe_name: str, options: TrainingOptions, *, joint: bool) -> None:
    """Train the networks and quantizer of a recipe in the folder of a run; resume a run there."""
    recipe, text = read_recipe(recipe_name)
    check_folder(options.run)
    check_recipe(options.run, text)
    with joined_processes(options.device):
        training = AutoencoderTraining(recipe, options, joint=joint)
        if process_rank() == 0:
            open_run(options.run, text)  # after the recipe was checked
        training.run()
