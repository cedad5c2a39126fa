"""What localcloud takes: seconds to start, memory and CPU at rest, and the speed of a large object against the disk's.

The disk's speed is that of writing (and synchronizing) and reading a file of the same size in the same run. The object
goes by presigned links, so that the client computes nothing.
"""

from __future__ import annotations

import http.client
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from _report import finish, options, show, tell

from localcloud import KEY, _end, _free_port, _start, _wait_for

MIB = 2**20
_BLOCK = os.urandom(MIB)
_BUCKET = "bench"
_CONNECTIONS = 100
_GOALS = {
    "start_seconds": 3.0,
    "start_with_objects_seconds": 3.0,
    "idle_mib": 250.0,
    "idle_cpu_percent": 1.0,
    "put_share_of_disk": 0.5,
    "get_share_of_disk": 0.5,
    "memory_growth_mib": 50.0,
    "failed_of_100_connections": 0.0,
}
_AT_LEAST = frozenset({"put_share_of_disk", "get_share_of_disk"})


def main() -> int:
    """Measure and print the table."""
    parser = options(__doc__)
    parser.add_argument("--mib", type=int, default=500, help="size of the large object")
    parser.add_argument("--objects", type=int, default=10_000, help="small objects before the second start")
    parser.add_argument("--idle-seconds", type=float, default=20.0, help="how long to look at a localcloud at rest")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="localcloud-size-") as home:
        found = measure(Path(home), chosen)
    rows = [(key.replace("_", " "), f"{found[key]:.2f}", f"{goal:g}") for key, goal in _GOALS.items()]
    rows += [(key.replace("_", " "), f"{value:.2f}", "") for key, value in found.items() if key not in _GOALS]
    show("What localcloud takes", ("", "seen", "goal"), rows)
    met = all(found[key] >= goal if key in _AT_LEAST else found[key] <= goal for key, goal in _GOALS.items())
    return finish({**{key: round(value, 3) for key, value in found.items()}, "met": met}, as_json=chosen.as_json)


def measure(home: Path, chosen: Any) -> dict[str, float]:
    """Return every figure."""
    found: dict[str, float] = {}
    with Server(home) as server:
        found["start_seconds"] = server.start_seconds
        found |= server.rest(chosen.idle_seconds)
        tell(f"an object of {chosen.mib} MiB")
        found |= large_object(server, home, chosen.mib)
        tell(f"{_CONNECTIONS} connections at the same time")
        found["failed_of_100_connections"] = float(crowd(server))
        tell(f"{chosen.objects} small objects")
        fill(server, chosen.objects)
    with Server(home) as server:
        found["start_with_objects_seconds"] = server.start_seconds
        found["objects_after_start"] = float(count(server))
        found["mib_with_objects"] = server.process.memory_info().rss / MIB
    return found


class Server:
    """A localcloud with its state in a folder."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._port = _free_port()
        self.start_seconds = 0.0

    def __enter__(self) -> Server:
        began = time.perf_counter()
        self._child = _start(["-m", "localcloud", "--home", str(self._home), "--port", str(self._port)])
        _wait_for(f"http://localhost:{self._port}", self._child)
        self.start_seconds = time.perf_counter() - began
        self.process = psutil.Process(self._child.pid)
        return self

    def __exit__(self, *_error: object) -> None:
        _end(self._child)

    @property
    def s3(self) -> Any:
        """A client."""
        import boto3
        from botocore.config import Config

        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY, "region_name": "us-east-1"}
        config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, signature_version="s3v4")
        return boto3.client("s3", endpoint_url=f"http://localhost:{self._port}", config=config, **keys)

    def rest(self, seconds: float) -> dict[str, float]:
        """Return memory and CPU of a localcloud that has answered a call and has nothing to do."""
        self.s3.create_bucket(Bucket=_BUCKET)
        before = self.process.cpu_times()
        time.sleep(seconds)
        after = self.process.cpu_times()
        used = after.user + after.system - before.user - before.system
        return {"idle_mib": self.process.memory_info().rss / MIB, "idle_cpu_percent": 100 * used / seconds}


def large_object(server: Server, home: Path, mib: int) -> dict[str, float]:
    """Return the speed of put and get in MiB a second and as a share of the disk's, and how much memory grew."""
    disk_put, disk_get = disk(home / "probe", mib)
    before = server.process.memory_info().rss
    put_url, get_url = (
        server.s3.generate_presigned_url(verb, {"Bucket": _BUCKET, "Key": "large"})
        for verb in ("put_object", "get_object")
    )
    put, get = mib / _put(put_url, mib), mib / _get(get_url, mib)
    grown = (server.process.memory_info().rss - before) / MIB
    server.s3.delete_object(Bucket=_BUCKET, Key="large")
    return {
        "put_mib_per_second": put,
        "get_mib_per_second": get,
        "disk_write_mib_per_second": disk_put,
        "disk_read_mib_per_second": disk_get,
        "put_share_of_disk": put / disk_put,
        "get_share_of_disk": get / disk_get,
        "memory_growth_mib": grown,
    }


def disk(file: Path, mib: int) -> tuple[float, float]:
    """Return the MiB a second of writing and synchronizing a file, and of reading it back."""
    began = time.perf_counter()
    with file.open("wb", buffering=0) as stream:
        for _ in range(mib):
            stream.write(_BLOCK)
        os.fsync(stream.fileno())
    written = time.perf_counter()
    with file.open("rb", buffering=0) as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # from the disk, not from the page cache
        while stream.read(MIB):
            pass
    read = time.perf_counter()
    file.unlink()
    return mib / (written - began), mib / (read - written)


def crowd(server: Server) -> int:
    """Let a hundred clients put and get at the same time; return how many failed."""
    clients = [server.s3 for _ in range(_CONNECTIONS)]

    def work(number: int) -> bool:
        body = b"%d" % number * 1000
        clients[number].put_object(Bucket=_BUCKET, Key=f"crowd/{number}", Body=body)
        found: bytes = clients[number].get_object(Bucket=_BUCKET, Key=f"crowd/{number}")["Body"].read()
        return found == body

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        futures = [pool.submit(work, number) for number in range(_CONNECTIONS)]
    return sum(future.exception() is not None or not future.result() for future in futures)


def fill(server: Server, objects: int) -> None:
    """Put small objects."""
    client = server.s3
    with ThreadPoolExecutor(4) as pool:
        for future in [
            pool.submit(client.put_object, Bucket=_BUCKET, Key=f"small/{number:06d}", Body=b"x" * 200)
            for number in range(objects)
        ]:
            future.result()


def count(server: Server) -> int:
    """Return how many objects there are."""
    pages = server.s3.get_paginator("list_objects_v2").paginate(Bucket=_BUCKET)
    return sum(page["KeyCount"] for page in pages)


def _put(url: str, mib: int) -> float:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=600)
    began = time.perf_counter()
    headers = {"Content-Length": str(mib * MIB)}
    connection.request("PUT", f"{parts.path}?{parts.query}", _blocks(mib), headers, encode_chunked=False)
    answer = connection.getresponse()
    answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise SystemExit(f"put was answered with {answer.status}")
    return time.perf_counter() - began


def _get(url: str, mib: int) -> float:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=600)
    began = time.perf_counter()
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    buffer, size = bytearray(MIB), 0
    while count := answer.readinto(buffer):
        size += count
    if size != mib * MIB:
        raise SystemExit(f"get brought {size} bytes")
    return time.perf_counter() - began


def _blocks(mib: int) -> Iterator[bytes]:
    for _ in range(mib):
        yield _BLOCK


if __name__ == "__main__":
    sys.exit(main())
