"""The tables of docs/PAPER.md and docs/QUANTIZERS.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from idea_tables import SPOKEN_AS
from table_text import Result, Results, markdown, number, origin, percentage

NOT_MEASURED = "not measured yet"
PICTURES, VOICES, TOKENS = "paper-pictures", "paper-voices", "tokens-voices"
QUANTIZER_NAMES = {
    "codebook": "one codebook, 512",
    "residual": "residual, 4 x 128",
    "scalar": "finite scalar, 7 · 5 · 5 · 3",
    "lattice": "lattice, 16 channels",
}


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, and what is measured here.

    Attributes:
        text: the claim, with the section or the figure.
        theirs: the paper's figure.
        result: name of the result that has ours; None if there is none.
        ours: our figure, of the result.
        differs: what differs, and why.
    """

    text: str
    theirs: str
    result: str | None
    ours: Callable[[Result], str]
    differs: str


def _mean(result: Result) -> Result:
    found: Result = result["means"][0]
    return found


def _prior(result: Result) -> str:
    bits = result["bits_per_index"]
    return (
        f"{number(bits['integer'])} of {number(bits['uniform'])} bits an index, "
        f"{percentage(100 * result['saved'])} saved"
    )


def _ratio(result: Result) -> str:
    return f"{result['ratio']['uniform']:.1f} times, {result['ratio']['integer']:.1f} coded"


def _usage(result: Result) -> str:
    return (
        f"{percentage(100 * result['usage'])} of the entries, perplexity {result['perplexity']:.0f}"
    )


def _picture_quality(result: Result) -> str:
    mean = _mean(result)
    return f"{mean['metrics']['psnr_db']:.2f} dB at {mean['bits_per_pixel']:.3f} bit/pixel"


def _voice_quality(result: Result) -> str:
    mean = _mean(result)
    return f"STOI {mean['metrics']['stoi']:.3f} at {mean['bits_per_second']:.0f} bit/s"


def _bound(result: Result) -> str:
    return f"{result['bits_per_dim']['bound, uniform']:.2f} bits"


def _learnt_bound(result: Result) -> str:
    bits = result["bits_per_dim"].get("bound, learnt prior")
    return NOT_MEASURED if bits is None else f"{bits:.2f} bits"


def _nearer(result: Result) -> str:
    spoken = result["works"][0]["spoken_as"]
    text = f"nearer to the target in {percentage(100 * spoken['target']['nearer'])} of pairs"
    if "word_error" in spoken["target"]:
        ratio = spoken["target"]["word_error"] / max(1e-9, spoken["nobody"]["word_error"])
        text += f", {ratio:.2f} times the word errors"
    return text


def _phones(kind: str) -> Callable[[Result], str]:
    def text(result: Result) -> str:
        scores = result.get(kind, {}).get("without silence")
        if scores is None:
            return NOT_MEASURED
        right, chance = (percentage(100 * scores[key]) for key in ("accuracy", "chance"))
        return f"{right}, by chance {chance}"

    return text


NO_RESULT: Callable[[Result], str] = lambda _: NOT_MEASURED  # noqa: E731

CLAIMS = (
    Claim(
        "Discrete latents are nearly as good as continuous ones: bits a dimension, CIFAR-10 (4.1)",
        "4.67; continuous VAE 4.51",
        "bits_per_dim",
        _bound,
        "32 x 32 crops of photographs, not CIFAR-10; a quarter of the width, 900 steps in place of "
        "250,000; no continuous VAE was trained",
    ),
    Claim(
        "The prior and the networks could be trained jointly (4.2, left for later)",
        "-",
        "bits_per_dim",
        _learnt_bound,
        "the same, with a fitted prior; joint training is in [RESULTS.md](RESULTS.md)",
    ),
    Claim(
        "128 x 128 x 3 pictures become 32 x 32 indices of K = 512 (4.2)",
        "42.6 times",
        "prior_paper-image",
        _ratio,
        "the second figure is with the prior as an entropy coder",
    ),
    Claim(
        "Reconstructions are only slightly blurrier (4.2, figure 2)",
        "pictures",
        PICTURES,
        _picture_quality,
        "whole Kodak pictures; half the width, other pictures than ImageNet",
    ),
    Claim(
        "A learnt prior models the indices of pictures (4.2)",
        "PixelCNN; no figure",
        "prior_paper-image",
        _prior,
        "one layer of context in phases in place of PixelCNN, so that integers decode fast",
    ),
    Claim(
        "The codebook is used (3.2)",
        "no figure",
        "prior_paper-image",
        _usage,
        "dead entries are revived",
    ),
    Claim(
        "Samples show global structure (4.2, figures 3 and 4)",
        "pictures by class",
        None,
        NO_RESULT,
        "textures and places, no objects: [below](#samples). No labels, no DeepMind Lab",
    ),
    Claim(
        "A second VQ-VAE with a PixelCNN decoder codes a frame in 27 bits (4.2, figure 5)",
        "pictures",
        None,
        NO_RESULT,
        "not built: decoders here compute all pixels at once, so they cannot ignore their latents",
    ),
    Claim(
        "64 times fewer latents than samples keep the content of speech (4.3, figure 6)",
        "sounds",
        VOICES,
        _voice_quality,
        "a decoder that computes all samples at once, in place of WaveNet; LibriSpeech, not VCTK",
    ),
    Claim(
        "A learnt prior models the indices of speech (4.3)",
        "WaveNet; no figure",
        "prior_paper-audio",
        _prior,
        "a smaller network over 128 ms",
    ),
    Claim(
        "Samples contain clear words (4.3)",
        "sounds",
        None,
        NO_RESULT,
        "babble: two hours of speech in place of hundreds; [below](#samples)",
    ),
    Claim(
        "Indices of a speaker, decoded as another, have the other's voice (4.3): training speakers",
        "sounds",
        "conversion-training",
        _nearer,
        "the decoder takes a recording in place of a number; the encoder hears disguised voices",
    ),
    Claim(
        "The same with speakers who are in no training set",
        "not possible with numbers",
        "conversion-unseen",
        _nearer,
        "as above",
    ),
    Claim(
        "Indices predict phones (4.3): 128 values of 40 ms",
        "49.3 %, by chance 7.2 %",
        "phones",
        _phones("windows"),
        "clusters of the latents of ten indices in place of a model with such a grid; phones are "
        "from a recogniser, of other speakers than those that the map was learnt from",
    ),
    Claim(
        "The same: 512 values of 4 ms",
        "-",
        "phones",
        _phones("scores"),
        "a single index sees 12 ms",
    ),
    Claim(
        "Frames of video can be sampled from actions (4.4, figure 7)",
        "pictures",
        None,
        NO_RESULT,
        "not built: the codec has no video",
    ),
)


