"""The agent as one file that any Python runs, and the command that fetches and starts it inside a container."""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import cache
from pathlib import Path

from ratchet.aws import Aws
from ratchet.aws.bucket import Bucket
from ratchet.errors import SpecError
from ratchet.naming import agent_key

_SOURCE = Path(__file__).resolve().parents[3] / "training"
_MAIN = b"import sys\nfrom training.agent.main import main\nsys.exit(main(sys.argv[1:]))\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_KILL_SECONDS = 5
# The image has Python and boto3, and nothing of ours.
_FETCH = (
    "import boto3, os, runpy, sys, tempfile; "
    "path = os.path.join(tempfile.mkdtemp(), 'agent.pyz'); "
    "boto3.client('s3').download_file(sys.argv[1], sys.argv[2], path); "
    "sys.argv = [path, sys.argv[1], *sys.argv[3:]]; "
    "runpy.run_path(path, run_name='__main__')"
)


@cache
def build_agent() -> bytes:
    """Pack `training/agent` as a zip that Python runs; the same files give the same bytes."""
    files = sorted((_SOURCE / "agent").glob("*.py"))
    if not files:
        raise SpecError(f"{_SOURCE / 'agent'} is missing: install Ratchet with its training/ folder beside it")
    members = {"__main__.py": _MAIN, "training/__init__.py": b""}
    members |= {f"training/agent/{path.name}": path.read_bytes() for path in files}
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return sink.getvalue()


def upload_agent(aws: Aws, bucket: str) -> str:
    """Put the agent under its digest, once; return its key."""
    content = build_agent()
    key = agent_key(hashlib.sha256(content).hexdigest())
    Bucket(aws, bucket).put_once(key, content, content_type="application/zip")
    return key


def agent_command(bucket: str, key: str, request_key: str, *, attempt: int, lifetime_seconds: int) -> tuple[str, ...]:
    """What a container runs: the agent, killed at the end of its lifetime even when it hangs."""
    # In the foreground: a group of its own would keep the signals of a stop from the agent.
    limit = ("timeout", "--foreground", f"--kill-after={_KILL_SECONDS}", str(lifetime_seconds))
    return (*limit, "python3", "-c", _FETCH, bucket, key, request_key, str(attempt))
