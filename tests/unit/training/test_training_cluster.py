"""Where a process is among a job's hosts, and what it then tells MXNet."""

from __future__ import annotations

import pytest

from training.cluster import ALONE, Group, find_place
from training.container import Container, DataProblem


def resolve(name):
    return {"algo-1": "10.0.0.1", "algo-2": "10.0.0.2"}[name]


@pytest.mark.parametrize("hosts", [[], ["algo-1"]])
def test_one_host_is_alone_whatever_it_is_called(hosts):
    assert find_place(hosts, "anything", resolve) == ALONE


def test_the_first_host_leads_and_all_meet_at_its_address():
    hosts = ["algo-1", "algo-2"]
    first, second = (find_place(hosts, host, resolve) for host in hosts)
    assert (first.rank, first.leads, second.rank, second.leads) == (0, True, 1, False)
    assert first.environment["DMLC_PS_ROOT_URI"] == second.environment["DMLC_PS_ROOT_URI"] == "10.0.0.1"
    assert second.environment["DMLC_NODE_HOST"] == "10.0.0.2"
    assert second.environment["DMLC_NUM_WORKER"] == second.environment["DMLC_NUM_SERVER"] == "2"


def test_a_host_that_is_not_among_the_hosts_is_a_problem():
    with pytest.raises(DataProblem, match=r"algo-1, algo-2.*algo-9"):
        find_place(["algo-1", "algo-2"], "algo-9", resolve)


def test_alone_a_sum_is_what_was_said_to_the_last_bit():
    with Group(ALONE) as group:
        assert group.total([0.1, 16_777_217]) == [0.1, 16_777_217]
        group.agree(3, "anything")
        assert group.kvstore is None


def test_several_gpus_of_one_host_share_by_mxnets_device_store():
    assert Group(ALONE, gpus=4).kvstore == "device"


def test_the_toolkit_s_variables_name_the_hosts():
    container = Container({"SM_HOSTS": '["algo-1", "algo-2"]', "SM_CURRENT_HOST": "algo-2"})
    assert (container.hosts, container.current_host) == (["algo-1", "algo-2"], "algo-2")
    assert Container({}).hosts == []