def claims_table(results: Results) -> str:
    """Return every claim of the paper beside what is measured here."""
    rows, used = [], {}
    for claim in CLAIMS:
        result = None if claim.result is None else results.get(claim.result)
        ours, count = "-" if claim.result is None else NOT_MEASURED, "-"
        if result is not None and claim.result is not None:
            ours = claim.ours(result)
            count = str(result.get("n") or result["works"][0]["pairs"])
            used[claim.result] = result
        rows.append([claim.text, claim.theirs, ours, count, claim.differs])
    header = ["claim", "paper", "here", "n", "what differs"]
    return markdown(header, rows) + (origin(*used.values()) if used else "")


def bits_per_dim_table(results: Results) -> str:
    """Return the parts of the bound, in bits per dimension."""
    result = results.get("bits_per_dim")
    if result is None:
        return ""
    bits = result["bits_per_dim"]
    rows = [
        [name.removeprefix("indices, "), f"{bits['values']:.3f}", f"{bits[name]:.3f}",
         f"{bits['values'] + bits[name]:.3f}"]
        for name in bits if name.startswith("indices, ")
    ]  # fmt: skip
    header = ["prior of the indices", "values given indices", "indices", "bound"]
    text = (
        f"Means over {result['n']} held-out crops; {result['steps']} steps, "
        f"{result['cpu_minutes']:.0f} minutes of one core; "
        f"{percentage(100 * bits['usage'])} of the entries used, "
        f"perplexity {bits['perplexity']:.0f}.\n\n"
    )
    return text + markdown(header, rows) + origin(result)


def shapes_table(results: Results) -> str:
    """Return bits, size and time of priors of several shapes."""
    result = results.get("shapes_of_priors")
    if result is None:
        return ""
    rows = [
        [
            *(str(shape[key]) for key in ("period", "kernel", "width", "embedding", "steps")),
            f"{shape['bits']:.3f}",
            f"{shape['bytes'] / 1e6:.1f} MB",
            f"{shape['code_cpu_s'] * 1000:.0f} ms",
        ]
        for shape in result["shapes"]
    ]
    header = ["period", "kernel", "width", "embedding", "steps", "bits an index", "size", "coding"]
    text = (
        f"{result['seconds']:.0f} s of processor time each, on indices of step "
        f"{result['run_steps']}; {result['n']} held-out crops of 32 x 32. "
        f"Fixed width {result['fixed_width']:.0f} bits, histogram {result['histogram']:.3f}.\n\n"
    )
    return text + markdown(header, rows) + origin(result)


def conversion_table(results: Results) -> str:
    """Return similarity and words of voices that were decoded as others."""
    rows, used = [], []
    for name, kind in (("conversion-training", "training"), ("conversion-unseen", "unseen")):
        result = results.get(name)
        if result is None:
            continue
        used.append(result)
        for work in result["works"]:
            for spoken_as, scores in work["spoken_as"].items():
                rows.append([
                    kind,
                    SPOKEN_AS[spoken_as],
                    *(f"{scores[key]:.3f}" for key in ("to_source", "to_target")),
                    percentage(100 * scores["nearer"]),
                    f"{scores['stoi']:.3f}",
                    percentage(100 * scores["word_error"]) if "word_error" in scores else "-",
                    str(work["pairs"]),
                ])  # fmt: skip
    if not used:
        return ""
    header = ["speakers", "spoken as", "similarity to source", "to target", "nearer to the target",
              "STOI", "wrong words", "pairs"]  # fmt: skip
    return markdown(header, rows) + origin(*used)


def quantizers_table(results: Results) -> str:
    """Return bits, errors and times of quantizers at equal networks."""
    result = results.get("quantizers")
    if result is None:
        return ""
    rows = []
    for name, found in result["quantizers"].items():
        for place, point in enumerate(found["points"]):
            bits = found["bits_per_index"]
            rows.append([
                QUANTIZER_NAMES[name] if not place else "",
                f"{point['quality']:g}",
                f"{point['bits_per_pixel']:.3f}",
                f"{point['psnr_db']:.2f}",
                *(f"{point[key]:.2f} s" for key in ("compress_cpu_s", "decompress_cpu_s")),
                f"{number(bits['uniform'])} → {number(bits['integer'])}" if not place else "",
                f"{found['cpu_minutes']:.0f} min" if not place else "",
            ])  # fmt: skip
    header = ["quantizer", "quality", "bits per pixel", "psnr_db", "compress", "decompress",
              "bits an index, fixed width and coded", "training"]  # fmt: skip
    return f"Means over {result['n']} pictures.\n\n" + markdown(header, rows) + origin(result)
