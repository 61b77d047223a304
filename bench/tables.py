"""Sum up what `make bench` measured: a Markdown table for each thread count, losses included. README.md says how to read it.

    python tables.py [FILE.json ...]

Reads files of results/, by default all, and nothing else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import geometric_mean

from plots import LAYOUTS, OWN, RESULTS, groups_of, ratio

HEAD = ("network", "layout", "layers", "over the best peer", "worst", "fastest on", "share of the limit", "best peer's")


def main(paths):
    for path in paths or sorted(RESULTS.glob("*.json")):
        run = json.loads(Path(path).read_text())
        machine = run["machine_info"]
        print(f"{machine['cpu']}, {machine['isa']}, threads: {machine['threads']}\n")
        print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
        for layout in LAYOUTS:
            groups = groups_of(run, layout)
            for network in dict.fromkeys(network for network, _ in groups):
                print_row(network, layout, {layer: rows for layer, rows in groups.items() if layer[0] == network})
            if groups:
                print_row("**all**", layout, groups)
        print()


def print_row(name, layout, groups):
    """One network: what is best is chosen anew for each layer."""
    bests = {layer: best_peer(rows) for layer, rows in groups.items()}
    ratios = {layer: ratio(rows[OWN], bests[layer]) for layer, rows in groups.items()}
    worst = min(ratios, key=ratios.get)
    cells = (
        name,
        layout,
        len(groups),
        f"{geometric_mean(ratios.values()):.2f} ×",
        f"{ratios[worst]:.2f} ({worst[1]})",
        f"{sum(value >= 1 for value in ratios.values()) / len(ratios):.0%}",
        f"{share(rows[OWN] for rows in groups.values()):.0%}",
        f"{share(bests.values()):.0%}",
    )
    print(f"| {' | '.join(map(str, cells))} |")


def best_peer(rows):
    return min((row for name, row in rows.items() if name != OWN), key=lambda row: row["stats"]["median"])


def share(rows):
    return geometric_mean(row["extra_info"]["share_of_limit"] for row in rows)


if __name__ == "__main__":
    main(sys.argv[1:])
