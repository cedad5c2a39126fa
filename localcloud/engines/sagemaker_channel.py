"""Input channels: which S3 objects they name, and how SageMaker lays them out under /opt/ml/input/data/<channel>."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from localcloud import storage
from localcloud.engines.sagemaker_failure import JobFailure, no_objects


@dataclass(frozen=True)
class Shard:
    """Which of a job's hosts is asking, counted from 0, and how many there are."""

    index: int = 0
    count: int = 1


@dataclass(frozen=True)
class InputFile:
    """An object and its place below the channel's folder."""

    bucket: str
    key: str
    path: PurePosixPath


def list_files(source: Mapping[str, Any], shard: Shard | None = None) -> list[InputFile]:
    """List what an S3DataSource names; with ShardedByS3Key, this host's share of it.

    Raises
    ------
    JobFailure
        For a manifest that cannot be read, and for keys that would lie outside the channel's folder.
    storage.ObjectNotFound
        When the bucket or the manifest does not exist.
    """
    find = _read_manifest if source.get("S3DataType") == "ManifestFile" else _list_prefix
    files = list(find(source["S3Uri"]))
    if shard is not None and source.get("S3DataDistributionType") == "ShardedByS3Key":
        return files[shard.index :: shard.count]
    return files


def require_data(source: Mapping[str, Any], region: str, role: str) -> str | None:
    """Return what is wrong with an S3DataSource that names nothing; None when it names something.

    SageMaker looks when the job is created, at the prefix or at the manifest; it looks at a manifest's keys later.
    """
    uri: str = source["S3Uri"]
    try:
        bucket, key = storage.split_uri(uri)
        keys = storage.list_keys(bucket, key)
        found = key in keys if source.get("S3DataType") == "ManifestFile" else bool(keys)
    except (storage.ObjectNotFound, ValueError):
        found = False
    return None if found else no_objects(uri, region, role)


def download(source: Mapping[str, Any], folder: Path, pause: Callable[[], None], shard: Shard | None = None) -> int:
    """Write the objects of an S3DataSource into a folder; return how many.

    Parameters
    ----------
    source
        An S3DataSource, or a processing job's S3Input.
    folder
        Made when it does not exist.
    pause
        Called before each object; it may raise to end the download.
    shard
        This host's share, for sources that are sharded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        files = list_files(source, shard)
        for file in files:
            pause()
            _write(folder / file.path, file)
    except (storage.ObjectNotFound, OSError) as error:
        raise JobFailure(f"ClientError: Data download failed:{error}") from error
    return len(files)


def _write(target: Path, file: InputFile) -> None:
    if file.key.endswith("/"):  # a console's folder marker
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(storage.get_object(file.bucket, file.key))


def _list_prefix(uri: str) -> Iterator[InputFile]:
    bucket, prefix = storage.split_uri(uri)
    for key in storage.list_keys(bucket, prefix):
        path = relative_path(key, prefix)
        if path != PurePosixPath():  # the prefix's own folder marker
            yield InputFile(bucket, key, path)


def _read_manifest(uri: str) -> Iterator[InputFile]:
    raw = storage.get_object(*storage.split_uri(uri))
    try:
        head, *suffixes = json.loads(raw)
        bucket, prefix = storage.split_uri(head["prefix"])
    except (ValueError, KeyError, TypeError) as error:
        raise JobFailure(
            f"ClientError: Data download failed:the manifest {uri} is not a JSON list of "
            f'{{"prefix": "s3://bucket/path/"}} and keys: {error}'
        ) from error
    for suffix in suffixes:
        if not isinstance(suffix, str):
            raise JobFailure(f"ClientError: Data download failed:the manifest {uri} names {suffix!r}, which is no key")
        yield InputFile(bucket, prefix + suffix, _inside(suffix, prefix + suffix))


def relative_path(key: str, prefix: str) -> PurePosixPath:
    """Return where a key lies below the channel's folder.

    A prefix that names a folder, with or without its last slash, is left out; one that names a file leaves the file's
    name; one that breaks off within a name leaves everything after the last slash before it.
    """
    if prefix and not prefix.endswith("/") and not key.startswith(f"{prefix}/"):
        prefix = prefix.rpartition("/")[0]
    return _inside(key.removeprefix(prefix).removeprefix("/"), key)


def _inside(path: str, key: str) -> PurePosixPath:
    found = PurePosixPath(path)
    if found.is_absolute() or ".." in found.parts or "\0" in path:
        raise JobFailure(f"ClientError: Data download failed:the key {key!r} lies outside the channel's folder")
    return found
