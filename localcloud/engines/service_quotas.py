"""Service Quotas: what an account may have of each machine at once, for SageMaker's training jobs and for EC2.

moto knows the quotas of a VPC alone. Here an increase is granted at once, and a decrease too: so a test makes a
quota too small. docs/localcloud/sagemaker.md says what they hold back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

import botocore.session
from moto.core.exceptions import JsonRESTError
from moto.servicequotas.models import ServiceQuotasBackend, servicequotas_backends
from moto.servicequotas.responses import ServiceQuotasResponse

from localcloud.engine import Engine, Host
from localcloud.patch import change_classes

_INSTANCES = 100.0
_PROCESSORS = 1152.0
# docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
_EC2 = {
    "L-1216C47A": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    "L-417A185B": "Running On-Demand P instances",
    "L-DB2E81BA": "Running On-Demand G and VT instances",
    "L-34B43A08": "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
    "L-7212CCBC": "All P4, P3 and P2 Spot Instance Requests",
    "L-3819A6DF": "All G and VT Spot Instance Requests",
}
_NAMES = {"sagemaker": "Amazon SageMaker", "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)"}
_LONGEST_PAGE = 100


def engine() -> Engine:
    """Build the engine; found by this file's name."""
    return ServiceQuotasEngine()


class ServiceQuotasEngine:
    """Adds the quotas of machines to moto's."""

    name = "service_quotas"

    def __init__(self) -> None:
        self._undo: Callable[[], None] | None = None

    def install(self, host: Host) -> None:
        """Teach moto's responses the calls."""
        self._undo = improve_service_quotas()

    def resume(self) -> None:
        """Nothing runs here."""

    def close(self) -> None:
        """Take the change back."""
        if self._undo is not None:
            self._undo()


def improve_service_quotas() -> Callable[[], None]:
    """Teach moto's responses the calls; return what takes that back."""
    calls = {"list_service_quotas": _list, "get_service_quota": _get, "request_service_quota_increase": _change}
    return change_classes((ServiceQuotasResponse, name, call) for name, call in calls.items())


def training_quota(account: str, region: str, instance_type: str, *, spot: bool) -> tuple[str, float]:
    """Name and value of the quota that a training job on such a machine counts against."""
    name = _training_name(instance_type, spot=spot)
    backend = servicequotas_backends[account][region]
    return name, _changed(backend).get(_code(name), _INSTANCES)


@cache
def _quotas(service: str) -> Mapping[str, tuple[str, float]]:
    """Name and first value of each quota of a service by its code, in the order of the codes."""
    if service == "ec2":
        return {code: (name, _PROCESSORS) for code, name in sorted(_EC2.items())}
    if service != "sagemaker":
        return {}
    model = botocore.session.get_session().get_service_model("sagemaker")
    types: list[str] = cast("Any", model.shape_for("TrainingInstanceType")).enum
    names = [_training_name(kind, spot=spot) for kind in types for spot in (False, True)]
    return dict(sorted((_code(name), (name, _INSTANCES)) for name in names))


def _training_name(instance_type: str, *, spot: bool) -> str:
    return f"{instance_type} for {'spot ' if spot else ''}training job usage"


def _code(name: str) -> str:
    return f"L-{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}"


def _changed(backend: ServiceQuotasBackend) -> dict[str, float]:
    found: dict[str, float] = vars(backend).setdefault("changed_quotas", {})
    return found


def _list(response: ServiceQuotasResponse) -> str:
    asked = json.loads(response.body)
    known = list(_quotas(asked["ServiceCode"]))
    if not known:
        raise _missing(asked["ServiceCode"])
    start, size = int(asked.get("NextToken") or 0), int(asked.get("MaxResults") or _LONGEST_PAGE)
    page = [_describe(response, asked["ServiceCode"], code) for code in known[start : start + size]]
    more = {"NextToken": str(start + size)} if start + size < len(known) else {}
    return json.dumps({"Quotas": page, **more})


def _get(response: ServiceQuotasResponse) -> str:
    asked = json.loads(response.body)
    if asked["ServiceCode"] == "vpc":
        return json.dumps({"Quota": response.backend.get_service_quota("vpc", asked["QuotaCode"])})
    return json.dumps({"Quota": _describe(response, asked["ServiceCode"], asked["QuotaCode"])})


def _change(response: ServiceQuotasResponse) -> str:
    asked = json.loads(response.body)
    described = _describe(response, asked["ServiceCode"], asked["QuotaCode"])
    _changed(response.backend)[asked["QuotaCode"]] = float(asked["DesiredValue"])
    kept = {name: described[name] for name in ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName", "QuotaArn")}
    answer = {**kept, "Id": _code(described["QuotaArn"]), "DesiredValue": asked["DesiredValue"], "Status": "APPROVED"}
    return json.dumps({"RequestedQuota": answer})


def _describe(response: ServiceQuotasResponse, service: str, code: str) -> dict[str, Any]:
    if code not in _quotas(service):
        raise _missing(code)
    name, first = _quotas(service)[code]
    return {
        "ServiceCode": service,
        "ServiceName": _NAMES[service],
        "QuotaArn": f"arn:aws:servicequotas:{response.region}:{response.current_account}:{service}/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": _changed(response.backend).get(code, first),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _missing(what: str) -> JsonRESTError:
    return JsonRESTError("NoSuchResourceException", f"The request failed because {what} does not exist.")
