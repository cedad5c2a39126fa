"""What a training job leaves in S3: model.tar.gz and output.tar.gz."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

from localcloud import storage
from localcloud.engines.sagemaker_failure import JobFailure

# Parameters of a network hardly compress; a higher level costs seconds and saves next to nothing.
_COMPRESSION_LEVEL = 1


def upload_folders(folders: Sequence[Path], uri: str, *, extra: Path | None = None) -> bool:
    """Pack the content of a folder, or of the same folder of several hosts, and put it at an S3 name.

    Parameters
    ----------
    folders
        Packed without their own names; they may be empty or missing. Of two files of one name the first host's counts.
    uri
        `s3://bucket/key` of the archive.
    extra
        A file to add beside the folders' content, if it exists.

    Returns
    -------
    Whether there was anything to pack.

    Raises
    ------
    JobFailure
        When the bucket does not exist.
    """
    members = {
        path.relative_to(folder).as_posix(): path for folder in reversed(folders) for path in sorted(folder.rglob("*"))
    }
    if extra is not None and extra.is_file():
        members[extra.name] = extra
    if not members:
        return False
    archive = folders[0].parent / f".{uri.rpartition('/')[2]}"
    with tarfile.open(archive, "w:gz", compresslevel=_COMPRESSION_LEVEL) as tar:
        for name, member in sorted(members.items()):
            tar.add(member, arcname=name, recursive=False)
    try:
        storage.put_object(*storage.split_uri(uri), archive)
    except storage.ObjectNotFound as error:
        raise JobFailure(f"ClientError: Artifact upload failed:{error}: The specified bucket does not exist") from error
    finally:
        archive.unlink()
    return True
