"""What a job leaves in S3: folders as archives, packed the same way whoever packs them."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Dict, Optional

# Parameters of a network hardly compress; a higher level costs seconds and saves next to nothing.
_COMPRESSION_LEVEL = 1


def pack(folder: Path, archive: Path, extra: Optional[Path] = None) -> bool:
    """Pack the content of a folder, sorted by name and without its own name; False when there is nothing.

    Parameters
    ----------
    folder
        It may be missing.
    archive
        The file to write.
    extra
        A file to add beside the folder's content, if it exists.
    """
    members: Dict[str, Path] = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    if extra is not None and extra.is_file():
        members[extra.name] = extra
    if not members:
        return False
    with tarfile.open(str(archive), "w:gz", compresslevel=_COMPRESSION_LEVEL) as tar:
        for name, member in sorted(members.items()):
            tar.add(str(member), arcname=name, recursive=False)
    return True
