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
# Where Ratchet itself lies: `training/` and the contract for those who bring a script alone.
_OWN = Path(__file__).resolve().parents[2]
_TOP = ("rev-parse", "--show-toplevel")
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

    A folder with scripts of somebody's own gets what it lacks, `training/` and the contract, from Ratchet itself.

    Raises
    ------
    SpecError
        When the folder holds nothing to pack.
    """
    return replace(_pack(folder, _OWN), git_commit=_commit_of(folder))


def build_bundle_at(folder: Path, commit: str) -> Bundle | None:
    """Pack a source folder as it was at a commit; None when this checkout does not have that commit."""
    if not _COMMIT.fullmatch(commit) or _checkout(folder) is None:
        return None
    with tempfile.TemporaryDirectory(prefix="ratchet-") as name:
        scratch, own = Path(name, "source"), Path(name, "own")
        try:
            for source, target in _sources(folder, scratch, own):
                _restore(source, commit, target)
        except (OSError, subprocess.SubprocessError):
            return None
        return replace(_pack(scratch, own), git_commit=commit)


def _sources(folder: Path, scratch: Path, own: Path) -> list[tuple[Path, Path]]:
    return [(folder, scratch)] if _is_complete(folder) else [(folder, scratch), (_OWN, own)]


def _pack(folder: Path, own: Path) -> Bundle:
    files = _list_files(folder, own)
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, path in sorted(files.items(), key=lambda item: item[0].split("/")):
            content = path.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    content = sink.getvalue()
    return Bundle(hashlib.sha256(content).hexdigest(), content, _UNKNOWN_COMMIT)


def _list_files(folder: Path, own: Path) -> dict[str, Path]:
    """What to pack by its name in the archive: all of Ratchet's, or somebody's scripts over Ratchet's."""
    if _is_complete(folder):
        return _match(folder, _PATTERNS)
    scripts = _match(folder, ("**/*.py",))
    if not scripts:
        raise SpecError(
            f"{folder} holds no Python script; set training.source_folder to the folder with your training.entry_point"
        )
    return {**_match(own, _PATTERNS), **scripts}


def _match(folder: Path, patterns: tuple[str, ...]) -> dict[str, Path]:
    found = {path.relative_to(folder).as_posix(): path for pattern in patterns for path in folder.glob(pattern)}
    return {name: path for name, path in found.items() if not any(part.startswith(".") for part in name.split("/"))}


def _is_complete(folder: Path) -> bool:
    return any(folder.glob("training/*.py"))


def upload_bundle(aws: Aws, bucket: str, bundle: Bundle) -> str:
    """Put the archive under its digest, once; return its URI."""
    return Bucket(aws, bucket).put_once(code_key(bundle.digest), bundle.content, content_type="application/gzip").uri


def _commit_of(folder: Path) -> str:
    """Commit of the folder, with `+changes` when its files differ from it; unknown outside a checkout."""
    head = _checkout(folder)
    if head is None:
        return _UNKNOWN_COMMIT
    if _is_complete(folder):
        changed = _git(folder, "status", "--porcelain", "--", "training", "ratchet/contract.py")
    else:
        changed = _git(folder, "status", "--porcelain", "--", ".")
        changed += _git(_OWN, "status", "--porcelain", "--", "training", "ratchet/contract.py")
    return f"{head}+changes" if changed else head


def _checkout(folder: Path) -> str | None:
    """The commit that a folder is at; None outside a checkout, and where Ratchet's part comes from another one."""
    try:
        if not _is_complete(folder) and _git(folder, *_TOP) != _git(_OWN, *_TOP):
            return None
        return _git(folder, "rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return None


def _restore(folder: Path, commit: str, target: Path) -> None:
    """Write a folder as it was at a commit into `target`."""
    parts = ["training", "ratchet"] if _is_complete(folder) else ["."]
    command = ["git", "-C", str(folder), "archive", "--format=tar", commit, "--", *parts]
    archive = subprocess.run(command, check=True, capture_output=True, timeout=_GIT_SECONDS).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(target, filter="data")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_GIT_SECONDS)
    return done.stdout.strip()
