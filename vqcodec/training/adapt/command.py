"""`vqcodec train adapt`: a model, a folder, some minutes -> a fitted model and what it gained."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import torch

from vqcodec.codec.model import Model
from vqcodec.codec.model_file import ModelFile
from vqcodec.codec.zoo import read_named_file
from vqcodec.errors import UsageError
from vqcodec.files import find_files
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.precision import lay_channels_last
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.signals.files import check_file
from vqcodec.training.adapt.budget import Budget, Clock
from vqcodec.training.adapt.domain import Domain, split_domain
from vqcodec.training.adapt.fitting import Fitted, fit
from vqcodec.training.adapt.interruption import Interruption
from vqcodec.training.adapt.judging import Judged, gap_percent, judge
from vqcodec.training.adapt.model import model_of, with_networks, with_prior
from vqcodec.training.adapt.networks import DecoderFitting, JointFitting
from vqcodec.training.adapt.prior import PriorFitting
from vqcodec.training.inputs import InputReader
from vqcodec.training.modality import training_side
from vqcodec.training.recipe import ObjectiveConfig, Recipe, parse_recipe
from vqcodec.training.start import module_of_file

Part = Literal["both", "prior", "decoder", "all"]
QUALITIES = (1.0, 4.0, 7.0, 10.0)
FIRST_SHARE = 0.5  # of the time, for the prior; the decoder has the rest
JOINT_SHARE = 0.75  # of the time; the prior alone has the rest
LEAST_GAIN_PERCENT = 0.5  # of bytes at equal quality; a model of one's own is not worth less
LEAST_GAIN_DB = 0.02  # about as much, for a decoder of a single rate: its bytes are the same

# Takes the name of the part, the share of its time that is done, and the change of the held-out
# figure in per cent.
Report = Callable[[str, float, float], None]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Adapted:
    """A fitted model and how it does on files that nothing was fitted or stopped by.

    Attributes:
        file: the fitted model, not yet written.
        base: the model that it started from.
        domain: the files.
        distortion: its name in the objective of the base's recipe.
        fits: what was done, by the name of the part.
        before: records of the base.
        after: records of the fitted model.
        gap_percent: bytes of the fitted model against the base at equal quality; below 0 it
            gained; NaN if they cannot be compared.
        seconds: of the fitting.
    """

    file: ModelFile
    base: ModelFile
    domain: Domain
    distortion: str
    fits: dict[str, Fitted]
    before: list[Judged]
    after: list[Judged]
    gap_percent: float
    seconds: float

    @property
    def gained(self) -> bool:
        """Whether the fitted model is better by the least gain."""
        if self._is_judged_by_quality:
            return self._gain_db >= LEAST_GAIN_DB
        return self.gap_percent <= -LEAST_GAIN_PERCENT  # never of NaN

    @property
    def measured(self) -> str:
        """What `gained` is decided by, as a part of a sentence."""
        if self._is_judged_by_quality:
            return f"quality {self._gain_db:+.3f} dB, needed {LEAST_GAIN_DB:+} dB or more"
        if math.isnan(self.gap_percent):
            return "bytes at equal quality cannot be compared"
        needed = f"{-LEAST_GAIN_PERCENT:+} % or less"
        return f"bytes at equal quality {self.gap_percent:+.2f} %, needed {needed}"

    @property
    def _is_judged_by_quality(self) -> bool:
        """Whether the same streams at a single rate are decoded: no bytes can be saved."""
        is_same_stream = self.file.fingerprint == self.base.fingerprint
        return is_same_stream and len({record.quality for record in self.before}) == 1

    @property
    def _gain_db(self) -> float:
        before, after = (fmean(r.quality_db for r in each) for each in (self.before, self.after))
        return after - before

    def card(self) -> dict[str, Any]:
        """Return the card of the fitted model: that of the base, and what was done."""
        changed = {
            "adapted_from": f"{self.base.name} {self.base.fingerprint}",
            "adapted_parts": sorted(self.fits),
            "adapted_minutes": round(self.seconds / 60, 2),
            "adapted_gain_percent": round(-self.gap_percent, 2),
            "num_training_files": len(self.domain.train),
            "num_held_out_files": len(self.domain.stopping) + len(self.domain.judged),
            "torch": torch.__version__,
        }
        return {**self.base.card, **changed}


def adapt_model(
    *,
    data: Sequence[Path],
    model: str,
    part: Part,
    minutes: float,
    seed: int = 0,
    skip_bad: bool = False,
    report: Report = lambda *_: None,
    clock: Clock = time.monotonic,
    interruption: Interruption | None = None,
) -> Adapted:
    """Fit a part of a model to files and return it with its figures; nothing is written.

    Args:
        data: files and folders.
        model: name, fingerprint or path.
        part: "both": the prior, then the decoder. "prior": it alone. "decoder": it alone, and the
            fingerprint stays. "all": networks, quantizer and prior together.
        minutes: the most that the fitting may take; the measurement at the end comes on top.
        seed: of the split and all random choices.
        skip_bad: go on without the files that cannot be read. All are read before the fitting.
        report: is told of the progress.
        clock: gives the seconds that count.
        interruption: handles Ctrl-C; by default, only a fitting is ended by it.

    Raises:
        UsageError: there are too few files, or the model cannot be fitted in this way.
        InputError: a file cannot be read.
        MissingModelError: there is no such model.
        ModelFileError: the model is damaged.
        KeyboardInterrupt: Ctrl-C, before there are weights to keep, or for the second time.
    """
    interruption = interruption or Interruption()
    file = read_named_file(model)
    module = module_of_file(file)
    lay_channels_last(module)
    autoencoder, prior = module["autoencoder"], dict(module.items()).get("prior")
    assert isinstance(autoencoder, Autoencoder)
    recipe = None if part == "prior" else _recipe_of(file)
    distortion = _distortion_of(file)
    suffixes = training_side(autoencoder.modality).suffixes
    reader = InputReader()
    files = list(reader.read_each(find_files(data, suffixes), check_file))
    reader.conclude(skip_bad=skip_bad)
    domain = split_domain(files, seed)
    budget = Budget(60 * minutes, clock)
    base = model_of(file)
    fits: dict[str, Fitted] = {}
    fitted = file
    if part != "decoder":
        assert prior is None or isinstance(prior, PriorNetwork)
        if prior is None:
            raise UsageError(f"{file.name}: its prior is not learnt, so it cannot be fitted")
        if part == "all":
            assert recipe is not None
            with interruption.ends_block():
                fits["all"] = _fit_jointly(
                    autoencoder, prior, recipe, domain, budget, seed, report, interruption
                )
            fitted = with_networks(fitted, autoencoder, ("encoder.", "decoder.", "quantizer."))
            fitted = with_prior(fitted, prior, autoencoder)
        if not interruption.asked:
            left = budget.part(FIRST_SHARE if part == "both" else 1.0)
            with interruption.ends_block():
                fits["prior"] = _fit_prior(
                    model_of(fitted), autoencoder, prior, domain, left, seed, report, interruption
                )
            if _improved(fits, "prior"):  # else a thawed prior is not quite the frozen one
                fitted = with_prior(fitted, prior, autoencoder)
    if part in ("both", "decoder") and not interruption.asked:
        assert recipe is not None
        with interruption.ends_block():
            fitting = DecoderFitting(autoencoder, recipe, domain.train, domain.stopping, seed)
            told = _named(report, "decoder")
            fits["decoder"] = fit(fitting, budget.part(1.0), seed, told, interruption)
        if _improved(fits, "decoder"):
            fitted = with_networks(fitted, autoencoder, ("decoder.",))
    seconds = budget.elapsed_s
    new = model_of(fitted)
    before, after = (_records(each, domain, distortion) for each in (base, new))
    return Adapted(
        file=fitted,
        base=file,
        domain=domain,
        distortion=distortion,
        fits=fits,
        before=before,
        after=after,
        gap_percent=gap_percent(before, after),
        seconds=seconds,
    )


def _fit_prior(
    model: Model,
    autoencoder: Autoencoder,
    prior: PriorNetwork,
    domain: Domain,
    budget: Budget,
    seed: int,
    report: Report,
    interruption: Interruption,
) -> Fitted:
    """Fit a prior to the indices of a model."""
    fitting = PriorFitting(
        prior, model.parts, autoencoder.quantizer, domain.train, domain.stopping, budget, seed
    )
    return fit(fitting, budget.part(1.0), seed, _named(report, "prior"), interruption)


def _fit_jointly(
    autoencoder: Autoencoder,
    prior: PriorNetwork,
    recipe: Recipe,
    domain: Domain,
    budget: Budget,
    seed: int,
    report: Report,
    interruption: Interruption,
) -> Fitted:
    """Fit networks, quantizer and prior together."""
    fitting = JointFitting(autoencoder, prior, recipe, domain.train, domain.stopping, seed)
    return fit(fitting, budget.part(JOINT_SHARE), seed, _named(report, "all"), interruption)


def _records(model: Model, domain: Domain, distortion: str) -> list[Judged]:
    rates = {model.rate_of(quality): quality for quality in QUALITIES}
    return list(judge(model, domain.judged, list(rates.values()), model.parts.modality, distortion))


def _improved(fits: dict[str, Fitted], part: str) -> bool:
    """Return whether a part was fitted, before any Ctrl-C, and has other weights than at first."""
    return part in fits and fits[part].improved


def _named(report: Report, name: str) -> Callable[[float, float, float], None]:
    return lambda share, figure, first: report(name, share, 100 * (figure / first - 1))


def _recipe_of(file: ModelFile) -> Recipe:
    """Return the recipe in a model's card.

    Raises:
        UsageError: the card holds none.
        ConfigError: it is not valid.
    """
    text = file.card.get("recipe")
    if not isinstance(text, str):
        raise UsageError(f"{file.name}: its card has no recipe, which says what to minimise")
    return parse_recipe(text)


def _distortion_of(file: ModelFile) -> str:
    """Return the name of the distortion in the recipe of a model's card; without one, the usual."""
    if "recipe" not in file.card:
        return ObjectiveConfig().distortion
    return _recipe_of(file).objective.distortion
