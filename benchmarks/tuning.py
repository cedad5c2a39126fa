"""The best of so many trials on a fixed surface: each strategy of `training/tune.py` against plain random search.

The surface stands for a training of 27 epochs: four hyperparameters of every kind of range, three of them acting
together, and a curve that climbs to its end. Every side spends as many epochs as whole trials would take, with the same
seeds; what counts is how far the best whole trial stays from the optimum. The search is the one that runs in jobs; only
the training is replaced.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _report import finish, options, show, tell

from training.search import Search

EPOCHS = 27
GOAL_SHARE = 0.75  # of plain random search's distance, at the median
RANGES = (
    {"name": "learning-rate", "type": "continuous", "low": 1e-5, "high": 1.0, "scaling": "log"},
    {"name": "momentum", "type": "continuous", "low": 0.5, "high": 0.999, "scaling": "reverse_log"},
    {"name": "batch-size", "type": "integer", "low": 8, "high": 256, "scaling": "linear"},
    {"name": "optimizer", "type": "categorical", "values": ["sgd", "adam", "rmsprop"]},
)
SIDES = ("plain random", "random", "bayesian", "hyperband")
_HABITS = {"sgd": (-1.5, 0.0), "adam": (-2.7, 0.02), "rmsprop": (-3.0, 0.08)}  # best log10 of the rate, and a handicap


def surface(values: Mapping[str, Any], epoch: int = EPOCHS) -> float:
    """The objective after an epoch; the best rate hangs on the optimizer and grows with the batch."""
    rate, handicap = _HABITS[values["optimizer"]]
    wanted = rate + 0.5 * math.log10(values["batch-size"] / 32)
    off = 0.12 * (math.log10(values["learning-rate"]) - wanted) ** 2
    off += 0.1 * (math.log10(1 - values["momentum"]) + 1) ** 2 + handicap + abs(values["batch-size"] - 64) / 2_000
    end = 1 / (1 + off)
    return end - 0.6 * end * math.exp(-epoch / 6)


def distance(values: Mapping[str, Any]) -> float:
    """How far a whole trial stays from the best there is."""
    return surface(BEST) - surface(values)


BEST = {"optimizer": "sgd", "batch-size": 64, "momentum": 0.9, "learning-rate": 10 ** (-1.5 + 0.5 * math.log10(2))}


def plain(seed: int) -> Iterator[dict[str, Any]]:
    """Random search as one would write it by hand, with the ranges' own scales."""
    draw = random.Random(seed)
    while True:
        yield {
            "learning-rate": 10 ** draw.uniform(-5, 0),
            "momentum": 1 - 10 ** draw.uniform(-3, math.log10(0.5)),
            "batch-size": draw.randint(8, 256),
            "optimizer": draw.choice(list(_HABITS)),
        }


def search(strategy: str, seed: int, trials: int) -> float:
    """The distance of the best whole trial that a strategy finds with the epochs of so many."""
    order = {"strategy": strategy, "maximize": True, "jobs": trials, "seed": seed, "early_stopping": False}
    found = Search({**order, "rounds": [1, EPOCHS], "ranges": RANGES})
    left, number, best = trials * EPOCHS, 0, math.inf
    while left >= EPOCHS:
        values = found.propose() or {}
        for epoch in range(1, EPOCHS + 1):
            left -= 1
            if found.gives_up(number, epoch, surface(values, epoch)):
                break
        else:
            best = min(best, distance(values))
        found.observe(number, surface(values, epoch))
        number += 1
    return best


def measure(side: str, seed: int, trials: int) -> float:
    """One side with one seed."""
    if side == "plain random":
        drawn = plain(seed)
        return min(distance(next(drawn)) for _ in range(trials))
    return search(side, seed, trials)


def main() -> int:
    """Measure every side with every seed, print the table, and say whether Bayesian search keeps its goal."""
    parser = options(__doc__)
    parser.add_argument("--trials", type=int, default=30, help="whole trainings' worth of epochs")
    parser.add_argument("--seeds", type=int, default=25)
    chosen = parser.parse_args()
    figures = {}
    for side in SIDES:
        tell(f"{side}: {chosen.seeds} seeds")
        found = sorted(measure(side, seed, chosen.trials) for seed in range(chosen.seeds))
        lower, _, upper = quantiles(found, n=4)
        figures[side] = {"median": median(found), "lower_quartile": lower, "upper_quartile": upper}
    base = figures["plain random"]["median"]
    show(
        f"Distance to the best after {chosen.trials} trials of {EPOCHS} epochs, {chosen.seeds} seeds",
        ("", "median", "quartiles", "of plain random"),
        [
            (
                side,
                f"{f['median']:.4f}",
                f"{f['lower_quartile']:.4f} to {f['upper_quartile']:.4f}",
                f"{f['median'] / base:.2f}",
            )
            for side, f in figures.items()
        ],
    )
    share = figures["bayesian"]["median"] / base
    met = share <= GOAL_SHARE
    result = {"trials": chosen.trials, "seeds": chosen.seeds, "sides": figures, "bayesian_share": share, "met": met}
    return finish(result, as_json=chosen.as_json)


if __name__ == "__main__":
    sys.exit(main())
