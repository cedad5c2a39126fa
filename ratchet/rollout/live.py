"""What each target serves now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ratchet.aws import Aws, Deployment
from ratchet.rollout.targets import make_target


def live_status(aws: Aws, deployment: Deployment, targets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each target the model version and digest that it serves, and the target's own details."""
    status: dict[str, dict[str, Any]] = {}
    for name in targets:
        seen = make_target(name, aws, deployment).observe()
        serves = seen.get("desired_count", 1) != 0 and bool(seen["digest"])
        version, digest = seen.pop("model_version"), seen.pop("digest")
        status[name] = {"version": version if serves else None, "digest": digest if serves else None, "details": seen}
    return status
