"""Names for the hosts of a job with several: each has an address of its own on the loopback, and a name of its own.

Linux answers on the whole of 127.0.0.0/8, so each host of each job gets an address that no other has, and two hosts can
listen on the same port. Where the kernel lets us (an unprivileged user and mount namespace), a job sees an /etc/hosts
that knows the names; elsewhere the addresses are the names, which every resolver takes.
"""

from __future__ import annotations

import itertools
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

HOSTS_FILE = Path("/etc/hosts")
_SHELL = f'mount --bind "$0" {HOSTS_FILE} && exec "$@"'
_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", _SHELL)
_PROBE_SECONDS = 10
_LARGEST_GROUP = 250
_groups = itertools.count(1)
_lock = threading.Lock()


@dataclass(frozen=True)
class HostName:
    """A host's name and its address."""

    name: str
    address: str


def name_hosts(count: int, *, renaming: bool) -> tuple[HostName, ...]:
    """Give names to the hosts of one job.

    Parameters
    ----------
    count
        How many; one alone is called `localhost`, several `algo-1` and so on.
    renaming
        Whether their processes will see our names; otherwise their addresses are their names.

    Raises
    ------
    ValueError
        For more hosts than a group of addresses holds.
    """
    if count == 1:
        return (HostName("localhost", "127.0.0.1"),)
    if count > _LARGEST_GROUP:
        raise ValueError(f"localcloud has addresses for {_LARGEST_GROUP} hosts of one job, not for {count}")
    with _lock:
        group = next(_groups) % 50_000
    addresses = [f"127.{1 + group // 250}.{group % 250}.{number}" for number in range(1, count + 1)]
    return tuple(
        HostName(f"algo-{number}" if renaming else address, address) for number, address in enumerate(addresses, 1)
    )


def write_hosts(path: Path, hosts: Sequence[HostName]) -> None:
    """Write an /etc/hosts that knows the names, and what this machine's knows."""
    known = HOSTS_FILE.read_text("utf-8", errors="replace") if HOSTS_FILE.is_file() else ""
    lines = "".join(f"{host.address} {host.name}\n" for host in hosts)
    path.write_text(f"{lines}{known}", encoding="utf-8")


def under_hosts(path: Path, argv: Sequence[str]) -> tuple[str, ...]:
    """Return a command that runs another one, as the same process, with this file for its /etc/hosts."""
    return (*_UNSHARE, str(path), *argv)


@lru_cache(maxsize=1)
def can_rename() -> bool:
    """Whether this machine lets us lay our own /etc/hosts before a process; tried once."""
    with tempfile.NamedTemporaryFile("w", prefix="localcloud-hosts-", encoding="utf-8") as probe:
        probe.write("127.0.0.1 localhost\n")
        probe.flush()
        try:
            done = subprocess.run(
                under_hosts(Path(probe.name), ["true"]), capture_output=True, timeout=_PROBE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0
