"""The claims of the VQ-VAE paper, and which figures here stand beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from table_text import Result, number, percentage

NOT_MEASURED = "not measured yet"
PICTURES, VOICES = "paper-pictures", "paper-voices"


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
        "32 x 32 crops of photographs, not CIFAR-10; a quarter of the width, 4,000 steps of 32 "
        "pictures in place of 250,000 of 128; no continuous VAE was trained",
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
        "the decoder takes a recording in place of a number; the encoder hears disguised voices; "
        "pitch and long-term spectrum are matched after decoding",
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
