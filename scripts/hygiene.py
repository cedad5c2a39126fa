"""Refuse what must not be committed: index addresses, home folders, private keys, AWS secrets."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FORBIDDEN = {
    "an index address": re.compile(r"--(extra-)?index-url|--find-links|(https?|file)://\S+/simple\b"),
    "a path of one machine": re.compile(r"(?<![\w.])/(home|root|Users)/[\w.]"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an AWS secret": re.compile(r"aws_secret_access_key\W{1,5}[A-Za-z0-9/+]{30,}", re.IGNORECASE),
}
# The rules themselves, and the commands that keep addresses out of the locks.
EXEMPT = frozenset({"scripts/hygiene.py", "Makefile"})


def main() -> int:
    """Print each offence with file and line; 1 when there is any."""
    listed = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.splitlines()
    offences = [offence for name in listed if name not in EXEMPT for offence in offences_in(Path(name))]
    for offence in offences:
        sys.stderr.write(offence + "\n")
    return 1 if offences else 0


def offences_in(path: Path) -> list[str]:
    """Look at one file's lines."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (UnicodeDecodeError, FileNotFoundError):
        return []
    return [
        f"{path}:{number}: holds {what}"
        for number, line in enumerate(lines, start=1)
        # The first lines of a lock tell the command that wrote it.
        if not (number < 3 and line.startswith("#"))
        for what, pattern in FORBIDDEN.items()
        if pattern.search(line)
    ]


if __name__ == "__main__":
    sys.exit(main())
