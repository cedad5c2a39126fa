"""What an instance is told to do: its user data, and the words of its power switch."""

import base64
import gzip
import json
from pathlib import Path

import pytest

from localcloud.engines.ec2_metadata_tree import Facts, find
from localcloud.engines.ec2_state import Power, PowerOrder, State, read_order
from localcloud.engines.ec2_user_data import decode_user_data, read_user_data, relocate


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("shutdown -h now", PowerOrder(Power.OFF)),
        ("shutdown now", PowerOrder(Power.OFF)),
        ("shutdown", PowerOrder(Power.OFF, 60)),
        ("shutdown -P +5 going", PowerOrder(Power.OFF, 300)),
        ("shutdown -r 0", PowerOrder(Power.REBOOT)),
        ("shutdown -c", PowerOrder(Power.CANCEL)),
        ("shutdown -k now", None),
        ("halt -p", PowerOrder(Power.OFF)),
        ("reboot", PowerOrder(Power.REBOOT)),
        ("booted 0", None),
        ("", None),
    ],
)
def test_the_power_programs_are_read_as_systemd_reads_them(line: str, order: PowerOrder | None) -> None:
    assert read_order(line) == order


def test_user_data_may_be_packed() -> None:
    script = b"#!/bin/sh\necho hi\n"
    assert read_user_data(gzip.compress(script)).scripts == (script,)
    assert "cannot be unpacked" in read_user_data(b"\x1f\x8bnonsense").notes[0]
    assert read_user_data(b"").scripts == ()


def test_text_that_is_no_base64_is_taken_as_it_is() -> None:
    assert decode_user_data(base64.b64encode(b"#!/bin/sh")) == b"#!/bin/sh"
    assert decode_user_data("#!/bin/sh") == b"#!/bin/sh"
    assert decode_user_data(None) == b""


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("/sbin/shutdown -h now", "/i/bin/shutdown -h now"),
        ("exec /usr/sbin/poweroff", "exec /i/bin/poweroff"),
        ("/usr/bin/sudo reboot", "/i/bin/sudo reboot"),
        ("echo A=b >> /etc/ecs/ecs.config", "echo A=b >> /i/etc/ecs/ecs.config"),
        ("ls /opt/sbin/shutdown /etc/ecsx", "ls /opt/sbin/shutdown /etc/ecsx"),
    ],
)
def test_a_script_cannot_name_this_machines_power_switch(said: str, meant: str) -> None:
    assert relocate(said.encode(), Path("/i")).decode() == meant


FACTS = Facts("i-1", "ami-1", "p3.2xlarge", "us-east-1", "us-east-1a", "1", "10.0.0.1", "ip", "spot", "r-1", 0)


def test_the_metadata_service_lists_names_and_gives_values() -> None:
    assert find(FACTS, "meta-data/placement/") == "availability-zone\nregion"
    assert find(FACTS, "meta-data/instance-id") == "i-1"
    assert find(FACTS, "meta-data/iam/info") is None
    assert find(FACTS, "meta-data/instance-id/more") is None
    assert find(FACTS, "meta-data/spot/instance-action") is None
    assert json.loads(find(FACTS, "dynamic/instance-identity/document") or "")["region"] == "us-east-1"


def test_each_state_has_ec2s_number() -> None:
    assert [state.code for state in State] == [0, 16, 32, 48, 64, 80]
