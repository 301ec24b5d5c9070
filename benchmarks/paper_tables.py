"""The tables of docs/PAPER.md and docs/QUANTIZERS.md."""

from __future__ import annotations

from idea_tables import SPOKEN_AS
from paper_claims import CLAIMS, NOT_MEASURED
from table_text import Results, markdown, number, origin, percentage

QUANTIZER_NAMES = {
    "codebook": "one codebook, 512",
    "residual": "residual, 4 x 128",
    "scalar": "finite scalar, 7 · 5 · 5 · 3",
    "lattice": "lattice, 16 channels",
}


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
