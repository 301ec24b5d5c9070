"""Tables of seconds and memory, for the documents."""

from __future__ import annotations

from table_text import Results, markdown, number, origin, percentage

EFFORT_COLUMNS = ("bits per pixel", "psnr_db", "a picture")


def speed_table(results: Results) -> str:
    """Return the seconds of both ways."""
    result = results.get("speed")
    if result is None:
        return ""
    works = result["seconds"]
    stages = list(next(iter(works.values())))
    rows = [[stage, *(f"{works[work][stage]:.3f}" for work in works)] for stage in stages]
    return markdown(["seconds", *works], rows) + origin(result)


def commands_table(results: Results) -> str:
    """Return the seconds and the memory of whole commands, and the origin of the figures."""
    table = commands_summary_table(results)
    return table and table + origin(results["commands"])


def commands_summary_table(results: Results) -> str:
    """Return the seconds and the memory of whole commands."""
    result = results.get("commands")
    if result is None:
        return ""
    rows = [
        [command, f"{runs['this']['seconds']:.2f} s", f"{runs['this']['peak_bytes'] / 1e6:.0f} MB"]
        for command, runs in result["commands"].items()
    ]
    return markdown(["command", "time", "peak memory"], rows)


def stages_table(results: Results) -> str:
    """Return seconds by stage, size and cores."""
    result = results.get("stages")
    if result is None:
        return ""
    stages = list(result["stages"])
    rows = [
        [
            work["file"],
            str(work["cores"]),
            work["way"],
            *(number(work["seconds"].get(stage)) for stage in stages),
        ]
        for work in result["works"]
    ]
    return markdown(["file", "cores", "", *stages], rows) + origin(result)


def memory_table(results: Results) -> str:
    """Return the memory and the time of large files."""
    result = results.get("memory")
    if result is None:
        return ""
    rows = [
        [
            work,
            way,
            f"{figures['peak_bytes'] / 1e6:.0f} MB",
            f"{figures['seconds']:.0f} s",
            f"{figures['times_real_time']:.0f} times" if "times_real_time" in figures else "-",
        ]
        for work, ways in result["works"].items()
        for way, figures in ways.items()
    ]
    return markdown(["file", "", "peak memory", "seconds", "real time"], rows) + origin(result)


def training_steps_table(results: Results) -> str:
    """Return the seconds and the arithmetic of a step, for networks of several sizes."""
    result = results.get("training_steps")
    if result is None:
        return ""
    rows = [
        [
            f"{step['dim']} latents, {step['units']} units a stage",
            f"{step['step_s']:.3f} s",
            f"{step['gflop']:.0f} GFLOP",
            f"{step['gflop'] / step['step_s']:.0f} GFLOP/s",
        ]
        for step in result["steps"]
    ]
    rate = f"{result['convolution_gflops']:.0f} GFLOP/s"
    summary = f"Medians of {result['n']} steps. Convolutions of this core reach {rate}.\n\n"
    return summary + markdown(["networks", "a step", "arithmetic", "rate"], rows) + origin(result)


def effort_table(results: Results) -> str:
    """Return what refined pictures save, and the time that they take."""
    result = results.get("effort")
    if result is None:
        return ""
    rows = [
        [
            f"{usual['quality']:g}",
            *(f"{each['bits_per_pixel']:.3f}" for each in (usual, refined)),
            *(f"{each['psnr_db']:.2f}" for each in (usual, refined)),
            *(f"{each['seconds']:.1f} s" for each in (usual, refined)),
        ]
        for usual, refined in zip(*result["points"].values(), strict=True)
    ]
    header = ["quality", *(f"{name}{way}" for name in EFFORT_COLUMNS for way in ("", ", refined"))]
    gap = percentage(result["bd_rate_percent"])
    model = f"{result['model']['name']} {result['model']['fingerprint']}"
    summary = f"BD-rate of {result['steps']} steps: {gap}, {result['n']} files; model {model}.\n\n"
    return summary + markdown(header, rows) + origin(result)


def seams_table(results: Results) -> str:
    """Return the jumps of errors across the tiles of a large picture and elsewhere."""
    result = results.get("seams")
    if result is None:
        return ""
    rows = [
        [
            kind,
            str(found["lines"]),
            f"{found['mean']:.3f}",
            f"{found['standard_error']:.3f}",
        ]
        for kind, found in result["jumps"].items()
    ]
    header = ["across", "lines", "mean jump of the error", "standard error"]
    return markdown(header, rows) + origin(result)
