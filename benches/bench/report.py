"""Results for reading: tables of ratios with their spread. Knows the results' JSON and nothing of how it came about."""

import statistics

from . import aims
from .ratio import cost, middle, ratios


def markdown(results: dict) -> str:
    machine = results["machine"]
    mode = "quick mode: for a look, not for a claim" if results["quick"] else "full mode"
    parts = [
        "# Results",
        f"{results['date']}, {machine['cores']} cores of {machine['processor']}, {machine['system']}, {mode}: "
        f"median of {results['rounds']} rounds of {results['seconds']} s, {results.get('minutes', 0):g} minutes in all. How it is measured: [README](README.md). Only ratios count: "
        "CPU time of Forebay for each unit of work, divided by the peer's in the same round; less than 1 is better.",
        "Peers: " + "; ".join(f"{name}: {words}" for name, words in results["versions"].items()) + ".",
    ]
    parts += ["## What Forebay holds itself to", "\n".join(aims.table(results))]
    for row in results["rows"]:
        parts += [f"## {row['title']}", *(_row(row))]
    for section in results["sections"]:
        parts += [f"## {section['title']}", section["text"]]
    return "\n\n".join(parts) + "\n"


def _row(row: dict) -> list[str]:
    lines = [
        f"| {'cell'} | proxy | µs CPU/{row['unit']} | user | system | {row['unit']}s/s | p50 ms | p99 ms | RSS MiB | forebay's share | spread |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in row["cells"]:
        ours = cell["samples"].get("forebay", [])
        for name, samples in cell["samples"].items():
            if not samples:
                continue
            share = spread = ""
            if name != "forebay" and ours:
                found = ratios(ours, samples)
                share, spread = f"**{statistics.median(found):.2f}**", f"{found[0]:.2f} to {found[-1]:.2f}"
            lines.append(
                f"| {cell['title']} | {name} | {middle(samples, cost):.1f} | {middle(samples, lambda s: s['user_us']):.1f} "
                f"| {middle(samples, lambda s: s['system_us']):.1f} | {middle(samples, lambda s: s['rate']):,.0f} "
                f"| {_latency(samples, 'p50_us')} | {_latency(samples, 'p99_us')} "
                f"| {middle(samples, lambda s: s['rss_kib']) / 1024:.0f} | {share} | {spread} |"
            )
    notes = [f"{name} is missing: {why}." for name, why in row["missing"].items()]
    notes += [f"{cell['title']}, {name}: {why}." for cell in row["cells"] for name, why in cell["failed"].items()]
    return ["\n".join(lines), *notes]


def _latency(samples: list[dict], name: str) -> str:
    return f"{middle(samples, lambda sample: sample[name]) / 1e3:.2f}" if all(name in sample for sample in samples) else ""
