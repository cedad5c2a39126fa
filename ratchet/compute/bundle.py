"""The code that jobs run, as one archive whose digest depends on its files alone."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from ratchet.aws import Aws
from ratchet.aws.bucket import Bucket
from ratchet.errors import SpecError
from ratchet.naming import code_key

# No requirements file goes along: script mode would install it at every start of a job.
_PATTERNS = ("training/**/*.py", "ratchet/__init__.py", "ratchet/contract.py")
_UNKNOWN_COMMIT = "unknown"
_GIT_SECONDS = 20
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Bundle:
    """A source archive; `digest` is the SHA-256 of `content`, `git_commit` says where it came from."""

    digest: str
    content: bytes
    git_commit: str


def build_bundle(folder: Path) -> Bundle:
    """Pack a source folder: the same files give the same bytes, whenever and wherever.

    Raises
    ------
    SpecError
        When the folder holds no `training/` to pack.
    """
    files = sorted({path for pattern in _PATTERNS for path in folder.glob(pattern)})
    if not any(path.is_relative_to(folder / "training") for path in files):
        raise SpecError(f"{folder} holds no training/*.py; set training.source_folder to the folder that does")
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for path in files:
            content = path.read_bytes()
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    content = sink.getvalue()
    return Bundle(hashlib.sha256(content).hexdigest(), content, _commit_of(folder))


def build_bundle_at(folder: Path, commit: str) -> Bundle | None:
    """Pack a source folder as it was at a commit; None when this checkout does not have that commit."""
    if not _COMMIT.fullmatch(commit):
        return None
    with tempfile.TemporaryDirectory(prefix="ratchet-") as name:
        try:
            archive = subprocess.run(
                ["git", "-C", str(folder), "archive", "--format=tar", commit, "--", "training", "ratchet"],
                check=True,
                capture_output=True,
                timeout=_GIT_SECONDS,
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return None
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(name, filter="data")
        bundle = build_bundle(Path(name))
    return replace(bundle, git_commit=commit)


def upload_bundle(aws: Aws, bucket: str, bundle: Bundle) -> str:
    """Put the archive under its digest, once; return its URI."""
    return Bucket(aws, bucket).put_once(code_key(bundle.digest), bundle.content, content_type="application/gzip").uri


def _commit_of(folder: Path) -> str:
    """Commit of the folder, with `+changes` when its files differ from it; unknown outside a checkout."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--", "training", "ratchet/contract.py")
    except (OSError, subprocess.SubprocessError):
        return _UNKNOWN_COMMIT
    return f"{head}+changes" if changed else head


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_GIT_SECONDS)
    return done.stdout.strip()
