"""Training of a prior on the indices of a trained autoencoder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from vqcodec.errors import UsageError
from vqcodec.networks.priors import build_prior_network
from vqcodec.networks.processes import (
    average_gradients,
    average_values,
    copy_from_first,
    own_part,
    process_rank,
)
from vqcodec.training.compiling import compile_prior
from vqcodec.training.counted_tables import count_tables
from vqcodec.training.curves import write_curves
from vqcodec.training.data import TrainingData, read_data_of_run
from vqcodec.training.loading import Loader
from vqcodec.training.log import TrainingLog
from vqcodec.training.loop import GRADIENT, TrainingLoop
from vqcodec.training.state import (
    PRIOR_CHECKPOINT,
    AveragedWeights,
    fitting_recipe,
    save_state,
    step_seed,
)
from vqcodec.training.trained_run import (
    load_fitted_prior,
    load_run,
    load_tables,
    stored_tables,
)


class PriorTraining(TrainingLoop):
    """A prior network, its optimizer, and the frozen autoencoder whose indices it learns."""

    def __init__(
        self,
        run: Path,
        data: TrainingData | None,
        device: str,
        *,
        workers: int | None = None,
        compiled: bool = False,
    ) -> None:
        """Take data from `read_data_of_run`; None reads the files of the run."""
        self.run, self.device, self.compiled = run, device, compiled
        self.trained = load_run(run)
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
        self.dataset = (data or read_data_of_run(self.trained)).dataset
        self.loader = Loader(self.load, workers)
        self.optimizer = torch.optim.AdamW(
            self.prior.parameters(), lr=schedule.learning_rate, weight_decay=0.0, fused=True
        )
        self.average = AveragedWeights(self.prior, schedule.average_decay)
        self.step = 0
        self.log = TrainingLog(run / "prior_log.jsonl")
        state = load_fitted_prior(run, self.trained.step)
        if state is not None:
            with fitting_recipe(run):
                self.prior.load_state_dict(state["module"])
                load_tables(self.prior, state)
                self.average.load(state["average"])
                self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
        if compiled:
            compile_prior(self.prior)

    def begin(self) -> None:
        """Give all processes the same weights."""
        copy_from_first([*self.prior.state_dict().values(), *self.average.values.values()])

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
            "tables": stored_tables(self.prior),
        }
        save_state(self.run / PRIOR_CHECKPOINT, state)

    def load(self, step: int) -> Tensor:
        """Return the signals of a step, or the part of them that this process computes."""
        size = self.schedule.batch_size
        _, generator = step_seed([self.trained.seed, 1, step])
        return self.dataset.signals(size, generator, own_part(size))

    def train_step(self) -> dict[str, float]:
        """Make one step and return its terms: mean bits per index, and the gradient's length."""
        seed, _ = step_seed([self.trained.seed, 1, self.step])
        torch.manual_seed(seed)
        quantizer = self.autoencoder.quantizer
        rate = quantizer.sample_rates(self.schedule.batch_size)
        rate = rate[own_part(self.schedule.batch_size)].to(self.device)
        signal = self.loader(self.step).to(self.device)
        indices = self.autoencoder.indices_of(signal, rate)
        for group in self.optimizer.param_groups:
            factor = self.schedule.learning_rate_factor(self.step)
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
        norm = nn.utils.clip_grad_norm_(self.prior.parameters(), limit)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.step += 1
        self.average.update(self.prior, self.step)
        return {"bits_per_index": float(loss.detach()), f"{GRADIENT}prior": float(norm)}

    def run_to(self, steps: int | None) -> None:
        """Train as `TrainingLoop.run_to` says, count tables, and draw the curves of the log."""
        super().run_to(steps)
        if process_rank() > 0:
            return
        if self.prior.counts_tables:
            self.log.note("the frequencies of the prior's tables are counted in training excerpts")
            self.prior.tables |= count_tables(load_run(self.run), self.dataset)
            self.save()
        if self.log.path.exists():
            write_curves(self.log.path)
