"""What localcloud's checks, locks and journal cost: calls per second of S3 and DynamoDB, against plain moto_server.

localcloud is measured as it is, and without its journal (`--in-memory`). All servers are up during the whole run and
asked in turns, so that what else the machine does meets all alike.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from _report import finish, medians, options, show, tell

from ratchet.laptop.process import poll_until

ROOT = Path(__file__).resolve().parent.parent
BODY = b"x" * 4096
TABLE = "bench"
KEY = "bench"  # of a server that lives as long as the run
KEY_VARIABLES = {"LOCALCLOUD_ACCESS_KEY_ID": KEY, "LOCALCLOUD_SECRET_ACCESS_KEY": KEY}
_START_LIMIT_SECONDS = 60.0
_END_LIMIT_SECONDS = 20.0
_WARM_UP_CALLS = 20
_THREADS = 16


def main() -> int:
    """Measure the servers and print the table."""
    parser = options(__doc__)
    parser.add_argument("--calls", type=int, default=200, help="calls of each kind in a round")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the median counts")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="localcloud-bench-") as home, servers(Path(home)) as urls:
        sides = {name: Side(url) for name, url in urls.items()}
        samples: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
        for number in range(1, chosen.repeats + 1):
            tell(f"round {number} of {chosen.repeats}: {chosen.calls} calls of each kind to each server")
            for name, side in sides.items():
                samples[name].append(side.measure(number, chosen.calls))
    rates = {name: medians(found) for name, found in samples.items()}
    ours, moto = rates["localcloud"], rates["moto_server"]
    rows = [(key.replace("_", " "), *(f"{found[key]:.0f}" for found in rates.values()), f"{ours[key] / moto[key]:.2f}")
            for key in ours]  # fmt: skip
    columns = ("", *(name.replace("_", " ") for name in rates), "localcloud / moto_server")
    show(f"Calls per second, median of {chosen.repeats}", columns, rows)
    ratios = {key: round(ours[key] / moto[key], 3) for key in ours}
    bare = rates["localcloud_in_memory"]  # who keeps its word after a crash pays for it; who does not must be as fast
    met = all(bare[key] >= moto[key] for key in bare)
    return finish({**rates, "ratios": ratios, "met": met}, as_json=chosen.as_json)


class Side:
    """One server with a bucket and a table."""

    def __init__(self, url: str) -> None:
        import boto3
        from botocore.config import Config

        keys = {
            "aws_access_key_id": KEY,
            "aws_secret_access_key": KEY,
            "region_name": "us-east-1",
            "config": Config(max_pool_connections=_THREADS),
        }
        self.s3 = boto3.client("s3", endpoint_url=url, **keys)
        self.table = boto3.client("dynamodb", endpoint_url=url, **keys)
        self.s3.create_bucket(Bucket=TABLE)
        self.table.create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.measure(0, _WARM_UP_CALLS)

    def measure(self, number: int, calls: int) -> dict[str, float]:
        """Return the calls per second of each kind."""
        keys = [f"{number}/{call:05d}" for call in range(calls)]
        return {
            "s3_put": _rate(self._put_object, keys),
            "s3_get": _rate(self._get_object, keys),
            "s3_put_if_absent": _rate(self._put_new_object, keys),
            "dynamodb_put_if_absent": _rate(self._put_item, keys),
            "dynamodb_compare_and_set": _rate(self._update_item, keys),
            "dynamodb_transaction": _rate(self._transact, keys),
            "dynamodb_counter": _rate(self._count, keys),
            f"dynamodb_counter,_{_THREADS}_threads": _rate(self._count, keys, threads=_THREADS),
        }

    def _put_object(self, key: str) -> None:
        self.s3.put_object(Bucket=TABLE, Key=key, Body=BODY)

    def _put_new_object(self, key: str) -> None:
        self.s3.put_object(Bucket=TABLE, Key=f"new/{key}", Body=BODY, IfNoneMatch="*")

    def _get_object(self, key: str) -> None:
        if self.s3.get_object(Bucket=TABLE, Key=key)["Body"].read() != BODY:
            raise SystemExit(f"{key} came back changed")

    def _put_item(self, key: str) -> None:
        item = {"pk": {"S": key}, "count": {"N": "0"}}
        self.table.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)")

    def _update_item(self, key: str) -> None:
        self.table.update_item(
            TableName=TABLE,
            Key={"pk": {"S": key}},
            UpdateExpression="SET #c = :one",
            ConditionExpression="#c = :zero",
            ExpressionAttributeNames={"#c": "count"},
            ExpressionAttributeValues={":one": {"N": "1"}, ":zero": {"N": "0"}},
        )

    def _transact(self, key: str) -> None:
        item = {"pk": {"S": f"{key}/t"}, "count": {"N": "0"}}
        put = {"TableName": TABLE, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
        check = {"TableName": TABLE, "Key": {"pk": {"S": key}}, "ConditionExpression": "attribute_exists(pk)"}
        self.table.transact_write_items(TransactItems=[{"Put": put}, {"ConditionCheck": check}])

    def _count(self, _key: str) -> None:
        self.table.update_item(
            TableName=TABLE,
            Key={"pk": {"S": "counter"}},
            UpdateExpression="ADD v :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )


@contextmanager
def servers(home: Path) -> Iterator[dict[str, str]]:
    """Start the servers; end them, and whatever they started, at the end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    ports = {name: _free_port() for name in ("localcloud", "localcloud_in_memory", "moto_server")}
    ours = {name: ["-m", "localcloud", "--home", str(home / name), "--port", str(ports[name])] for name in ports}
    commands = {
        "localcloud": ours["localcloud"],
        "localcloud_in_memory": [*ours["localcloud_in_memory"], "--in-memory"],
        "moto_server": ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(ports["moto_server"])],
    }
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands.values():
            started.append(_start(command))
        urls = {name: f"http://localhost:{port}" for name, port in ports.items()}
        for url, process in zip(urls.values(), started, strict=True):
            _wait_for(url, process)
        yield urls
    finally:
        for process in started:
            _end(process)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **KEY_VARIABLES, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _wait_for(url: str, process: subprocess.Popen[Any]) -> None:
    for _ in poll_until(_START_LIMIT_SECONDS):
        if process.poll() is not None:
            raise SystemExit(f"the server of {url} ended with code {process.returncode} while starting")
        with suppress(OSError):
            try:
                urllib.request.urlopen(url, timeout=2).close()
            except urllib.error.HTTPError:
                return  # it answers
            return
    raise SystemExit(f"no server answered at {url} within {_START_LIMIT_SECONDS:.0f} s")


def _end(process: subprocess.Popen[Any]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_END_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _rate(call: Callable[[str], None], keys: list[str], *, threads: int = 1) -> float:
    with ThreadPoolExecutor(threads) as pool:
        started = time.perf_counter()
        list(pool.map(call, keys))
        return len(keys) / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main())
