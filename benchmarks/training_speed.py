"""Training's loop against a plain Gluon DataLoader loop, in turns: samples a second, and what a step waits for data.

Both train the same network on the same shards of scikit-learn's digits, with every core: a small CNN on grey images of
28 x 28, and ResNet-18 on RGB images of 64 x 64.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from _report import finish, medians, options, show, tell
from _training_loops import SIDES

from ratchet.laptop.digits import COUNT, write_digits

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv-mxnet/bin/python"
_LIMIT_SECONDS = 1800


class Case(NamedTuple):
    """A network, what it is fed, and the goals: times as fast, and percent of a step that waits for data."""

    network: str
    channels: int
    side: int
    batch: int
    images: int
    epochs: int
    faster: float
    waiting: float


CASES = {
    "small CNN, 28 x 28": Case("lenet", 1, 28, 64, COUNT, 8, 2.2, 5.0),
    "ResNet-18, 64 x 64": Case("resnet18", 3, 64, 32, 500, 1, 1.1, 2.0),
}


def main() -> int:
    """Measure both networks, print the table, and say whether the goals are met."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="processes of each side, in turns; the medians count")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = {title: compare(title, case, Path(name) / case.network, chosen) for title, case in CASES.items()}
    columns = ("network", "plain", "here", "times as fast", "of CPU time", "goal", "plain waits", "here waits", "goal")
    show("Training on this machine", columns, [_row(title, result) for title, result in found.items()])
    met = all(result["met"] for result in found.values())
    return finish({"benchmark": "training_speed", "networks": found, "met": met}, as_json=chosen.as_json)


def compare(title: str, case: Case, folder: Path, chosen: argparse.Namespace) -> dict[str, float]:
    """Run both sides in turns; the median of each figure, and of the rounds' ratios."""
    prepared = prepare(case, folder)
    rounds = []
    for number in range(1, chosen.rounds + 1):
        tell(f"{title}: round {number} of {chosen.rounds}")
        sides = {side: run(side, case, prepared) for side in SIDES}
        plain, ours = (sides[side] for side in SIDES)
        rounds.append(
            {
                **{f"{side}_{name}": value for side, figures in sides.items() for name, value in figures.items()},
                "faster": ours["samples_per_second"] / plain["samples_per_second"],
                "faster_per_cpu": ours["samples_per_cpu_second"] / plain["samples_per_cpu_second"],
            }
        )
    found = medians(rounds)
    met = found["faster"] >= case.faster and found["ratchet_waiting_percent"] <= case.waiting
    goals = {"goal_faster": case.faster, "goal_waiting_percent": case.waiting}
    return {**found, **goals, "rounds": chosen.rounds, "met": met}


def run(side: str, case: Case, prepared: Path) -> dict[str, float]:
    """One process that trains for some epochs."""
    program = ROOT / "benchmarks/_training_loops.py"
    command = [PYTHON, program, side, prepared, case.network, str(case.batch), str(case.epochs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_LIMIT_SECONDS)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def prepare(case: Case, folder: Path) -> Path:
    """Shards as `training/prepare.py` makes them of the digits."""
    images, manifest, target = folder / "images", folder / "manifest", folder / "model"
    write_digits(images, 0, case.images)
    manifest.mkdir()
    lines = [json.dumps({"format": 2, "dataset": "digits", "version": "1" * 64})]
    for path in sorted(images.glob("*/*")):
        content = path.read_bytes()
        checksum = "sha256:" + hashlib.sha256(content).hexdigest()
        lines.append(json.dumps([path.relative_to(images).as_posix(), "1", len(content), checksum]))
    (manifest / "digits.jsonl").write_text("\n".join(lines) + "\n")
    places = {"SM_CHANNEL_DATASET": images, "SM_CHANNEL_MANIFEST": manifest, "SM_MODEL_DIR": target}
    sizes = [f"--channels={case.channels}", f"--height={case.side}", f"--width={case.side}"]
    command = [PYTHON, ROOT / "training/prepare.py", *sizes]
    environment = {**os.environ, **{name: str(path) for name, path in places.items()}}
    subprocess.run(command, env=environment, check=True, stdout=sys.stderr, timeout=_LIMIT_SECONDS)
    return target


def _row(title: str, result: Mapping[str, float]) -> tuple[str, ...]:
    return (
        title,
        *(f"{result[side + '_samples_per_second']:.0f}/s" for side in SIDES),
        f"{result['faster']:.2f}",
        f"{result['faster_per_cpu']:.2f}",
        f"{result['goal_faster']:.1f}",
        *(f"{result[side + '_waiting_percent']:.1f} %" for side in SIDES),
        f"{result['goal_waiting_percent']:.0f} %",
    )


if __name__ == "__main__":
    sys.exit(main())
