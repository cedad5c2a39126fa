"""What the instance metadata service knows: a tree of names, built anew for each question."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """What an instance is told about itself.

    Attributes
    ----------
    role, credentials
        Of the instance profile: the role's name, and the document of its credentials; None without one.
    tags
        None unless the instance may read its tags.
    spot_action
        The notice of an interruption, `{"action": ..., "time": ...}`; None while there is none.
    """

    instance_id: str
    image_id: str
    instance_type: str
    region: str
    zone: str
    account: str
    address: str
    host_name: str
    life_cycle: str
    reservation_id: str
    launch_index: int
    user_data: bytes = b""
    profile_arn: str | None = None
    role: str | None = None
    credentials: Mapping[str, Any] | None = None
    tags: Mapping[str, str] | None = None
    spot_action: Mapping[str, str] | None = None
    security_groups: tuple[str, ...] = field(default_factory=tuple)


def find(facts: Facts, path: str) -> str | bytes | None:
    """Return what a path below `/latest/` holds: a value, or the names below it; None for neither.

    Parameters
    ----------
    path
        For example `meta-data/placement/region`.
    """
    node: Any = {"meta-data": _meta_data(facts), "user-data": facts.user_data or None, "dynamic": _dynamic(facts)}
    for name in filter(None, path.split("/")):
        if not isinstance(node, Mapping) or node.get(name) is None:
            return None
        node = node[name]
    if isinstance(node, Mapping):
        return "\n".join(f"{name}/" if isinstance(value, Mapping) else name for name, value in _present(node))
    return node if isinstance(node, bytes) else str(node)


def _present(node: Tree) -> list[tuple[str, Any]]:
    return sorted((name, value) for name, value in node.items() if value is not None)


def _meta_data(facts: Facts) -> Tree:
    spot = facts.spot_action
    return {
        "ami-id": facts.image_id,
        "ami-launch-index": str(facts.launch_index),
        "hostname": facts.host_name,
        "iam": _iam(facts),
        "instance-id": facts.instance_id,
        "instance-life-cycle": facts.life_cycle,
        "instance-type": facts.instance_type,
        "local-hostname": facts.host_name,
        "local-ipv4": facts.address,
        "placement": {"availability-zone": facts.zone, "region": facts.region},
        "reservation-id": facts.reservation_id,
        "security-groups": "\n".join(facts.security_groups) or None,
        "services": {"domain": "amazonaws.com", "partition": "aws"},
        "spot": None if spot is None else {"instance-action": json.dumps(dict(spot)), "termination-time": spot["time"]},
        "tags": None if facts.tags is None else {"instance": dict(facts.tags)},
    }


def _iam(facts: Facts) -> Tree | None:
    if facts.role is None or facts.credentials is None:
        return None
    info = {"Code": "Success", "InstanceProfileArn": facts.profile_arn}
    return {"info": json.dumps(info), "security-credentials": {facts.role: json.dumps(dict(facts.credentials))}}


def _dynamic(facts: Facts) -> Tree:
    document = {
        "accountId": facts.account,
        "architecture": "x86_64",
        "availabilityZone": facts.zone,
        "imageId": facts.image_id,
        "instanceId": facts.instance_id,
        "instanceType": facts.instance_type,
        "privateIp": facts.address,
        "region": facts.region,
        "version": "2017-09-30",
    }
    return {"instance-identity": {"document": json.dumps(document)}}
