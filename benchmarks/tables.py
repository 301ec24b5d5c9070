"""Tables of results, for the documents."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from adapting_tables import adapted_points_table, adapted_table, language_model_table
from idea_tables import (
    ablation_table,
    designs_table,
    sound_priors_table,
    speakers_table,
    tones_table,
)
from paper_tables import (
    bits_per_dim_table,
    claims_table,
    conversion_table,
    quantizers_table,
    shapes_table,
)
from speed_tables import (
    commands_summary_table,
    commands_table,
    effort_table,
    memory_table,
    seams_table,
    speed_table,
    stages_table,
    training_steps_table,
)
from table_text import Result, Results, Row, markdown, number, origin, percentage

from vqcodec.codec.zoo import ModelCard

CODECS = {
    "jpeg": "JPEG",
    "webp": "WebP",
    "avif": "AVIF",
    "jxl": "JPEG XL",
    "opus": "Opus",
    "mp3": "MP3",
    "aac": "AAC",
    "vorbis": "Vorbis",
    "codec2": "Codec 2",
}
SUMMARY = {  # result: kind of files, metrics
    "pictures": ("pictures", {"psnr_db": "PSNR"}),
    "pictures-image-msssim": ("pictures", {"ms_ssim_db": "MS-SSIM"}),
    "voices": ("voices", {"pesq_wb": "PESQ-WB", "stoi": "STOI"}),
    "sounds-audio": ("sounds", {"visqol_audio": "ViSQOL audio"}),
}


def samples_table(results: Results) -> str:
    """Return the results of `make demo` on the bundled samples."""
    if "demo" not in results:
        return ""
    return markdown(results["demo"]["header"], results["demo"]["rows"])


def summary_table(results: Results) -> str:
    """Return the BD-rates of the shipped models, in the metrics that they are trained for."""
    rows: list[Row] = []
    for name, (files, metrics) in SUMMARY.items():
        result = results.get(name, {"gaps": ()})
        rows += [
            [
                result["model"]["name"],
                CODECS[gap["against"]],
                metrics[gap["metric"]],
                percentage(gap["bd_rate_percent"]),
                f"{result['n']} {files}",
            ]
            for gap in result["gaps"]
            if gap["metric"] in metrics and gap["bd_rate_percent"] is not None
        ]
    return markdown(["model", "against", "at equal", "BD-rate", "files"], rows) if rows else ""


def rate_table(name: str) -> Callable[[Results], str]:
    """Return a function that shows the mean records of a rate-distortion result."""

    def table(results: Results) -> str:
        result = results.get(name)
        if result is None:
            return ""
        pictures = result["means"][0]["bits_per_pixel"] is not None
        unit = "bits_per_pixel" if pictures else "bits_per_second"
        metrics = list(result["means"][0]["metrics"])
        rows = [
            [
                CODECS.get(mean["codec"], mean["codec"]),
                f"{mean['quality']:g}",
                f"{mean['size_bytes']:.0f}",
                f"{mean[unit]:.3f}" if pictures else f"{mean[unit]:.0f}",
                *(number(mean["metrics"].get(metric)) for metric in metrics),
            ]
            for mean in result["means"]
        ]
        header = ["codec", "quality", "bytes", unit.replace("_", " "), *metrics]
        model = result["model"]
        count = f"Means over {result['n']} files; model {model['name']} {model['fingerprint']}"
        if "minutes" in result:
            count += f"; measured in {result['minutes']:.1f} minutes"
        return count + ".\n\n" + markdown(header, rows) + origin(result)

    return table


def gaps_table(name: str) -> Callable[[Results], str]:
    """Return a function that shows the bytes that a model saves against other codecs."""

    def table(results: Results) -> str:
        result = results.get(name)
        if result is None or not result["gaps"]:
            return ""
        rows = [
            [
                CODECS[gap["against"]],
                gap["metric"],
                percentage(gap["bd_rate_percent"]),
                percentage(100 * gap["bytes_saved"]) if "bytes_saved" in gap else "-",
                _range(gap) if "range_db" in gap else "-",
            ]
            for gap in result["gaps"]
        ]
        return markdown(["against", "at equal", "BD-rate", "bytes saved", "between"], rows)

    return table


def published_table(results: Results) -> str:
    """Return the differences of other codecs' curves to published points of the same pictures."""
    result = results.get("published")
    if result is None:
        return ""
    rows = [
        [
            CODECS[comparison["codec"]],
            comparison["settings"],
            str(len(comparison["points"])),
            f"{100 * comparison['largest_rate_difference']:+.2f} %",
            f"{100 * comparison['largest_psnr_difference']:+.2f} %",
        ]
        for comparison in result["comparisons"]
    ]
    header = ["codec", "settings", "points", "bits per pixel", "psnr_db"]
    return markdown(header, rows) + origin(result)


def priors_table(results: Results) -> str:
    """Return bits per index of the priors of all runs."""
    found = {
        name.removeprefix("prior_"): result
        for name, result in sorted(results.items())
        if name.startswith("prior_")
    }
    if not found:
        return ""
    rows = []
    for name, result in found.items():
        bits, ratio = result["bits_per_index"], result.get("ratio", {})
        rows.append([
            name,
            str(result["n"]),
            str(result["steps"]),
            *(number(bits.get(kind)) for kind in ("uniform", "histogram", "float", "integer")),
            percentage(100 * result["saved"]),
            "-" if result["integer_excess"] is None else f"{100 * result['integer_excess']:+.2f} %",
            "-" if not ratio else f"{ratio['uniform']:.1f} → {ratio['integer']:.1f}",
        ])  # fmt: skip
    header = ["run", "n", "steps", "fixed width", "histogram", "float", "integer", "saved",
              "integer above float", "times smaller"]  # fmt: skip
    return markdown(header, rows) + origin(*found.values())


