"""`ratchet push`: upload a folder as a dataset."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from ratchet.aws import connect, translate_errors
from ratchet.aws.stack import cached_deployment
from ratchet.cli.session import AsJson, Session, exit_codes, start_session
from ratchet.errors import DataError
from ratchet.naming import SUCCESS_MARKER, dataset_prefix

_UPLOADS_AT_ONCE = 8
_TOLD_EVERY = 500
_TABLES = (".csv", ".rec", ".idx")


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(push)


def push(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset, as in a pipeline's data.dataset.")],
    folder: Annotated[Path, typer.Argument(help="Holds tables or record files, or a folder for each label.")],
    as_json: AsJson = False,
) -> None:
    """Upload a folder as the dataset's objects and mark it complete; its arrival starts the pipeline.

    Files that are there already with the same content are not sent again; nothing is deleted.

    Example: ratchet push digits ./scans
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        count, prefix = upload(session, dataset, folder)
        session.output.say(f"{count} files are under {prefix}; follow the run with: ratchet runs")
        session.output.result({"dataset": dataset, "files": count, "prefix": prefix})


def upload(session: Session, dataset: str, folder: Path) -> tuple[int, str]:
    """Upload every file that is new or changed, then the marker; return how many were sent, and where.

    Files are tables and record files of the folder itself, and whatever its folders hold: `<label>/<file>`.
    """
    found = [*folder.glob("*/*"), *(path for path in folder.glob("*") if path.suffix.lower() in _TABLES)]
    files = sorted(path for path in found if path.is_file() and not path.name.startswith((".", "_")))
    if not files:
        raise DataError(f"{folder} holds no <label>/<file>, and no .csv or .rec; nothing was uploaded")
    aws = connect(session.settings.region)
    bucket = cached_deployment(session.settings.region, session.settings.stack).data_bucket
    client = aws.client("s3")
    prefix = dataset_prefix(dataset)

    def put(path: Path) -> None:
        with path.open("rb") as body:
            key = prefix + path.relative_to(folder).as_posix()
            client.put_object(Bucket=bucket, Key=key, Body=body, ChecksumAlgorithm="SHA256")

    with translate_errors(f"upload to s3://{bucket}/{prefix}"), ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
        there = _list_digests(client, bucket, prefix)
        fresh = [path for path in files if there.get(prefix + path.relative_to(folder).as_posix()) != _digest(path)]
        for done, _ in enumerate(pool.map(put, fresh), start=1):
            if done % _TOLD_EVERY == 0:
                session.output.say(f"uploaded {done} of {len(fresh)}")
        client.put_object(Bucket=bucket, Key=prefix + SUCCESS_MARKER, Body=b"")
    return len(fresh), f"s3://{bucket}/{prefix}"


def _list_digests(client: Any, bucket: str, prefix: str) -> dict[str, str]:
    """ETag of every object under a prefix: the MD5 of those that were sent in one piece."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", [])}


def _digest(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
