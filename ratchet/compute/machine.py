"""Refuses a kind of machine that AWS does not know, with those that look like it, before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from ratchet.aws import Aws
from ratchet.compute.cost import find_price
from ratchet.errors import SpecError

# Where the service's own model lists the types that its jobs may have.
_LISTS = {"sagemaker": ("sagemaker", "TrainingInstanceType"), "ec2": ("ec2", "InstanceType")}
_NEAR = 4


def require_known(aws: Aws, region: str, compute: str, *instance_types: str) -> None:
    """Refuse types that neither AWS's model nor the price table knows.

    Raises
    ------
    SpecError
        Names the first unknown type and near ones.
    """
    service, shape = _LISTS.get(compute, _LISTS["ec2"])
    client: Any = aws.client(service)
    known = list(client.meta.service_model.shape_for(shape).enum)
    for name in instance_types:
        if name not in known and find_price(region, name) is None:
            raise SpecError(f"there is no machine {name!r} for {compute}{_near(name, known)}. Nothing was spent")


def _near(name: str, known: Sequence[str]) -> str:
    found = get_close_matches(name, known, _NEAR, cutoff=0.5)
    return f"; near it are {', '.join(found)}" if found else ""
