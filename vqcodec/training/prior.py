"""Training of a prior on the indices of a trained autoencoder, and its comparison with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vqcodec.errors import UsageError
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.priors import build_prior_network
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.processes import (
    average_gradients,
    average_values,
    copy_from_first,
    own_part,
    process_rank,
)
from vqcodec.priors import build_prior, is_learnt
from vqcodec.priors.static import count_indices
from vqcodec.training.autoencoder import learning_rate_factor, recipe_tables
from vqcodec.training.cache import DEFAULT_BYTES
from vqcodec.training.compiling import COMPILING, compile_prior
from vqcodec.training.curves import write_curves
from vqcodec.training.inputs import InputReader, read_excerpts, require_some
from vqcodec.training.joining import stopping_together
from vqcodec.training.loading import Loader
from vqcodec.training.log import Means, TrainingLog
from vqcodec.training.manifest import MANIFEST, Manifest, read_manifest
from vqcodec.training.modality import Dataset, training_side
from vqcodec.training.recipe import Recipe, parse_recipe
from vqcodec.training.sources import find_names
from vqcodec.training.split import split_by_recipe
from vqcodec.training.state import (
    CHECKPOINT,
    RECIPE,
    AveragedWeights,
    load_state,
    save_state,
    step_seed,
    uninterrupted,
)

PRIOR_CHECKPOINT = "prior.pt"
JUDGED_FILES = 12
JUDGED_RATES = 3
HISTOGRAM_BATCHES = 20


@dataclass(frozen=True)
class TrainedRun:
    """A run's recipe, files and autoencoder (averaged weights), and its prior if it has one."""

    recipe: Recipe
    manifest: Manifest
    autoencoder: Autoencoder
    prior: PriorNetwork | None
    step: int
    seed: int


def load_run(run: Path) -> TrainedRun:
    """Return the recipe and the weights in the folder of a training.

    Raises:
        UsageError: there is no training.
        InputError: its checkpoint is damaged.
    """
    if not (run / CHECKPOINT).exists():
        raise UsageError(f"{run}: holds no training; begin with 'vqcodec train vqvae' or 'joint'")
    recipe = parse_recipe((run / RECIPE).read_text(encoding="utf-8"))
    state = load_state(run / CHECKPOINT)
    autoencoder = Autoencoder(recipe_tables(recipe))
    module, prior = nn.ModuleDict({"autoencoder": autoencoder}), None
    learnt = is_learnt(recipe.prior)
    if learnt:
        prior = build_prior_network(recipe.prior, autoencoder.quantizer.codebook_sizes)
        module["prior"] = prior
    weights = {**state["module"], **state["average"]}
    has_prior = any(name.startswith("prior.") for name in weights)
    own = _fitted_prior(run, state["step"])
    if own is not None:
        weights |= {f"prior.{name}": value for name, value in own["average"].items()}
        has_prior = True
    module.load_state_dict(weights, strict=has_prior or not learnt)
    module.eval()
    return TrainedRun(
        recipe=recipe,
        manifest=read_manifest(run / MANIFEST),
        autoencoder=autoencoder,
        prior=prior if has_prior else None,
        step=state["step"],
        seed=state["seed"],
    )


def _fitted_prior(run: Path, autoencoder_step: int) -> dict[str, Any] | None:
    """Return the checkpoint of the prior that was fitted to the networks at a step, else None.

    A prior that was fitted to an earlier step has learnt other indices, and is ignored.
    """
    if not (run / PRIOR_CHECKPOINT).exists():
        return None
    state = load_state(run / PRIOR_CHECKPOINT)
    return state if state["autoencoder_step"] == autoencoder_step else None


