"""Input channels: which S3 objects they name, and where SageMaker would lay them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, Iterator, List, Mapping, Tuple

from training.agent.store import Store, split_uri

_DOWNLOADS = 8  # at the same time


class ChannelProblem(Exception):
    """A channel cannot be laid out; the message is the job's failure reason."""


def fetch_channel(store: Store, channel: Mapping[str, Any], folder: Path) -> int:
    """Write a channel's objects below a folder; return how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    find = _read_manifest if channel["manifest"] else _list_prefix
    files = list(find(store, str(channel["uri"])))
    if not files:
        raise ChannelProblem('ClientError: No S3 objects found under S3 URL "%s"' % channel["uri"])
    fetch_files(store, files, folder)
    return len(files)


def fetch_files(store: Store, files: List[Tuple[str, PurePosixPath]], folder: Path) -> None:
    """Download objects, given by their URIs and their places below a folder, several at a time."""

    def fetch(file: Tuple[str, PurePosixPath]) -> None:
        uri, place = file
        if uri.endswith("/"):  # a console's folder marker
            (folder / place).mkdir(parents=True, exist_ok=True)
        else:
            store.download(uri, folder / place)

    with ThreadPoolExecutor(_DOWNLOADS) as pool:
        for _ in pool.map(fetch, files):
            pass


def list_below(store: Store, uri: str) -> Iterator[Tuple[str, PurePosixPath]]:
    """Every object below a prefix, with its place."""
    bucket, prefix = split_uri(uri)
    for key in store.keys(bucket, prefix):
        yield "s3://%s/%s" % (bucket, key), relative_path(key, prefix)


def relative_path(key: str, prefix: str) -> PurePosixPath:
    """Where a key lies below the channel's folder.

    A prefix that names a folder, with or without its last slash, is left out; one that names a file leaves the file's
    name; one that breaks off within a name leaves everything after the last slash before it.
    """
    if prefix and not prefix.endswith("/") and not key.startswith(prefix + "/"):
        prefix = prefix.rpartition("/")[0]
    return _inside(key[len(prefix) :].lstrip("/"), key)


def _list_prefix(store: Store, uri: str) -> Iterator[Tuple[str, PurePosixPath]]:
    return ((found, place) for found, place in list_below(store, uri) if place != PurePosixPath())


def _read_manifest(store: Store, uri: str) -> Iterator[Tuple[str, PurePosixPath]]:
    body, _ = store.read(*split_uri(uri))
    try:
        head, *suffixes = json.loads(body.decode("utf-8"))
        base = str(head["prefix"])
    except (ValueError, KeyError, TypeError) as error:
        raise ChannelProblem(
            'ClientError: the manifest %s is no JSON list of {"prefix": "s3://bucket/path/"} and keys: %s'
            % (uri, error)
        ) from error
    for suffix in suffixes:
        if not isinstance(suffix, str):
            raise ChannelProblem("ClientError: the manifest %s names %r, which is no key" % (uri, suffix))
        yield base + suffix, _inside(suffix, base + suffix)


def _inside(path: str, key: str) -> PurePosixPath:
    found = PurePosixPath(path)
    if found.is_absolute() or ".." in found.parts or "\0" in path:
        raise ChannelProblem("ClientError: the key %r lies outside the channel's folder" % key)
    return found
