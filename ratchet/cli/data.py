"""`ratchet push`: upload a folder of images as a dataset."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from ratchet.aws import connect, translate_errors
from ratchet.aws.stack import cached_deployment
from ratchet.cli.session import AsJson, Session, exit_codes, start_session
from ratchet.errors import DataError
from ratchet.naming import SUCCESS_MARKER, dataset_prefix

_UPLOADS_AT_ONCE = 8


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(push)


def push(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset, as in a pipeline's data.dataset.")],
    folder: Annotated[Path, typer.Argument(help="Holds one folder for each label, with the images in it.")],
    as_json: AsJson = False,
) -> None:
    """Upload a folder as the dataset's objects and mark it complete; its arrival starts the pipeline.

    Example: ratchet push digits ./scans
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        count, prefix = upload(session, dataset, folder)
        session.output.say(f"{count} files are under {prefix}; follow the run with: ratchet runs")
        session.output.result({"dataset": dataset, "files": count, "prefix": prefix})


def upload(session: Session, dataset: str, folder: Path) -> tuple[int, str]:
    """Upload every `<label>/<file>`, then the marker; return how many and where."""
    files = sorted(path for path in folder.glob("*/*") if path.is_file() and not path.name.startswith((".", "_")))
    if not files:
        raise DataError(f"{folder} holds no files of the form <label>/<file>; nothing was uploaded")
    aws = connect(session.settings.region)
    bucket = cached_deployment(session.settings.region, session.settings.stack).data_bucket
    client = aws.client("s3")
    prefix = dataset_prefix(dataset)

    def put(path: Path) -> None:
        with path.open("rb") as body:
            key = prefix + path.relative_to(folder).as_posix()
            client.put_object(Bucket=bucket, Key=key, Body=body, ChecksumAlgorithm="SHA256")

    with translate_errors(f"upload to s3://{bucket}/{prefix}"), ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
        for done, _ in enumerate(pool.map(put, files), start=1):
            if done % 200 == 0:
                session.output.say(f"uploaded {done} of {len(files)}")
        client.put_object(Bucket=bucket, Key=prefix + SUCCESS_MARKER, Body=b"")
    return len(files), f"s3://{bucket}/{prefix}"
