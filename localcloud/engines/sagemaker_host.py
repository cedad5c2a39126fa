"""The hosts of one job: their names, their folders, and the /etc/hosts that their processes see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from localcloud.engines.sagemaker_layout import Layout
from localcloud.engines.sagemaker_listing import Listed
from localcloud.hostname import can_rename, name_hosts, under_hosts, write_hosts
from localcloud.journal import LogStream
from localcloud.process import Command


class Hosts:
    """One host, or several that find each other by name.

    Parameters
    ----------
    count
        How many.
    """

    def __init__(self, count: int) -> None:
        self._renaming = count > 1 and can_rename()
        self._hosts = name_hosts(count, renaming=self._renaming)
        self.names = tuple(host.name for host in self._hosts)

    def lay_out(self, folder: Path) -> list[Layout]:
        """Return the folders of each host below the job's own."""
        return [Layout(folder / name, name, self.names) for name in self.names]

    def open_streams(self, group: str, job: Listed, region: str) -> list[LogStream]:
        """Return each host's log stream, called as on AWS."""
        started = int(job.creation_time.timestamp())
        return [
            LogStream(group, f"{job.name}/algo-{number}-{started}", region=region)
            for number in range(1, len(self.names) + 1)
        ]

    def under_names(self, commands: Sequence[Command], folder: Path) -> list[Command]:
        """Return the commands, changed so that their processes know the hosts' names."""
        if not self._renaming:
            return list(commands)
        file = folder / "hosts"
        write_hosts(file, self._hosts)
        return [replace(command, argv=under_hosts(file, command.argv)) for command in commands]