@torch.no_grad()
def indices_of(autoencoder: Autoencoder, signal: Tensor, rate: Tensor) -> Tensor:
    """Return the indices [B, K, ...] of signals [B, C, ...]; zeros for codebooks not in use."""
    quantizer = autoencoder.quantizer
    latents = autoencoder.encoder(signal, quantizer.rate_fraction(rate))
    indices = quantizer.quantize(latents, rate)
    missing = quantizer.num_codebooks - indices.shape[1]
    if missing:
        zeros = indices.new_zeros(len(indices), missing, *indices.shape[2:])
        indices = torch.cat([indices, zeros], dim=1)
    return indices


@dataclass(frozen=True, eq=False, slots=True)
class PriorInputs:
    """The inputs of a prior's training and judgement, in memory."""

    dataset: Dataset
    held_out: Sequence[Tensor]  # excerpts [1, C, ...]


def read_inputs(
    trained: TrainedRun,
    data: Sequence[str | Path] = (),
    *,
    skip_bad: bool = False,
    memory_bytes: int = DEFAULT_BYTES,
) -> PriorInputs:
    """Return the files of a run, or others; held-out files stay held out.

    Args:
        trained: the run.
        data: see `sources.find_names`; none for the files of the run.
        skip_bad: go on without the files that cannot be read.
        memory_bytes: decoded files are kept in memory up to this size.

    Raises:
        InputError: files cannot be read, and are not skipped, or none is left.
    """
    modality, manifest = training_side(trained.autoencoder.modality), trained.manifest
    if data:  # names and seed decide the split
        files = find_names(data, modality.suffixes)
        manifest = split_by_recipe(files, trained.recipe, trained.seed)
    reader = InputReader()
    dataset = modality.dataset(manifest.train, trained.recipe.data, memory_bytes, reader)
    dataset.skip_bad = skip_bad
    held_out = read_excerpts(reader, manifest.valid, modality.excerpt, JUDGED_FILES)
    reader.conclude(skip_bad=skip_bad)
    require_some(held_out, "held-out files")
    return PriorInputs(dataset, held_out)


