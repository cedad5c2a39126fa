"""Decides how a version's process is started: interpreter, folders, environment variables, credentials."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import stat
import zipfile
from pathlib import Path

from localcloud.credentials import issue_credentials
from localcloud.engine import Host
from localcloud.engines.lambda_environment import Launch
from localcloud.engines.lambda_revision import ImageCode, Revision, ZipCode, set_by_lambda
from localcloud.process import base_environment
from localcloud.runtime import ROOT, Runtime

UNZIPPED_BYTES = 262_144_000


class BadArchive(Exception):
    """A deployment package cannot be used; the message is what AWS would say."""


def base_image(runtime: str) -> str:
    """Return the name of AWS's image for a managed runtime, for example `python3.11`."""
    return f"public.ecr.aws/lambda/python:{runtime.removeprefix('python')}"


class Launcher:
    """Prepares environments; deployment packages are unpacked once and kept under the host's home."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._root = host.home / "lambda"

    def prepare(self, revision: Revision, log_stream: str, runtime_api: str) -> Launch:
        """Return how to start a new environment of a version."""
        runtime, task_root = self._locate(revision.code, revision.runtime)
        scratch = self._root / "environments" / secrets.token_hex(8)
        scratch.mkdir(parents=True)
        own, identity = runtime.environment(), revision.identity
        python_path = os.pathsep.join(filter(None, [str(task_root), own.get("PYTHONPATH")]))
        environment = {
            **base_environment(),
            **own,
            "PYTHONPATH": python_path,
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(scratch),
            "HOME": str(scratch),
            "LAMBDA_TASK_ROOT": str(task_root),
            "AWS_ENDPOINT_URL": self._host.endpoint_url,
            **issue_credentials(identity.account, region=identity.region, session=identity.name, role=revision.role),
            **revision.environment,
            **set_by_lambda(revision, log_stream=log_stream, runtime_api=runtime_api),
        }
        argv = runtime.argv(("python", "-m", "awslambdaric", revision.handler))
        return Launch(argv, environment, task_root, scratch)

    def close(self) -> None:
        """Remove what was unpacked."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _locate(self, code: ImageCode | ZipCode, managed: str | None) -> tuple[Runtime, Path]:
        if isinstance(code, ZipCode):
            folder = self._root / "packages" / code.digest
            unpack(code.content, folder)
            return self._host.runtimes.resolve(base_image(managed or "")), folder
        runtime = self._host.runtimes.resolve(code.uri)
        folder = runtime.pythonpath[0] if runtime.pythonpath else ROOT
        return runtime, Path(folder, code.working_directory or "") if folder != ROOT else folder


def check_archive(content: bytes) -> None:
    """Raise `BadArchive` for a package that is no zip file, too large, or points out of its folder."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        message = "Could not unzip uploaded file. Please check your file, then try to upload again."
        raise BadArchive(message) from error
    if sum(member.file_size for member in members) > UNZIPPED_BYTES:
        raise BadArchive(f"Unzipped size must be smaller than {UNZIPPED_BYTES} bytes")
    for member in members:
        _check_member(member)


def unpack(content: bytes, folder: Path) -> None:
    """Unpack a package, once: a folder that exists is complete, because it is moved into place at the end."""
    if folder.exists():
        return
    check_archive(content)
    partial = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")
    partial.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(partial)
    try:
        partial.rename(folder)
    except OSError:  # another environment of the same package was first
        shutil.rmtree(partial, ignore_errors=True)


def _check_member(member: zipfile.ZipInfo) -> None:
    parts = member.filename.replace("\\", "/").split("/")
    if member.filename.startswith("/") or ".." in parts or stat.S_ISLNK(member.external_attr >> 16):
        raise BadArchive(f"The package holds a name that points out of its folder: {member.filename!r}")