def phones_table(results: Results, name: str = "phones") -> str:
    """Return how well indices predict phones."""
    result = results.get(name)
    if result is None:
        return ""
    rows = [
        [
            kind,
            str(scores["num_phones"]),
            str(scores["num_positions"]),
            *(
                percentage(100 * scores[share])
                for share in ("chance", "accuracy", "accuracy_of_votes")
            ),
            f"{scores['information_bits']:.2f} of {scores['entropy_bits']:.2f}",
        ]
        for kind, scores in result["scores"].items()
    ]
    rows += [
        [
            f"128 values of 40 ms, {kind}",
            str(scores["num_phones"]),
            str(scores["num_positions"]),
            *(percentage(100 * scores[share]) for share in ("chance", "accuracy")),
            "-",
            f"{scores['information_bits']:.2f} of {scores['entropy_bits']:.2f}",
        ]
        for kind, scores in result.get("windows", {}).items()
    ]
    header = ["positions", "phones", "n", "chance", "one index",
              f"{result['num_voters']} indices", "bits of the phone in one index"]  # fmt: skip
    model = result["model"]
    count = (
        f"Learnt from {result['num_training_files']} files, scored on {result['n']}; "
        f"model {model['name']} {model['fingerprint']}.\n\n"
    )
    return count + markdown(header, rows) + origin(result)


def model_table(card: ModelCard, results: Results) -> str:
    """Return the facts of a model file, and its measurements."""
    facts: dict[str, object] = {
        "fingerprint": card.fingerprint,
        "file": f"`{card.path.name}`, {card.size_bytes / 1e6:.1f} MB",
        **{key: value for key, value in card.summary.items() if key != "recipe"},
    }
    prior = results.get(f"prior_{card.name}")
    if prior:
        facts |= {
            "hours of training": prior["hours"],
            "codebook usage, mean": f"{100 * prior['usage']:.1f} % of the entries",
            "codebook perplexity, mean": prior["perplexity"],
            "bits per index, fixed width and coded": [
                prior["bits_per_index"][kind] for kind in ("uniform", "integer")
            ],
        }
    usual = {"image": "pictures", "audio": "voices"}[card.modality]
    names = (f"{usual}-{card.name}", f"sounds-{card.name}", f"paper-{usual}", usual)
    candidates = [results[name]["means"] for name in names if name in results]
    of_model = ([mean for mean in means if mean["codec"] == card.name] for means in candidates)
    own = next(filter(None, of_model), [])
    if own:
        for mean in (own[0], own[len(own) // 2], own[-1]):
            facts[f"scores at quality {mean['quality']:g}"] = _scores(mean)
    rows = [[key.replace("_", " "), _fact(value)] for key, value in facts.items()]
    return markdown(["", card.name], rows).replace("---:", "---")


TABLES: dict[str, Callable[[Results], str]] = {
    "samples": samples_table,
    "summary": summary_table,
    "pictures": rate_table("pictures"),
    "picture gaps": gaps_table("pictures"),
    "structure": rate_table("pictures-image-msssim"),
    "structure gaps": gaps_table("pictures-image-msssim"),
    "published": published_table,
    "voices": rate_table("voices"),
    "voice gaps": gaps_table("voices"),
    "sounds": rate_table("sounds-audio"),
    "sound gaps": gaps_table("sounds-audio"),
    "paper pictures": rate_table("paper-pictures"),
    "paper voices": rate_table("paper-voices"),
    "phones": phones_table,
    "phones of tokens": functools.partial(phones_table, name="phones-tokens"),
    "claims": claims_table,
    "bits per dimension": bits_per_dim_table,
    "shapes of priors": shapes_table,
    "conversion": conversion_table,
    "tokens": rate_table("voices-speech-tokens"),
    "quantizers": quantizers_table,
    "ablation of pictures": ablation_table("ablation_pictures"),
    "ablation of voices": ablation_table("ablation_voices"),
    "speakers": speakers_table,
    "designs of sounds": designs_table,
    "priors of sounds": sound_priors_table,
    "steady tones": tones_table,
    "adapted": adapted_table,
    "adapted points": adapted_points_table,
    "token language model": language_model_table,
    "priors": priors_table,
    "commands": commands_table,
    "summary of commands": commands_summary_table,
    "speed": speed_table,
    "stages": stages_table,
    "memory": memory_table,
    "seams": seams_table,
    "effort": effort_table,
    "training steps": training_steps_table,
}


def _scores(mean: Result) -> str:
    """Return the rate and the metrics of a mean record."""
    pixels = mean["bits_per_pixel"]
    rate = f"{mean['bits_per_second']:.0f} bit/s" if pixels is None else f"{pixels:.3f} bit/pixel"
    return f"{rate}, {_fact(mean['metrics'])}"


def _range(gap: Result) -> str:
    low, high = gap["range_db"]
    return f"{low:.3g} … {high:.3g} dB"


def _fact(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {_fact(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_fact, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
