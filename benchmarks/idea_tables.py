"""Tables of the gains of ideas: steps of an ablation, designs, and decoding as another speaker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from table_text import Results, markdown, origin, percentage

SPOKEN_AS = {
    "original": "not coded",
    "nobody": "nobody in particular",
    "itself": "the source",
    "target": "the target",
}


def ablation_table(name: str) -> Callable[[Results], str]:
    """Return a function that shows the gain of each step of an ablation."""

    def table(results: Results) -> str:
        result = results.get(name)
        if result is None:
            return ""
        rows = []
        for step in result["steps"]:
            points = zip(step["rates"], step["values"], strict=True)
            curve = ", ".join(f"{value:.4g} at {rate:.4g}" for rate, value in points)
            gaps = (percentage(step[key]) for key in ("to_previous", "to_first"))
            rows.append([step["step"], *gaps, curve])
        header = ["step", "BD-rate to the one before", "to the first"]
        header.append(f"{result['metric']} at rate")
        return markdown(header, rows) + origin(result)

    return table


def tones_table(results: Results) -> str:
    """Return how much steady partials fluctuate after coding."""
    result = results.get("steady_tones")
    if result is None:
        return ""
    rows = [
        [
            "Opus" if mean["codec"] == "opus" else mean["codec"],
            f"{mean['quality']:g}",
            f"{mean['bits_per_second']:.0f}",
            f"{100 * mean['fluctuation']:.1f} %",
        ]
        for mean in result["means"]
    ]
    header = ["codec", "quality", "bits per second", "fluctuation of a partial"]
    return markdown(header, rows) + origin(result)


def designs_table(results: Results) -> str:
    """Return the scores of the designs of `benchmarks/sound_designs.py`."""
    result = results.get("sound_designs")
    if result is None:
        return ""
    usual, *others = result["designs"]
    scores = {
        "lsd_db": "log-spectral distance, dB",
        "nmr_db": "noise to mask, dB",
        "visqol_audio": "ViSQOL audio",
        "pre_echo_db": "before attacks, dB",
    }
    rows = [["as `audio`", *(_scores(usual[key]) for key in scores)]]
    for design in others:
        changes = [
            f"{key} {value:g}"
            for key, value in design.items()
            if key not in scores and value != usual[key]
        ]
        rows.append([", ".join(changes), *(_scores(design[key]) for key in scores)])
    *lower, highest = (f"{rate:g}" for rate in result["rates_kbps"])
    rates = f"{', '.join(lower)} and {highest}"
    count = f"Means over {result['num_files']} sounds, at {rates} kbit/s.\n\n"
    return count + markdown(["design", *scores.values()], rows) + origin(result)


def _scores(values: Sequence[float | None]) -> str:
    return ", ".join("-" if value is None else f"{value:.2f}" for value in values)


def sound_priors_table(results: Results) -> str:
    """Return the bits of priors of different kinds for sounds."""
    result = results.get("sound_priors")
    if result is None:
        return ""
    rates = ", ".join(map(str, result["rate_bytes"]))
    first = result["priors"][0]["bits"]
    rows = [
        [
            prior["name"],
            f"{prior['weights'] / 1e6:.1f} million",
            str(prior["steps"]),
            ", ".join(f"{bits:.3f}" for bits in prior["bits"]),
            ", ".join(
                percentage(100 * (bits / least - 1))
                for bits, least in zip(prior["bits"], first, strict=True)
            ),
        ]
        for prior in result["priors"]
    ]
    summary = (
        f"{result['seconds']:.0f} s of processor time each; {result['n']} held-out files, "
        f"at the rate bytes {rates}.\n\n"
    )
    header = ["prior", "weights", "steps", "bits an index", "against the first"]
    return summary + markdown(header, rows) + origin(result)


def speakers_table(results: Results) -> str:
    """Return the similarity of a decoded voice to source and target, by chosen speaker."""
    result = results.get("speakers")
    if result is None:
        return ""
    rows = []
    for number, work in enumerate(result["works"]):
        for spoken_as, scores in work["spoken_as"].items():
            if spoken_as == "original" and number:
                continue  # is the same at every rate
            rate = "-" if spoken_as == "original" else f"{work['bits_per_second']:.0f}"
            similarities = (f"{scores[key]:.3f}" for key in ("to_source", "to_target"))
            nearer, heard = percentage(100 * scores["nearer"]), f"{scores['stoi']:.3f}"
            rows.append([rate, SPOKEN_AS[spoken_as], *similarities, nearer, heard])
    header = ["bits per second", "spoken as", "similarity to source", "to target"]
    header += ["nearer to the target", "STOI"]
    first = result["works"][0]
    name = f"{result['model']['name']} {result['model']['fingerprint']}"
    count = f"Means over {first['pairs']} pairs of {first['n']} speakers; model {name}.\n\n"
    return count + markdown(header, rows) + origin(result)
