"""The ratios as a picture: one bar for each cell and peer, in plain SVG. Knows the results' JSON only."""

import statistics
from html import escape

from .ratio import ratios

WIDTH, LABEL, BAR, GAP = 860, 330, 13, 5
COLOURS = {"envoy": "#ac6199", "haproxy": "#3b7fb5", "nginx": "#3f9a52", "relay": "#8a8a8a"}
MOST = 2.0


def svg(results: dict) -> str:
    """Forebay's CPU time for each unit as a share of each peer's: bars that end before the line at 1 are cheaper."""
    bars = []
    for row in results["rows"]:
        for cell in row["cells"]:
            ours = cell["samples"].get("forebay", [])
            for name, samples in cell["samples"].items():
                if name != "forebay" and ours and samples:
                    bars.append((f"{row['title']}, {cell['title']}", name, ratios(ours, samples)))
    scale = (WIDTH - LABEL - 60) / MOST
    height = 50 + len(bars) * (BAR + GAP)
    one = LABEL + scale
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LABEL}" y="16" font-weight="bold">Forebay\'s CPU time for each unit of work, as a share of the peer\'s</text>',
        f'<text x="{one}" y="32" text-anchor="middle">1</text>',
        f'<line x1="{one}" y1="36" x2="{one}" y2="{height - 8}" stroke="#333" stroke-dasharray="3 3"/>',
    ]
    before = ""
    for number, (title, name, found) in enumerate(bars):
        y = 40 + number * (BAR + GAP)
        value = statistics.median(found)
        length = min(value, MOST) * scale
        if title != before:
            out.append(f'<text x="{LABEL - 8}" y="{y + 10}" text-anchor="end">{escape(_short(title))}</text>')
            before = title
        out.append(f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{COLOURS.get(name, "#999")}"/>')
        low, high = (LABEL + min(end, MOST) * scale for end in (found[0], found[-1]))
        out.append(f'<line x1="{low:.1f}" y1="{y + BAR / 2}" x2="{high:.1f}" y2="{y + BAR / 2}" stroke="#222"/>')
        out.append(f'<text x="{max(LABEL + length, high) + 5:.1f}" y="{y + 10}">{value:.2f} of {escape(name)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def _short(title: str) -> str:
    return title if len(title) <= 56 else title[:55] + "…"
