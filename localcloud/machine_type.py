"""What machines of AWS's instance types have: moto's table, completed with the P3 family that it lacks."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from moto.ec2.models.instance_types import (
    INSTANCE_TYPE_OFFERINGS,
    INSTANCE_TYPES,
    InstanceType,
    InstanceTypeBackend,
)

_MODEL = "g4dn.xlarge"  # the type whose other properties the added ones borrow
_GPU = "V100"


@dataclass(frozen=True)
class Shape:
    """One machine: virtual CPUs, memory in MiB, and GPUs."""

    cpus: int
    memory_mib: int
    gpus: int


# https://aws.amazon.com/ec2/instance-types/p3/ ; the second figure is one GPU's memory in MiB.
_ADDED = {
    "p3.2xlarge": (Shape(8, 61 * 1024, 1), 16 * 1024),
    "p3.8xlarge": (Shape(32, 244 * 1024, 4), 16 * 1024),
    "p3.16xlarge": (Shape(64, 488 * 1024, 8), 16 * 1024),
}


def complete_types() -> None:
    """Add the P3 family to what DescribeInstanceTypes and DescribeInstanceTypeOfferings answer; once is enough."""
    for name, (shape, gpu_memory_mib) in _ADDED.items():
        if name not in INSTANCE_TYPES:
            INSTANCE_TYPES[name] = _describe(name, shape, gpu_memory_mib)
            InstanceTypeBackend.instance_types.append(InstanceType(name))
        for regions in INSTANCE_TYPE_OFFERINGS.values():
            for offerings in regions.values():
                _offer(name, offerings)


def find_shape(instance_type: str) -> Shape | None:
    """Return what a type of EC2 (`p3.2xlarge`) or SageMaker (`ml.p3.2xlarge`) has; None for an unknown one."""
    name = instance_type.removeprefix("ml.")
    if name in _ADDED:
        return _ADDED[name][0]
    found = INSTANCE_TYPES.get(name)
    if found is None:
        return None
    gpus = sum(int(gpu["Count"]) for gpu in (found.get("GpuInfo") or {}).get("Gpus", []))
    return Shape(int(found["VCpuInfo"]["DefaultVCpus"]), int(found["MemoryInfo"]["SizeInMiB"]), gpus)


def _describe(name: str, shape: Shape, gpu_memory_mib: int) -> dict[str, Any]:
    described: dict[str, Any] = copy.deepcopy(INSTANCE_TYPES[_MODEL])
    gpu = {"Name": _GPU, "Manufacturer": "NVIDIA", "Count": shape.gpus, "MemoryInfo": {"SizeInMiB": gpu_memory_mib}}
    described.update(
        InstanceType=name,
        CurrentGeneration=True,
        MemoryInfo={"SizeInMiB": shape.memory_mib},
        GpuInfo={"Gpus": [gpu], "TotalGpuMemoryInMiB": shape.gpus * gpu_memory_mib},
        VCpuInfo={"DefaultVCpus": shape.cpus, "DefaultCores": shape.cpus // 2, "DefaultThreadsPerCore": 2},
        InstanceStorageSupported=False,
    )
    described.pop("InstanceStorageInfo", None)
    return described


def _offer(name: str, offerings: list[dict[str, Any]]) -> None:
    places = {(each["LocationType"], each["Location"]) for each in offerings} if offerings else set()
    present = {each["Location"] for each in offerings if each["InstanceType"] == name}
    for kind, place in sorted(places):
        if place not in present:
            offerings.append({"InstanceType": name, "LocationType": kind, "Location": place})
