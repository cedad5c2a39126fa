"""What a training job leaves in S3: model.tar.gz and output.tar.gz."""

from __future__ import annotations

import tarfile
from pathlib import Path

from localcloud import storage
from localcloud.engines.sagemaker_failure import JobFailure

# Parameters of a network hardly compress; a higher level costs seconds and saves next to nothing.
_COMPRESSION_LEVEL = 1


def upload_folder(folder: Path, uri: str, *, extra: Path | None = None) -> bool:
    """Pack a folder's content and put it at an S3 name.

    Parameters
    ----------
    folder
        Packed without its own name; it may be empty or missing.
    uri
        `s3://bucket/key` of the archive.
    extra
        A file to add beside the folder's content, if it exists.

    Returns
    -------
    Whether there was anything to pack.

    Raises
    ------
    JobFailure
        When the bucket does not exist.
    """
    members = sorted(folder.iterdir()) if folder.is_dir() else []
    members += [extra] if extra is not None and extra.is_file() else []
    if not members:
        return False
    archive = folder.parent / f".{uri.rpartition('/')[2]}"
    with tarfile.open(archive, "w:gz", compresslevel=_COMPRESSION_LEVEL) as tar:
        for member in members:
            tar.add(member, arcname=member.name)
    try:
        storage.put_object(*storage.split_uri(uri), archive)
    except storage.ObjectNotFound as error:
        raise JobFailure(f"ClientError: Artifact upload failed:{error}: The specified bucket does not exist") from error
    finally:
        archive.unlink()
    return True
