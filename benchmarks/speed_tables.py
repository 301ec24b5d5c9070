"""Tables of seconds and memory, as the documents have them."""

from __future__ import annotations

from collections import Counter

from table_text import Results, markdown, number, origin


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
    """Return the seconds and the memory of whole commands, and where they are from."""
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


def evaluation_table(results: Results) -> str:
    """Return how long an evaluation with all that it writes takes."""
    result = results.get("pictures-four")
    if result is None:
        return ""
    codecs = Counter(mean["codec"] for mean in result["means"])
    settings = ", ".join(f"{codec} at {count}" for codec, count in codecs.items())
    row = [str(result["n"]), settings, str(result["n"] * len(result["means"]))]
    header = ["pictures", "codecs and their settings", "records", "minutes"]
    return markdown(header, [[*row, f"{result['minutes']:.1f}"]]) + origin(result)


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
