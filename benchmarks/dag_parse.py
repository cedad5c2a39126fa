"""How long many pipelines take to parse and to serialize, against as many DAGs of twelve stock operators.

Each side is read in fresh processes, in turns, so that what else the machine does meets both alike. Importing Airflow
is not counted; what a side imports besides is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _report import finish, medians, options, show, tell

ROOT = Path(__file__).resolve().parent.parent
GOAL = 1.5
HEAVY = ("boto3", "botocore", "mxnet", "moto", "numpy", "pandas", "sagemaker", "sklearn", "PIL")
STOCK_FILE = Path(__file__).with_name("_stock_dags.py")
_LIMIT_SECONDS = 1800


def main() -> int:
    """Measure both sides, print the table, and say whether the goal is met."""
    parser = options(__doc__)
    parser.add_argument("--pipelines", type=int, default=1000, help="how many on each side")
    parser.add_argument("--repeats", type=int, default=3, help="processes on each side; the median counts")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure is not None:
        sys.stdout.write(json.dumps(measure(chosen.measure)) + "\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="ratchet-parse-") as name:
        ours, stock = compare(Path(name), chosen.pipelines, chosen.repeats)
    heavy = sorted({module for run in ours for module in run.pop("heavy_modules")})
    return report(medians(ours), medians([_without_modules(run) for run in stock]), heavy, chosen)


def compare(home: Path, count: int, repeats: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Read both sides in turns; return what each process measured."""
    pipelines = write_pipelines(home / "pipelines", count)
    folder = home / "stock"
    folder.mkdir()
    (folder / "stock.py").write_text(STOCK_FILE.read_text("utf-8"), "utf-8")
    ours, stock = [], []
    for number in range(1, repeats + 1):
        tell(f"round {number} of {repeats}: {count} DAGs on each side")
        ours.append(_run(ROOT / "dags" / "retrain.py", home, {"RATCHET_PIPELINES": str(pipelines)}))
        stock.append(_run(folder / "stock.py", home, {"STOCK_DAGS": str(count)}))
        for run in (ours[-1], stock[-1]):
            if run["dags"] != count:
                raise SystemExit(f"{run['dags']} DAGs were read, {count} were written")
    return ours, stock


def write_pipelines(folder: Path, count: int) -> Path:
    """Write the shipped pipeline `count` times, each with a name of its own."""
    folder.mkdir()
    text = (ROOT / "pipelines" / "digits.yaml").read_text("utf-8")
    for number in range(count):
        name = f"p{number:04d}"
        own = text.replace("name: digits", f"name: {name}").replace("dataset: digits", f"dataset: {name}")
        (folder / f"{name}.yaml").write_text(own, "utf-8")
    return folder


def measure(file: Path) -> dict[str, Any]:
    """Parse and serialize one file's DAGs in this process.

    Returns
    -------
    Wall-clock and CPU seconds of both, how many DAGs there were, and which heavy modules were imported.
    """
    import airflow.sdk  # noqa: F401 - Airflow's own import is not counted
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    before = set(sys.modules)
    parse, bag = _timed(lambda: DagBag(str(file), safe_mode=False))
    if bag.import_errors:
        raise SystemExit("\n".join(bag.import_errors.values()))
    serialize, _ = _timed(lambda: [DagSerialization.to_dict(dag) for dag in bag.dags.values()])
    new = set(sys.modules) - before
    return {
        "parse_wall_seconds": parse[0],
        "parse_cpu_seconds": parse[1],
        "serialize_wall_seconds": serialize[0],
        "serialize_cpu_seconds": serialize[1],
        "dags": len(bag.dags),
        "heavy_modules": sorted(new & set(HEAVY)),
    }


def report(ours: dict[str, float], stock: dict[str, float], heavy: list[str], chosen: argparse.Namespace) -> int:
    """Print both sides beside each other.

    The goal is on the CPU seconds of parse and serialization together: one thread does both, so on an idle machine that
    is the time they take, and on a busy one what others take is not counted.
    """
    sides = {"Ratchet": ours, "stock": stock}
    for side in sides.values():
        side["total_wall_seconds"] = round(side["parse_wall_seconds"] + side["serialize_wall_seconds"], 4)
        side["total_cpu_seconds"] = round(side["parse_cpu_seconds"] + side["serialize_cpu_seconds"], 4)
    keys = [f"{what}_{kind}_seconds" for what in ("parse", "serialize", "total") for kind in ("wall", "cpu")]
    rows = [_row(key, ours[key], stock[key]) for key in keys]
    show(f"{chosen.pipelines} DAGs, median of {chosen.repeats}", ("", "Ratchet", "stock", "ratio"), rows)
    ratio = round(ours["total_cpu_seconds"] / stock["total_cpu_seconds"], 3)
    met = ratio <= GOAL and not heavy
    if not chosen.as_json:
        names = ", ".join(heavy) or "nothing"
        sys.stdout.write(f"ratio {ratio}, goal {GOAL}: {'met' if met else 'missed'}; imported that is heavy: {names}\n")
    result = {"goal": GOAL, "ratio": ratio, "met": met, "ours": ours, "stock": stock, "heavy_modules": heavy}
    return finish(result, as_json=chosen.as_json)


def _row(key: str, ours: float, stock: float) -> tuple[str, ...]:
    return key.replace("_", " "), f"{ours:.2f}", f"{stock:.2f}", f"{ours / stock:.2f}"


def _run(file: Path, home: Path, settings: dict[str, str]) -> dict[str, Any]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(file.parent),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": str(_LIMIT_SECONDS),
        **settings,
    }
    command = [sys.executable, __file__, "--measure", str(file)]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=_LIMIT_SECONDS
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def _timed(work: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    value = work()
    return (time.perf_counter() - wall, time.process_time() - cpu), value


def _without_modules(run: dict[str, Any]) -> dict[str, float]:
    return {key: value for key, value in run.items() if key != "heavy_modules"}


if __name__ == "__main__":
    sys.exit(main())
