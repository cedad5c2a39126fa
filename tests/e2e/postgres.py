"""A PostgreSQL of a test's own, on a free port, under a user that is not root, gone with the test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_binaries() -> Path | None:
    """Folder of `initdb` and `postgres`; None where PostgreSQL is not installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    folders = [*debian, *([Path(on_path).parent] if on_path else [])]
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@contextmanager
def run_postgres(binaries: Path) -> Iterator[str]:
    """Start a server; yield SQLAlchemy's address of its database."""
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="ratchet-postgres-"))
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(folder / "data")
    control = [str(binaries / "pg_ctl"), "--pgdata", data]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    try:
        _run([str(binaries / "initdb"), "--pgdata", data, "--username=airflow", "--auth=trust"], folder, user)
        _run([*control, "--wait", "--log", str(folder / "log"), "--options", options, "start"], folder, user)
        try:
            yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "--mode=immediate", "stop"], folder, user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: whom to run it as, None for this process's own user."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else None


def _run(argv: list[str], folder: Path, user: pwd.struct_passwd | None) -> None:
    identity = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    with (folder.parent / f"{folder.name}.out").open("w+") as out:
        done = subprocess.run(
            argv, stdout=out, stderr=subprocess.STDOUT, cwd=folder, timeout=60, check=False, **identity
        )
        out.seek(0)
        text = out.read()
    (folder.parent / f"{folder.name}.out").unlink()
    assert done.returncode == 0, f"{argv[0]} ended with {done.returncode}: {text}"
