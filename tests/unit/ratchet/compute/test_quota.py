"""Quotas: what is read, how much is needed, and what the sentence says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from ratchet.compute.placement import Offer
from ratchet.compute.quota import Quotas


def quota(name, value, service="sagemaker", code="L-1"):
    return {"ServiceCode": service, "QuotaCode": code, "QuotaName": name, "Value": value}


class FakeQuotas:
    """Pages of one quota each, and EC2's by their codes."""

    def __init__(self, *listed):
        self.listed, self.calls, self.asked = listed, 0, ""

    def list_service_quotas(self, *, ServiceCode, MaxResults, NextToken="0"):
        self.calls += 1
        place = int(NextToken)
        more = {"NextToken": str(place + 1)} if place + 1 < len(self.listed) else {}
        return {"Quotas": [self.listed[place]], **more}

    def get_service_quota(self, *, ServiceCode, QuotaCode):
        self.asked = QuotaCode
        return {"Quota": quota("virtual processors", 32.0, ServiceCode, QuotaCode)}


def make(fake):
    processors = {"InstanceTypes": [{"VCpuInfo": {"DefaultVCpus": 8}}]}
    clients = {"service-quotas": fake, "ec2": SimpleNamespace(describe_instance_types=lambda **_: processors)}
    return Quotas(SimpleNamespace(client=clients.__getitem__), "us-east-1")


def test_a_quota_is_found_on_any_page_and_all_are_read_once():
    fake = FakeQuotas(quota("other", 1.0), quota("ml.a.b for training job usage", 3.0, code="L-9"))
    quotas = make(fake)
    assert quotas.find_shortfall(Offer("sagemaker", "ml.a.b"), 3) == ""
    told = quotas.find_shortfall(Offer("sagemaker", "ml.a.b"), 4)
    assert told.startswith("the account's quota 'ml.a.b for training job usage' in us-east-1 is 3, and 4 is needed")
    assert told.endswith("--service-code sagemaker --quota-code L-9 --desired-value 4")
    assert fake.calls == 2


def test_spare_machines_have_a_quota_of_their_own():
    quotas = make(FakeQuotas(quota("ml.a.b for spot training job usage", 0.0)))
    assert "'ml.a.b for spot training job usage'" in quotas.find_shortfall(Offer("sagemaker", "ml.a.b", spot=True), 1)
    assert quotas.find_shortfall(Offer("sagemaker", "ml.a.b"), 1) == ""


@pytest.mark.parametrize(
    ("kind", "spot", "code"),
    [
        ("p3.2xlarge", False, "L-417A185B"),
        ("p3.2xlarge", True, "L-7212CCBC"),
        ("g4dn.xlarge", False, "L-DB2E81BA"),
        ("m5d.large", True, "L-34B43A08"),
    ],
)
def test_ec2_counts_virtual_processors_by_family(kind, spot, code):
    fake = FakeQuotas()
    quotas = make(fake)
    assert quotas.find_shortfall(Offer("ec2", kind, spot), 4) == ""
    assert "is 32, and 40 is needed" in quotas.find_shortfall(Offer("ec2", kind, spot), 5)
    assert fake.asked == code


def test_a_family_with_a_quota_that_is_not_known_stops_nothing():
    assert make(FakeQuotas()).find_shortfall(Offer("ec2", "inf1.xlarge"), 100) == ""


def test_a_quota_that_may_not_be_read_stops_nothing():
    def refuse(**_):
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "ListServiceQuotas")

    assert make(SimpleNamespace(list_service_quotas=refuse)).find_shortfall(Offer("sagemaker", "ml.a.b"), 1) == ""
