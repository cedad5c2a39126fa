"""The folder of an instance: its disk, and the programs that stand in for those that would end this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from localcloud.engines.ec2_user_data import UserData, relocate

_POWER = ("shutdown", "poweroff", "halt", "reboot")
# A word to the instance's own power switch; the machine that this runs on is left alone.
_TELL = '#!/bin/sh\necho "$(basename "$0") $*" > {switch}\n'
_SUDO = """#!/bin/sh
# Everything runs as the same user already.
while [ $# -gt 0 ]; do
  case "$1" in
    -u|-g|-h|-p|-C|-r|-t) shift 2 ;;
    -*) shift ;;
    *=*) export "$1"; shift ;;
    *) break ;;
  esac
done
[ $# -eq 0 ] || exec "$@"
"""
_SYSTEMCTL = """#!/bin/sh
for word in "$@"; do
  case "$word" in
    poweroff|halt|reboot) exec "{bin}/$word" ;;
  esac
done
echo "systemctl: localcloud runs no services ($*)" >&2
"""
# The scripts one after the other; then the word that boot is over. What they left running goes on.
INIT = 'code=0; for part in "$@"; do "$part" || code=$?; done; echo "booted $code" > "$0"'
_LAST_ORDER = "booted"


class InstanceFolder:
    """Paths below one folder; `make` makes them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "root"
        self.bin = root / "bin"
        self.switch = root / "power"
        self._scripts = root / "var" / "lib" / "cloud" / "instance" / "scripts"

    def make(self) -> None:
        """Make the folders, the switch and the programs."""
        for folder in (self.home, self.bin, self.root / "tmp", self.root / "etc" / "ecs", self._scripts):
            folder.mkdir(parents=True, exist_ok=True)
        if not self.switch.exists():
            os.mkfifo(self.switch, 0o600)
        for name in _POWER:
            _write_program(self.bin / name, _TELL.format(switch=self.switch).encode())
        _write_program(self.bin / "sudo", _SUDO.encode())
        _write_program(self.bin / "systemctl", _SYSTEMCTL.format(bin=self.bin).encode())

    def write_scripts(self, user_data: UserData) -> list[Path]:
        """Write the scripts where cloud-init does, and return their paths in order."""
        paths = []
        for number, script in enumerate(user_data.scripts, start=1):
            path = self._scripts / f"part-{number:03}"
            _write_program(path, relocate(script, self.root))
            paths.append(path)
        return paths

    def read_cluster(self) -> str | None:
        """Return the ECS cluster that the instance's agent is to join; None when it has not been told one."""
        config = self.root / "etc" / "ecs" / "ecs.config"
        lines = config.read_text("utf-8", errors="replace").splitlines() if config.is_file() else []
        named = [line.partition("=")[2].strip().strip("\"'") for line in lines if line.startswith("ECS_CLUSTER=")]
        return named[-1] if named and named[-1] else None

    def remove(self) -> None:
        """Take the disk away."""
        shutil.rmtree(self.root, ignore_errors=True)


def read_boot(line: str) -> int | None:
    """Return the exit code in the word that boot is over, None for any other word."""
    word, _, code = line.strip().partition(" ")
    return int(code) if word == _LAST_ORDER and code.isdigit() else None


def _write_program(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o700)