class PriorTraining:
    """A prior network, its optimizer, and the frozen autoencoder whose indices it learns."""

    def __init__(
        self,
        run: Path,
        inputs: PriorInputs | None,
        device: str,
        *,
        workers: int | None = None,
        compiled: bool = False,
    ) -> None:
        """Take inputs from `read_inputs`; None reads the files of the run."""
        self.run, self.device, self.compiled = run, device, compiled
        self.trained = load_run(run)
        inputs = inputs or read_inputs(self.trained)
        recipe = self.trained.recipe
        schedule = recipe.prior_schedule
        if schedule is None:
            raise UsageError(f"{run}: its recipe has no [prior_schedule]")
        self.schedule = schedule
        own_part(schedule.batch_size)  # fail now, not at the first step
        self.autoencoder = self.trained.autoencoder.to(device)
        torch.manual_seed(self.trained.seed)
        self.prior = self.trained.prior or build_prior_network(
            recipe.prior, self.autoencoder.quantizer.codebook_sizes
        )
        self.prior.to(device).train()
        self.dataset = inputs.dataset
        self.loader = Loader(self.load, workers)
        self.optimizer = torch.optim.AdamW(
            self.prior.parameters(), lr=schedule.learning_rate, weight_decay=0.0, fused=True
        )
        self.average = AveragedWeights(self.prior, schedule.average_decay)
        self.step = 0
        self.log = TrainingLog(run / "prior_log.jsonl")
        state = _fitted_prior(run, self.trained.step)
        if state is not None:
            self.prior.load_state_dict(state["module"])
            self.average.load(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
        if compiled:
            compile_prior(self.prior)

    def save(self) -> None:
        """Write the prior's checkpoint, in process 0."""
        if process_rank() > 0:
            return
        state = {
            "step": self.step,
            "autoencoder_step": self.trained.step,
            "module": self.prior.state_dict(),
            "average": self.average.values,
            "optimizer": self.optimizer.state_dict(),
        }
        save_state(self.run / PRIOR_CHECKPOINT, state)

    def load(self, step: int) -> Tensor:
        """Return the signals of a step, or the part of them that this process computes."""
        size = self.schedule.batch_size
        _, generator = step_seed([self.trained.seed, 1, step])
        return self.dataset.load_signals(self.dataset.draw(size, generator)[own_part(size)])

    def train_step(self) -> float:
        """Make one step and return the mean bits per index of the batch, or of the own part."""
        seed, _ = step_seed([self.trained.seed, 1, self.step])
        torch.manual_seed(seed)
        quantizer = self.autoencoder.quantizer
        rate = quantizer.sample_rates(self.schedule.batch_size)
        rate = rate[own_part(self.schedule.batch_size)].to(self.device)
        signal = self.loader(self.step).to(self.device)
        indices = indices_of(self.autoencoder, signal, rate)
        for group in self.optimizer.param_groups:
            factor = learning_rate_factor(self.schedule, self.step)
            group["lr"] = self.schedule.learning_rate * factor
        in_use = quantizer.in_use(rate)
        bits = self.prior.bits(indices, quantizer.rate_fraction(rate), in_use)
        num_rows = int(in_use.sum()) if in_use is not None else len(rate) * quantizer.num_codebooks
        # The mean over all processes: a batch's parts may have different numbers of codebooks.
        used = indices[0, 0].numel() * average_values({"rows": num_rows})["rows"]
        loss: Tensor = bits.sum() / used
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        average_gradients(self.prior.parameters())
        limit = self.schedule.gradient_limit
        if torch.isfinite(nn.utils.clip_grad_norm_(self.prior.parameters(), limit)):
            self.optimizer.step()
        self.step += 1
        self.average.update(self.prior, self.step)
        return float(loss.detach())

    def run_to(self, steps: int | None) -> None:
        """Train to the end of the schedule, or to `steps`; see `AutoencoderTraining.run`."""
        last = min(steps or self.schedule.steps, self.schedule.steps)
        means = Means()
        with stopping_together() as is_stopped:
            copy_from_first([*self.prior.state_dict().values(), *self.average.values.values()])
            if process_rank() == 0:
                self.log.note(f"{self.dataset.describe()}; {self.loader.describe()}")
                if self.compiled:
                    self.log.note(COMPILING)
            try:
                while self.step < last and not is_stopped():
                    with uninterrupted():
                        means.add({"bits_per_index": self.train_step()})
                    if self.step % 50 == 0 or self.step == last:
                        self._report(means.take())
                    if self.step % 500 == 0:
                        self.save()
            except (KeyboardInterrupt, SystemExit):
                self.save()
                raise
            finally:
                self.loader.close()
            self.save()
        if process_rank() == 0 and self.log.path.exists():
            write_curves(self.log.path)

    def _report(self, values: dict[str, float]) -> None:
        """Report means of the batches since the last report."""
        values = average_values(values)
        if process_rank() == 0:
            self.log.report(self.step, self.schedule.steps, values)


def freeze_prior(
    trained: TrainedRun, kind: str | None = None, dataset: Dataset | None = None
) -> dict[str, NDArray[Any]]:
    """Return the integer tensors of a run's prior, or of a prior of another kind for its indices.

    A histogram counts indices of `dataset`, or else of the run's training files.

    Raises:
        UsageError: the run has no prior yet.
    """
    kind = kind or trained.recipe.prior.get("kind")
    quantizer = trained.autoencoder.quantizer
    if kind == "uniform":
        return {}
    if kind == "histogram":
        dataset = dataset or read_inputs(trained).dataset
        return count_indices(_seen_in_training(trained, dataset, None), quantizer.codebook_sizes)
    if trained.prior is None:
        raise UsageError("the run has no prior yet; fit one with 'vqcodec train prior'")
    positions = quantizer.rate_fraction(torch.arange(256)).clamp(0, 1)
    frozen: dict[str, NDArray[Any]] = trained.prior.freeze(positions)
    return frozen


def judge_priors(trained: TrainedRun, inputs: PriorInputs | None = None) -> dict[str, float]:
    """Return bits per index on held-out files: fixed width, histogram, float and integer prior.

    The files are those of `inputs`, or else those of the run.

    Fixed width is log2 of the range of indices of a codebook, as seen in training at that rate.
    Figures are means over files and over rates from coarse to fine. The figure of the integer
    prior is the size of its payload.
    """
    recipe, quantizer = trained.recipe, trained.autoencoder.quantizer
    inputs = inputs or read_inputs(trained)
    tensors = freeze_prior(trained, dataset=inputs.dataset)
    frozen = build_prior(recipe.prior, quantizer.codebook_sizes, tensors)
    torch.manual_seed(0)
    rates = torch.unique(quantizer.sample_rates(4096))
    chosen = rates[torch.linspace(0, len(rates) - 1, JUDGED_RATES + 2)[1:-1].round().long()]
    sums = {"uniform": 0.0, "histogram": 0.0, "float": 0.0, "integer": 0.0}
    count = 0
    for rate in torch.unique(chosen)[:, None]:
        seen = np.concatenate([
            batch.reshape(len(batch), -1)
            for batch in _seen_in_training(trained, inputs.dataset, rate)
        ], axis=1)  # fmt: skip
        width = np.log2(seen.max(axis=1) - seen.min(axis=1) + 1.0)  # [K']
        histogram = _histogram_bits(seen, quantizer.codebook_sizes[0])
        for signal in inputs.held_out:
            indices = indices_of(trained.autoencoder, signal, rate)
            bits = _float_bits(trained, indices, rate)
            own = indices[0, : len(seen)].numpy()
            books = np.arange(len(own))[:, None]
            sums["uniform"] += float(width.sum()) * own[0].size
            sums["histogram"] += float(histogram[books, own.reshape(len(own), -1)].sum())
            sums["float"] += bits
            sums["integer"] += 8 * sum(map(len, frozen.compress([own], int(rate))))
            count += own.size
    if trained.prior is None:
        del sums["float"]
    return {name: total / count for name, total in sums.items()}


def _float_bits(trained: TrainedRun, indices: Tensor, rate: Tensor) -> float:
    """Return the bits of indices [1, K, ...] by the prior in floats; 0 if there is none."""
    if trained.prior is None:
        return 0.0
    quantizer = trained.autoencoder.quantizer
    with torch.no_grad():
        bits = trained.prior.bits(indices, quantizer.rate_fraction(rate), quantizer.in_use(rate))
    return float(bits.sum())


def _histogram_bits(seen: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Return the cost [K', N] of indices by their frequencies in [K', M]."""
    counts = np.stack([np.bincount(row, minlength=size) for row in seen]) + 0.1
    bits: NDArray[np.float64] = -np.log2(counts / counts.sum(axis=1, keepdims=True))
    return bits


def _seen_in_training(
    trained: TrainedRun, dataset: Dataset, rate: Tensor | None
) -> list[NDArray[np.int64]]:
    """Return indices [K', ...] of some training excerpts, at a rate [1] or at every rate."""
    quantizer = trained.autoencoder.quantizer
    seen = []
    for number in range(HISTOGRAM_BATCHES):
        generator = np.random.default_rng([trained.seed, 2, number])
        signal = dataset.signals(8, generator)
        rates = quantizer.sample_rates(8) if rate is None else rate.expand(8)
        if rate is None and quantizer.in_use(rates) is not None:  # all codebooks have to be used
            rates = torch.full_like(rates, quantizer.config.rate_of(10))
        indices = indices_of(trained.autoencoder, signal, rates).transpose(0, 1).flatten(1).numpy()
        used = quantizer.num_codebooks if rate is None else quantizer.config.codebooks_at(int(rate))
        seen.append(indices[:used])
    return seen
