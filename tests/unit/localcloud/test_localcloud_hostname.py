"""Names and addresses for the hosts of a job: no two hosts of two jobs share an address."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.hostname import name_hosts, under_hosts, write_hosts


@given(st.lists(st.integers(2, 250), min_size=1, max_size=6), st.booleans())
def test_every_host_has_a_loopback_address_of_its_own(counts, renaming):
    hosts = [host for count in counts for host in name_hosts(count, renaming=renaming)]
    addresses = [ipaddress.ip_address(host.address) for host in hosts]
    assert all(address.is_loopback for address in addresses)
    assert len(set(addresses)) == len(addresses)
    assert ipaddress.ip_address("127.0.0.1") not in addresses


def test_several_hosts_are_called_as_on_aws_where_names_can_be_given():
    assert [host.name for host in name_hosts(3, renaming=True)] == ["algo-1", "algo-2", "algo-3"]


def test_several_hosts_are_called_by_their_addresses_elsewhere():
    assert all(host.name == host.address for host in name_hosts(3, renaming=False))


def test_one_host_is_this_machine():
    assert [(host.name, host.address) for host in name_hosts(1, renaming=True)] == [("localhost", "127.0.0.1")]


def test_more_hosts_than_addresses_are_refused():
    with pytest.raises(ValueError, match="250 hosts"):
        name_hosts(251, renaming=True)


def test_the_hosts_file_knows_the_names_before_what_it_knew(tmp_path):
    hosts = name_hosts(2, renaming=True)
    write_hosts(tmp_path / "hosts", hosts)
    lines = (tmp_path / "hosts").read_text().splitlines()
    assert lines[:2] == [f"{host.address} {host.name}" for host in hosts]


def test_a_command_keeps_its_words_under_another_hosts_file(tmp_path):
    argv = ["python", "-c", 'print("a b")']
    assert list(under_hosts(tmp_path, argv))[-3:] == argv
