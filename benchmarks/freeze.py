"""Objects a second and memory of freezing a large prefix, against plain `list_object_versions` in one loop.

Both sides list and hash the same keys of a small server that answers like S3, each page after a pause; each side runs
in processes of its own, in turns. Ours also puts every object aside for the manifest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _report import finish, medians, options, show, tell
from _version_server import PREFIX

ROOT = Path(__file__).resolve().parent.parent
GOAL_MIB = 512
_LIMIT_SECONDS = 3600


def main() -> int:
    """Measure both sides, print the table, and say whether the memory's goal is met."""
    parser = options(__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument(
        "--loop-objects", type=int, default=200_000, help="how many the loop lists: its speed is steady"
    )
    parser.add_argument("--pause", type=float, default=0.1, help="seconds before each answer, as a network and S3 take")
    parser.add_argument("--repeats", type=int, default=1, help="processes on each side; the median counts")
    parser.add_argument("--measure", choices=sorted(SIDES), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        sys.stdout.write(json.dumps(measure(lambda: SIDES[chosen.measure](chosen.objects))) + "\n")
        return 0
    server = subprocess.Popen(
        [sys.executable, ROOT / "benchmarks/_version_server.py", str(chosen.objects), str(chosen.pause)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(server.stdout.readline())  # type: ignore[union-attr]
        return report(compare(port, chosen), chosen)
    finally:
        server.kill()
        server.wait()


def compare(port: int, chosen: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Run both sides in turns; the medians of each."""
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for number in range(1, chosen.repeats + 1):
        for side, found in runs.items():
            tell(f"round {number} of {chosen.repeats}: {side}")
            count = min(chosen.objects, chosen.loop_objects) if side == "loop" else chosen.objects
            found.append(_run(side, port, count))
            if found[-1]["objects"] != count:
                raise SystemExit(f"{side} saw {found[-1]['objects']:.0f} objects of {count}")
    return {side: medians(found) for side, found in runs.items()}


def report(figures: dict[str, dict[str, float]], chosen: argparse.Namespace) -> int:
    """Print the table and the answer."""
    columns = ("", "objects/s", "seconds", "CPU seconds", "peak MiB")
    names = ("objects_per_second", "seconds", "cpu_seconds", "peak_mib")
    show(
        f"{chosen.objects} objects, {chosen.pause:g} s before each answer",
        columns,
        [(side, *(f"{found[name]:,.0f}" for name in names)) for side, found in figures.items()],
    )
    ratio = figures["ratchet"]["objects_per_second"] / figures["loop"]["objects_per_second"]
    met = figures["ratchet"]["peak_mib"] <= GOAL_MIB
    answer = {"objects": chosen.objects, "pause_seconds": chosen.pause, **figures, "ratio": round(ratio, 2), "met": met}
    return finish(answer, as_json=chosen.as_json)


def measure(side: Callable[[], int]) -> dict[str, float]:
    """Run one side in this process."""
    started = time.monotonic()
    count = side()
    seconds = time.monotonic() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "objects": count,
        "seconds": seconds,
        "objects_per_second": count / seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def run_loop(limit: int) -> int:
    """The plain way: page by page, hashed as they come, up to so many objects."""
    import boto3

    digest, count = hashlib.sha256(), 0
    pages = boto3.client("s3", region_name="us-east-1").get_paginator("list_object_versions")
    for page in pages.paginate(Bucket="bench", Prefix=PREFIX):
        for version in page["Versions"]:
            digest.update(json.dumps([version["Key"], version["Size"], version["ETag"]]).encode())
            count += 1
        if count >= limit:
            break
    return count


def run_ratchet(_limit: int) -> int:
    """What a freeze does before it writes: everything is listed."""
    from ratchet.aws import connect
    from ratchet.data.checksum import Checksums
    from ratchet.data.listing import list_current
    from ratchet.data.manifest_file import spool_entries

    aws = connect("us-east-1")
    with (
        tempfile.TemporaryDirectory(prefix="ratchet-freeze-") as folder,
        list_current(aws, "bench", "bench") as listed,
    ):
        resolved = Checksums(aws, "bench", PREFIX).resolve(listed)
        return spool_entries(resolved, Path(folder) / "spool")[1].count


SIDES: dict[str, Callable[[int], int]] = {"loop": run_loop, "ratchet": run_ratchet}


def _run(side: str, port: int, count: int) -> dict[str, Any]:
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, __file__, "--measure", side, "--objects", str(count)]
    done = subprocess.run(
        command, check=True, env=environment, stdout=subprocess.PIPE, text=True, timeout=_LIMIT_SECONDS
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    sys.exit(main())
