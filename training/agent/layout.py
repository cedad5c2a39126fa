"""The folders and the three files that a script-mode program finds under /opt/ml."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Mapping, Optional

_HOST = "localhost"  # the toolkit waits until the name of its host can be resolved
_GROUP = "homogeneousCluster"


class Layout:
    """Paths below the base folder.

    Parameters
    ----------
    base
        `/opt/ml`, unless the toolkit's own variable says otherwise.
    """

    def __init__(self, base: Optional[Path] = None) -> None:
        self.base = base or Path(os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml")
        self.model = self.base / "model"
        self.output = self.base / "output"
        self.output_data = self.output / "data"
        self.failure = self.output / "failure"
        self.checkpoints = self.base / "checkpoints"

    def channel(self, name: str) -> Path:
        """Where a channel's objects lie."""
        return self.base / "input" / "data" / name

    def prepare(self, request: Mapping[str, Any]) -> None:
        """Make the folders, empty, and write what the toolkit reads."""
        config = self.base / "input" / "config"
        shutil.rmtree(str(self.base / "input"), ignore_errors=True)
        for folder in (config, self.model, self.output_data, self.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
        channel = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
        described = {
            "hyperparameters": dict(request["hyperparameters"]),
            "inputdataconfig": {each["name"]: channel for each in request["channels"]},
            "resourceconfig": _resources(str(request["instance_type"])),
        }
        for name, content in described.items():
            (config / (name + ".json")).write_text(json.dumps(content), "utf-8")


def _resources(instance_type: str) -> Mapping[str, Any]:
    return {
        "current_host": _HOST,
        "current_instance_type": instance_type,
        "current_group_name": _GROUP,
        "hosts": [_HOST],
        "instance_groups": [{"instance_group_name": _GROUP, "instance_type": instance_type, "hosts": [_HOST]}],
        "network_interface_name": "lo",
    }
