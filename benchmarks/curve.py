"""One table of how a model was trained, from the logs of its runs, one after the other.

    python benchmarks/curve.py RUN/log.jsonl ... --out curve.csv

Writes a row for every logged step, and prints a Markdown table with a few rows of each run. Losses
of runs at different sizes, or on worlds of different states, do not compare.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

COLUMNS = ("run", "size", "step", "samples", "lr", "loss", "distance", "normal", "sky")
CHECKS = ("indoor_abs_rel", "outdoor_abs_rel", "sky_iou")  # rendered validation worlds


def read_run(log: Path, before: int) -> tuple[list[dict[str, Any]], int]:
    """The rows of one run, and how many samples it and those before it saw in all.

    before: samples of earlier runs. Steps that were trained again after a stop count once.
    """
    rows: dict[int, dict[str, Any]] = {}
    batch, size, checks, last = 0, "", {}, 0
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["event"] == "start":
            data, optim = event["config"]["data"], event["config"]["optim"]
            batch = data["batch"] * optim.get("accumulate", 1) * event.get("processes", 1)
            size = f"{data['height']}x{data['width']}"
        elif event["event"] == "train":
            step = event["step"]
            row = {"run": log.parent.name, "size": size, "samples": before + step * batch}
            rows[step] = row | {k: event[k] for k in COLUMNS if k in event}
        elif event["event"] == "validate":
            found = event["rendered"]
            checks[event["step"]] = (
                found["indoor"]["abs_rel"],
                found["outdoor"]["abs_rel"],
                found["sky"]["iou"],
            )
        elif event["event"] == "end":
            last = event["step"]
    for step, values in checks.items():
        rows.setdefault(step, {"run": log.parent.name, "size": size, "step": step})
        rows[step] |= {"samples": before + step * batch, **dict(zip(CHECKS, values, strict=True))}
    return [rows[step] for step in sorted(rows)], before + batch * max([last, *rows])


def markdown(rows: list[dict[str, Any]], per_run: int) -> str:
    """Some rows of each run, evenly spread, and every one that was validated."""
    lines = [
        "| run | size | step | samples | loss | distance | val. indoor | val. outdoor | sky IoU |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for run in dict.fromkeys(row["run"] for row in rows):
        own = [row for row in rows if row["run"] == run]
        picked = {round(i * (len(own) - 1) / max(per_run - 1, 1)) for i in range(per_run)}
        picked |= {i for i, row in enumerate(own) if "sky_iou" in row}
        for row in (own[i] for i in sorted(picked)):
            values = [row.get(k) for k in ("loss", "distance", *CHECKS)]
            shown = ("" if v is None else f"{v:.3f}" for v in values)
            head = f"| {row['run']} | {row['size']} | {row['step']:,} | {row['samples']:,} | "
            lines.append(head + " | ".join(shown) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("logs", nargs="+", type=Path, help="in the order of the runs")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    parser.add_argument("--rows", type=int, default=4, help="of each run in the printed table")
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []
    samples = 0
    for log in chosen.logs:
        found, samples = read_run(log, samples)
        rows += found
    if chosen.out is not None:
        with chosen.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*COLUMNS, *CHECKS])
            writer.writeheader()
            for row in rows:
                writer.writerow(
                    {k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()}
                )
    print(markdown(rows, chosen.rows))
    print(f"\n{samples:,} samples")


if __name__ == "__main__":
    main()
