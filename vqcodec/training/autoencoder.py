"""The loop that trains networks and quantizer, alone or together with the prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vqcodec.codec.zoo import find_model
from vqcodec.errors import ConfigError
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.precision import (
    gains_by_bfloat16,
    in_full_precision,
    in_memory_order,
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
from vqcodec.training.compiling import COMPILING, compile_autoencoder, compile_prior, uncompiled
from vqcodec.training.curves import write_curves
from vqcodec.training.grow import start_new_latents
from vqcodec.training.inputs import InputReader, read_excerpts, require_some
from vqcodec.training.joining import joined_processes, stopping_together
from vqcodec.training.loading import Loader
from vqcodec.training.log import Means, TrainingLog
from vqcodec.training.manifest import (
    MANIFEST,
    Manifest,
    check_files,
    check_split,
    missing_files,
    read_manifest,
    without_files,
)
from vqcodec.training.modality import Batch, training_side
from vqcodec.training.objective import loss_terms
from vqcodec.training.old_layout import in_order_of
from vqcodec.training.recipe import Recipe, ScheduleConfig, read_recipe
from vqcodec.training.sources import find_names
from vqcodec.training.split import split_by_recipe
from vqcodec.training.start import module_of, start_from
from vqcodec.training.state import (
    CHECKPOINT,
    AveragedWeights,
    check_recipe,
    load_state,
    open_run,
    save_state,
    step_seed,
    uninterrupted,
)
from vqcodec.training.validation import Terms, held_out_terms, rate_gap

VALIDATION_FILES = 12


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


class AutoencoderTraining:
    """Networks, quantizer and (for joint training) prior, with their optimizer and data."""

    def __init__(self, recipe: Recipe, options: TrainingOptions, *, joint: bool) -> None:
        torch.manual_seed(options.seed)
        self.recipe, self.options, self.joint = recipe, options, joint
        self.autoencoder = Autoencoder(recipe_tables(recipe))
        self.modality = training_side(self.autoencoder.modality)
        known = self.modality.distortions
        if recipe.objective.distortion not in known:
            raise ConfigError(
                f"objective.distortion: {recipe.objective.distortion!r} is not one of "
                f"{', '.join(map(repr, known))}"
            )
        own_part(recipe.schedule.batch_size)  # fail now, not at the first step
        files = find_names(options.data, self.modality.suffixes)
        if recipe.reference is not None:
            find_model(recipe.reference)  # fail now, not at the first validation
        self.manifest = split_by_recipe(files, recipe, options.seed)
        self.kept_manifest: Manifest | None = None  # of the run that goes on
        self._read_files()
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
        self.module.to(options.device)
        lay_channels_last(self.module)
        if gains_by_bfloat16(options.device):
            use_bfloat16(self.module)
        self.optimizer = torch.optim.AdamW(
            self._groups(), betas=(0.9, 0.98), weight_decay=0.0, fused=True
        )
        self.average = AveragedWeights(self.module, recipe.schedule.average_decay)
        self.step = 0
        self.reference: Terms | None = None  # of the reference, from the first validation on
        self.log = TrainingLog(options.run / "log.jsonl")

    def _groups(self) -> list[dict[str, Any]]:
        """Return the optimizer's parameter groups, each with its own learning rate.

        The weights are contiguous views, on which the optimizer is fastest.
        """
        schedule = self.recipe.schedule
        rates = {"autoencoder": schedule.learning_rate, "prior": schedule.prior_learning_rate}
        return [
            {"params": [in_memory_order(p) for p in part.parameters()], "base": rates[name]}
            for name, part in self.module.items()
        ]

    def _read_files(self) -> None:
        """Read the training files, or their headers, and the excerpts for validation.

        Raises:
            ConfigError: the files are not those that the run was begun with.
            InputError: files cannot be read, and are not to be skipped.
        """
        options, reader = self.options, InputReader()
        path = options.run / MANIFEST
        kept = read_manifest(path) if path.exists() else None
        if kept is not None and options.skip_bad:
            for gone in missing_files(kept, self.manifest.files):
                reader.leave_out(gone, f"{gone}: was a file of this run, and is gone")
        elif kept is not None:
            check_files(kept, self.manifest.files, options.run)
        self.dataset = self.modality.dataset(
            self.manifest.train, self.recipe.data, options.memory_bytes, reader
        )
        self.dataset.skip_bad = options.skip_bad
        self.loader = Loader(self.load, options.workers)
        self.valid = read_excerpts(
            reader, self.manifest.valid, self.modality.excerpt, VALIDATION_FILES
        )
        reader.conclude(skip_bad=options.skip_bad)
        self.manifest = without_files(self.manifest, reader.bad)
        require_some(self.valid, "held-out files")
        if kept is not None:
            self.kept_manifest = without_files(kept, reader.bad)
            check_files(self.kept_manifest, self.manifest.files, options.run)

    def begin(self) -> None:
        """Resume from the run's checkpoint if it has one, else initialise the weights.

        A run keeps the manifest that it was begun with.

        Raises:
            ConfigError: the run was begun with other options.
        """
        run = self.options.run
        if (run / CHECKPOINT).exists():
            self._resume(load_state(run / CHECKPOINT))
        elif self.options.start_from is not None:
            self._start_from_weights(self.options.start_from)
        else:
            self._start_from_data()
        copy_from_first([*self.module.state_dict().values(), *self.average.values.values()])
        if self.kept_manifest is not None:
            check_split(self.kept_manifest, self.manifest, run)
        elif process_rank() == 0:
            self.manifest.write(run / MANIFEST)
        if any_process(self.step != average_values({"step": self.step})["step"]):
            raise ConfigError(f"{run}: is not the same folder for all processes")
        if self.options.compiled:  # not before: initialisation takes batches of other sizes
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
        self.module.load_state_dict(state["module"])
        self.average.load(state["average"])
        weights = [weight for part in self.module.values() for weight in part.parameters()]
        self.optimizer.load_state_dict(in_order_of(weights, state["optimizer"]))
        self.step = state["step"]

    def _start_from_weights(self, source: str) -> None:
        """Load the weights of a run or a model, which may be smaller or have another quantizer."""
        started = start_from(self.module, source)
        generator = np.random.default_rng([self.options.seed, 2**31])
        if started.dim < self.autoencoder.quantizer.dim:
            with in_full_precision(self.module):
                start_new_latents(self.autoencoder, started.dim, self.dataset, generator)
        if not started.quantizer:
            batch = self.dataset.signals(512, generator).to(self.options.device)
            self.autoencoder.init_quantizer(batch)
        self.average.load(self.module.state_dict())

    @torch.no_grad()
    def _start_from_data(self) -> None:
        """Data-dependent initialisation from a first batch."""
        generator = np.random.default_rng([self.options.seed, 2**31])
        batch = self.dataset.signals(512, generator).to(self.options.device)
        self.autoencoder.init_from_data(batch)
        self.average.load(self.module.state_dict())

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
        size = self.recipe.schedule.batch_size
        _, generator = step_seed([self.options.seed, step])
        return self.dataset.load(self.dataset.draw(size, generator)[own_part(size)])

    def train_step(self) -> dict[str, float]:
        """Make one step and return its terms, means over the batch, or over the own part of it.

        All random numbers depend only on the seed and the number of the step; those inside the
        networks also on the process.
        """
        schedule = self.recipe.schedule
        seed, _ = step_seed([self.options.seed, self.step])
        torch.manual_seed(seed)
        rate = self.autoencoder.quantizer.sample_rates(schedule.batch_size)
        rate = rate[own_part(schedule.batch_size)].to(self.options.device)
        if process_rank() > 0:  # so that all items of a batch get different noise
            torch.manual_seed(seed + process_rank())
        batch = self.loader(self.step).to(self.options.device)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base"] * learning_rate_factor(schedule, self.step)
        self.module.zero_grad(set_to_none=True)
        terms = self.losses(batch, rate)
        terms["total"].backward()  # type: ignore[no-untyped-call]
        average_gradients(self.module.parameters())
        # Clipped separately, so that large gradients of the prior do not scale down the others.
        norms = {
            f"gradient_{name}": nn.utils.clip_grad_norm_(part.parameters(), schedule.gradient_limit)
            for name, part in self.module.items()
        }
        if all(torch.isfinite(norm) for norm in norms.values()):
            self._update_weights()
        self.step += 1
        self.average.update(self.module, self.step)
        values = {name: float(term.detach().mean()) for name, term in terms.items()}
        return {**values, **{name: float(norm) for name, norm in norms.items()}}

    def _update_weights(self) -> None:
        """Make one step of the optimizer with the gradients of the networks."""
        for part, group in zip(self.module.values(), self.optimizer.param_groups, strict=True):
            for weight, own in zip(part.parameters(), group["params"], strict=True):
                own.grad = None if weight.grad is None else in_memory_order(weight.grad)
        self.optimizer.step()

    def run(self) -> None:
        """Train to the end of the schedule, or to `options.steps`.

        If several processes train, they end after the same step, also when only one of them gets
        a signal. Process 0 writes all files and reports.
        """
        with stopping_together() as is_stopped:
            self.begin()
            if process_rank() == 0:
                self.log.note(f"{self.dataset.describe()}; {self.loader.describe()}")
                if self.options.compiled:
                    self.log.note(COMPILING)
            try:
                self._train_until(is_stopped)
            except (KeyboardInterrupt, SystemExit):
                self.save()
                raise
            finally:
                self.loader.close()
            self.save()

    def _train_until(self, is_stopped: Callable[[], bool]) -> None:
        """Make steps up to the last one, with reports and checkpoints."""
        last = min(self.options.steps or self.recipe.schedule.steps, self.recipe.schedule.steps)
        means = Means()
        while self.step < last and not is_stopped():
            with uninterrupted():
                means.add(self.train_step())
            if self.step % self.options.report_every == 0 or self.step == last:
                self._report(means.take())
            if self.step % self.options.save_every == 0:
                self.save()
            if self.step % (4 * self.options.save_every) == 0 or self.step == last:
                self._report_held_out()

    def _report(self, values: dict[str, float]) -> None:
        """Report means of the batches since the last report."""
        values = average_values(values)
        if process_rank() == 0:
            self.log.report(self.step, self.recipe.schedule.steps, values)

    def _report_held_out(self) -> None:
        """Report figures of the held-out files, in process 0; the others wait at the next step."""
        if process_rank() == 0:
            self.log.report(self.step, self.recipe.schedule.steps, self.validate())
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


def recipe_tables(recipe: Recipe) -> dict[str, Any]:
    """Return the tables of a recipe that a model file keeps."""
    return {
        "modality": recipe.modality,
        "network": recipe.network,
        "quantizer": recipe.quantizer,
        "prior": recipe.prior,
    }


def learning_rate_factor(schedule: ScheduleConfig, step: int) -> float:
    """Return the factor of the learning rate: a linear warm-up, then a decay to final_fraction.

    Without a decay_fraction, the decay is a cosine over all steps. With it, the factor is 1 and
    decays linearly over this last fraction of the steps, so that a run can be prolonged.
    """
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    if schedule.decay_fraction is None:
        progress = (step - schedule.warmup_steps) / max(1, schedule.steps - schedule.warmup_steps)
        left = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    else:
        left = (schedule.steps - step) / (schedule.decay_fraction * schedule.steps)
    return schedule.final_fraction + (1 - schedule.final_fraction) * min(1.0, max(0.0, left))


def train_autoencoder(recipe_name: str, options: TrainingOptions, *, joint: bool) -> None:
    """Train the networks and quantizer of a recipe in the folder of a run; resume a run there."""
    recipe, text = read_recipe(recipe_name)
    check_recipe(options.run, text)
    with joined_processes(options.device):
        training = AutoencoderTraining(recipe, options, joint=joint)
        if process_rank() == 0:
            open_run(options.run, text)  # after the recipe was checked
        training.run()
