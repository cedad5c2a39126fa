"""A laptop's stack: its secrets are its owner's, its ports are said once, and the command line finds it."""

from __future__ import annotations

import json
import os
import stat
import sys

import pytest
from typer.testing import CliRunner

from ratchet.cli.main import app
from ratchet.cli.stack import choose_ports
from ratchet.errors import SpecError
from ratchet.laptop.home import Home, Ports, adopt_environment, airflow_environment, aws_environment
from ratchet.laptop.stack import Laptop


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path / "home")


def test_secrets_are_made_once_and_only_their_owner_reads_them(home):
    first = home.make_secrets(("alice",))
    again = home.make_secrets(("alice", "bob"))
    assert {name: again[name] for name in first} == first
    assert home.password("alice") == first["password:alice"]
    assert home.aws_key() == home.aws_key()
    assert len(set(again.values())) == len(again)
    for file in [*(home.folder / "airflow").iterdir(), home.folder / "aws-key.json"]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_command_line_finds_the_stack_that_is_up_and_prefers_its_own_environment(home, monkeypatch):
    monkeypatch.setenv("RATCHET_STACK", "mine")
    monkeypatch.setenv("RATCHET_AIRFLOW_URL", "to be restored")
    monkeypatch.delenv("RATCHET_AIRFLOW_URL")
    home.remember_environment({"RATCHET_STACK": "theirs", "RATCHET_AIRFLOW_URL": "http://localhost:1"})
    adopt_environment(home.folder)
    assert (os.environ["RATCHET_STACK"], os.environ["RATCHET_AIRFLOW_URL"]) == ("mine", "http://localhost:1")


def test_the_stack_is_asked_with_its_own_key_and_never_with_another_cloud_s(home, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.setenv(name, "a real cloud's")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "to be restored")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    told = {name: value for name, value in aws_environment(home, Ports(), home.folder).items() if "AWS" in name}
    home.remember_environment(told)
    adopt_environment(home.folder)
    assert os.environ.items() >= told.items()
    assert not {"AWS_SESSION_TOKEN", "AWS_PROFILE"} & set(os.environ)


def test_another_endpoint_keeps_its_own_key(home, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    home.remember_environment({"AWS_ENDPOINT_URL": "http://localhost:2", "AWS_ACCESS_KEY_ID": "theirs"})
    adopt_environment(home.folder)
    assert os.environ["AWS_ACCESS_KEY_ID"] == "mine"


def test_a_stack_that_is_down_is_forgotten(home):
    home.remember_environment({"A": "b"})
    home.forget_environment()
    home.forget_environment()
    assert home.read_environment() == {}


def test_airflow_gets_its_secrets_from_the_home_and_listens_on_the_loopback_address(home):
    keys = home.make_secrets(("alice",))
    made = airflow_environment(home, Ports(), keys, {"alice": "op"})
    assert made["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert made["AIRFLOW__API__SECRET_KEY"] == keys["api"]
    assert made["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "alice:op"
    assert keys["password:alice"] not in json.dumps(made)


@pytest.mark.parametrize("airflow", [1, 8080, 64_533, 64_534, 64_535, 65_535])
def test_every_port_that_follows_from_airflow_s_exists(airflow):
    ports = choose_ports(4566, airflow, 8090)
    assert all(0 < port < 65_536 for port in (ports.worker_log, ports.trigger_log))
    assert len({ports.airflow, ports.worker_log, ports.trigger_log}) == 3


def test_two_parts_cannot_share_a_port(tmp_path):
    free = Ports.find_free()
    laptop = Laptop(tmp_path, Ports(free.localcloud, free.service, free.service), lambda line: None)
    with pytest.raises(SpecError, match="three different ports"):
        laptop.up()
    assert laptop.table.read() == []


@pytest.mark.parametrize("port", ["0", "-1", "65536", "eighty"])
def test_a_port_that_cannot_be_is_refused(port):
    done = CliRunner().invoke(app, ["up", "--airflow-port", port])
    assert done.exit_code == 2
    assert "--airflow-port" in done.stderr


def test_a_stack_that_is_up_elsewhere_is_left_alone(tmp_path):
    ports, other = Ports.find_free(), Ports.find_free()
    laptop = Laptop(tmp_path, ports, lambda line: None)
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    running = laptop.table.start("localcloud", sleeper, environment=dict(os.environ), cwd=tmp_path)
    try:
        laptop.home.remember_environment(aws_environment(Home(tmp_path), ports, tmp_path))
        with pytest.raises(SpecError, match=f"up already, at http://localhost:{ports.localcloud}.*ratchet down"):
            Laptop(tmp_path, other, lambda line: None).up()
        assert running.alive()
        assert [laptop.down(), laptop.down()] == [["localcloud"], []]
    finally:
        laptop.table.stop()
    assert not running.alive()
