"""`python -m localcloud snapshot FILE` and `restore FILE`: the state as one file, and back."""

from __future__ import annotations

import argparse
import http.client
import json
import sys
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from localcloud.access import instance_file
from localcloud.durable.home import JOURNAL
from localcloud.durable.snapshot import SnapshotRefused, copy_home, restore_snapshot
from localcloud.durable.snapshot_page import PREFIX
from localcloud.durable.store import HomeInUse, JournalUnreadable

_ANSWER_SECONDS = 600.0


def snapshot(options: argparse.Namespace) -> int:
    """Let the localcloud that runs with the home write a snapshot, or copy a home at rest; return the exit code."""
    target = Path(options.file).absolute()
    try:
        if not _ask(options.home, target):
            copy_home(options.home, target)
    except (SnapshotRefused, HomeInUse, JournalUnreadable, OSError) as error:
        return _fail(str(error))
    sys.stdout.write(f"{target} holds the state ({target.stat().st_size} bytes)\n")
    return 0


def restore(options: argparse.Namespace) -> int:
    """Put a snapshot into the home; return the exit code."""
    if (options.home / JOURNAL).exists() and not options.fresh:
        return _fail(f"There is a state in {options.home}: add --fresh to put the snapshot in its place.")
    try:
        restore_snapshot(Path(options.file), options.home)
    except (SnapshotRefused, HomeInUse, JournalUnreadable) as error:
        return _fail(str(error))
    sys.stdout.write(f"{options.home} holds the state of {options.file}: start localcloud\n")
    return 0


def _ask(home: Path, target: Path) -> bool:
    """Let the localcloud that runs with the home write; False when none does."""
    try:
        instance = json.loads(instance_file(home).read_text("utf-8"))
    except FileNotFoundError:
        return False
    body = json.dumps({"file": str(target)}).encode()
    where = urlsplit(instance["url"])
    connection = http.client.HTTPConnection("localhost", where.port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("POST", PREFIX, body, _sign(instance, body))
        answer = connection.getresponse()
        told = answer.read()
    except ConnectionRefusedError:  # it was killed: its file is still there
        return False
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise SnapshotRefused(_message(told))
    return True


def _sign(instance: Mapping[str, Any], body: bytes) -> dict[str, str]:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    keys = instance["environment"]
    credentials = Credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
    headers = {"Content-Type": "application/json", "Host": f"localhost:{urlsplit(instance['url']).port}"}
    request = AWSRequest(method="POST", url=f"{instance['url']}{PREFIX}", data=body, headers=headers)
    SigV4Auth(credentials, "localcloud", keys.get("AWS_REGION", "us-east-1")).add_auth(request)
    return dict(request.headers.items())


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return "localcloud did not write it; its log says why."


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 1
