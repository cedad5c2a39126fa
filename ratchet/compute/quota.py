"""Whether the account may have a machine at all: AWS's Service Quotas, asked before a job is started."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratchet.aws import Aws, translate_errors
from ratchet.compute.placement import Offer
from ratchet.errors import RatchetError

IAM_ACTIONS = ("servicequotas:ListServiceQuotas", "servicequotas:GetServiceQuota", "ec2:DescribeInstanceTypes")
_PAGE = 100
# EC2 counts virtual processors by family, on demand and Spot:
# docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
_STANDARD = ("L-1216C47A", "L-34B43A08")
_GRAPHICS = ("L-DB2E81BA", "L-3819A6DF")
_FAMILIES: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys("acdhimrtz", _STANDARD),
    "p": ("L-417A185B", "L-7212CCBC"),
    "g": _GRAPHICS,
    "vt": _GRAPHICS,
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Quota:
    """What an account may use at once."""

    service: str
    code: str
    name: str
    value: float

    def tell_shortfall(self, needed: float, region: str) -> str:
        """One sentence when the quota is less than what is needed; empty when it is enough."""
        if self.value >= needed:
            return ""
        return (
            f"the account's quota {self.name!r} in {region} is {self.value:g}, and {needed:g} is needed. Ask for it: "
            f"aws service-quotas request-service-quota-increase --service-code {self.service} "
            f"--quota-code {self.code} --desired-value {needed:g}"
        )


class Quotas:
    """Looks quotas up. What is in use already is AWS's to count: it refuses the job then.

    A quota that cannot be read, or that AWS does not list, stops nothing.
    """

    def __init__(self, aws: Aws, region: str) -> None:
        self._aws = aws
        self._region = region
        self._known: dict[str, Mapping[str, Quota]] = {}

    def find_shortfall(self, offer: Offer, count: int) -> str:
        """Why so many of these machines can never be had, in one sentence; empty when nothing is known against it."""
        try:
            if offer.compute == "sagemaker":
                kind = "spot training" if offer.spot else "training"
                found = self._list("sagemaker").get(f"{offer.instance_type} for {kind} job usage")
                return found.tell_shortfall(count, self._region) if found else ""
            if offer.compute == "ec2":
                return self._find_ec2(offer, count)
        except RatchetError as error:
            _log.warning("the quota of %s is not known: %s", offer, error)
        return ""

    def _list(self, service: str) -> Mapping[str, Quota]:
        """Every quota of a service by its name; read once, since there are many pages."""
        if service not in self._known:
            client: Any = self._aws.client("service-quotas")
            request: dict[str, Any] = {"ServiceCode": service, "MaxResults": _PAGE}
            found: dict[str, Quota] = {}
            with translate_errors(f"read the quotas of {service}"):
                while True:
                    answer = client.list_service_quotas(**request)
                    found |= {entry["QuotaName"]: _quota(entry) for entry in answer["Quotas"]}
                    if not answer.get("NextToken"):
                        break
                    request["NextToken"] = answer["NextToken"]
            self._known[service] = found
        return self._known[service]

    def _find_ec2(self, offer: Offer, count: int) -> str:
        family = re.match("[a-z]*", offer.instance_type)
        codes = _FAMILIES.get(family.group() if family else "")
        if codes is None:
            return ""
        ec2, quotas = self._aws.client("ec2"), self._aws.client("service-quotas")
        with translate_errors(f"read the quota of {offer}"):
            types = ec2.describe_instance_types(InstanceTypes=[offer.instance_type])["InstanceTypes"]
            found = _quota(quotas.get_service_quota(ServiceCode="ec2", QuotaCode=codes[offer.spot])["Quota"])
        processors = int(types[0]["VCpuInfo"]["DefaultVCpus"]) * count
        return found.tell_shortfall(processors, self._region)


def _quota(entry: Mapping[str, Any]) -> Quota:
    return Quota(entry["ServiceCode"], entry["QuotaCode"], entry["QuotaName"], float(entry["Value"]))
