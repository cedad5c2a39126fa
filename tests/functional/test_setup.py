"""Setting up on a new machine: what is missing is said, nothing is done twice, every command that is named exists."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet.errors import UnavailableError
from ratchet.laptop.home import Ports
from ratchet.laptop.stack import Laptop

ROOT = Path(__file__).resolve().parents[2]
MAKE = shutil.which("make")
BASH = shutil.which("bash")
# What a plain machine has besides Python.
PLAIN = ("cat", "chmod", "cp", "dirname", "env", "grep", "ln", "ls", "mkdir", "mv", "rm", "sed", "touch", "uname")
SAYS_3_11 = '[ "$1" = -c ] && echo 3.11 && exit 0\n'
NOTING_UV = """echo "$*" >> calls
[ "$1" = venv ] || exit 0
for last; do :; done
mkdir -p "$last/bin" && cp "$0" "$last/bin/python"
"""
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))
AIRFLOW_PARTS = ("migrate", "api-server", "scheduler", "dag-processor", "triggerer", "worker")
MAKES_OWN = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "ARGS")
needs_make = pytest.mark.skipif(MAKE is None, reason="make is not installed")


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{BASH}\n{text}", "utf-8")
    path.chmod(0o755)


def run(*command: Any, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [str(word) for word in command]
    # A make that runs these tests is no parent of the make that they run.
    inherited = {name: value for name, value in os.environ.items() if name not in MAKES_OWN}
    return subprocess.run(
        argv, cwd=cwd, env=environment or inherited, capture_output=True, text=True, check=False, timeout=120
    )


# -- Python ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def plain_path(tmp_path) -> Path:
    """A PATH with everyday programs and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PLAIN:
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    return folder


def bootstrap(path: Path, target: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return run(BASH, ROOT / "scripts" / "bootstrap", target, PATH=str(path), **more)


def test_without_python_it_says_what_to_install(plain_path, tmp_path):
    done = bootstrap(plain_path, tmp_path / "venv")
    assert done.returncode == 2
    assert "Python 3.11 is missing: install it" in done.stderr
    assert "PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_another_python_is_no_python_3_11(plain_path, tmp_path):
    write_program(plain_path / "python3", "echo 3.12\n")
    write_program(plain_path / "python", "exit 1\n")
    assert bootstrap(plain_path, tmp_path / "venv").returncode == 2


def test_a_python_without_venv_is_told(plain_path, tmp_path):
    write_program(plain_path / "python3.11", f"{SAYS_3_11}exit 1\n")
    done = bootstrap(plain_path, tmp_path / "venv")
    assert done.returncode == 2
    assert "python3.11-venv" in done.stderr


def test_takes_the_python_that_it_is_told(plain_path, tmp_path):
    write_program(plain_path / "uv", "")
    write_program(plain_path / "python3.11", f"{SAYS_3_11}exit 1\n")
    write_program(tmp_path / "mine", f'{SAYS_3_11}[ "$1 $2" = "-m venv" ] && mkdir -p "$3/bin"\n')
    done = bootstrap(plain_path, tmp_path / "venv", PYTHON=str(tmp_path / "mine"))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "venv" / "bin" / "uv").resolve() == (plain_path / "uv").resolve()


# -- make ------------------------------------------------------------------------------------------------------------


@needs_make
def test_help_lists_every_target():
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    done = run(MAKE, "help")
    assert done.returncode == 0
    assert sorted(line.split()[0] for line in done.stdout.splitlines()) == sorted(phony.group(1).split())
    assert all(len(line.split()) > 1 for line in done.stdout.splitlines())


@pytest.fixture
def fresh_tree(tmp_path) -> Path:
    """The Makefile in a tree of its own, with a `uv` that only notes what it was asked."""
    tree = tmp_path / "tree"
    write_program(tree / "uv", NOTING_UV)
    write_program(tree / "scripts" / "bootstrap", "mkdir -p $1/bin && cp uv $1/bin/uv\n")
    shutil.copy(ROOT / "Makefile", tree)
    for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml", "training", "inference"):
        file = tree / name / "requirements.txt" if "." not in name else tree / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
        os.utime(file, (1_000_000_000, 1_000_000_000))
    return tree


def calls_of_make(tree: Path) -> list[str]:
    (tree / "calls").unlink(missing_ok=True)
    done = run(MAKE, cwd=tree)
    assert done.returncode == 0, done.stderr
    assert "ready: make demo" in done.stdout
    return (tree / "calls").read_text("utf-8").splitlines() if (tree / "calls").exists() else []


@needs_make
def test_make_alone_makes_both_environments_and_the_second_time_nothing(fresh_tree):
    first = calls_of_make(fresh_tree)
    assert [call for call in first if "--python .venv -r requirements.txt -r requirements-dev.txt" in call]
    assert [call for call in first if "--python .venv-mxnet -r training/requirements.txt" in call]
    assert calls_of_make(fresh_tree) == []
    assert "install" not in run(MAKE, "-n", "setup", cwd=fresh_tree).stdout


@needs_make
def test_a_changed_lock_is_installed_again_and_only_that_one(fresh_tree):
    calls_of_make(fresh_tree)
    later = (fresh_tree / ".venv-mxnet" / ".ready").stat().st_mtime + 10
    os.utime(fresh_tree / "training" / "requirements.txt", (later, later))
    (only,) = calls_of_make(fresh_tree)
    assert only.startswith("pip install")
    assert "--python .venv-mxnet " in only


@needs_make
def test_down_before_setup_is_no_failure(fresh_tree):
    assert run(MAKE, "down", cwd=fresh_tree).stdout.strip() == "nothing was running"


# -- ports -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def taken():
    """A port that another program listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("name", ["localcloud", "airflow", "service"])
def test_a_taken_port_is_told_with_the_option_that_moves_it(taken, tmp_path, name):
    free = Ports.find_free()
    ports = {part: getattr(free, part) for part in ("localcloud", "airflow", "service")} | {name: taken}
    laptop = Laptop(tmp_path / "home", Ports(**ports), lambda line: None)
    with pytest.raises(UnavailableError, match=f"port {taken} is in use.*--{name}-port"):
        laptop.up()
    assert laptop.table.read() == []


def test_up_at_a_taken_port_ends_with_two_and_starts_nothing(taken, tmp_path):
    free = Ports.find_free()
    options = ["--localcloud-port", free.localcloud, "--service-port", free.service, "--airflow-port", taken]
    environment = {"PATH": os.environ["PATH"], "RATCHET_HOME": str(tmp_path / "home")}
    done = run(sys.executable, "-m", "ratchet.cli.main", "up", *options, "--json", **environment)
    assert done.returncode == 2
    assert "--airflow-port" in json.loads(done.stdout)["error"]
    assert not (tmp_path / "home" / "environment.json").exists()


# -- docker-compose.yaml ---------------------------------------------------------------------------------------------

CHECK_AIRFLOW = """
import json, sys
from airflow.cli.cli_parser import get_parser
parser = get_parser()
for words in json.loads(sys.argv[1]):
    parser.parse_args(words)
    try:
        parser.parse_args([word for word in words if not word.startswith("-")][:2] + ["--help"])
    except SystemExit as end:
        assert not end.code, words
print("every command exists")
"""


def programs() -> list[list[str]]:
    """Every command and health check that runs in a container of ours."""
    found = []
    for name in (*AIRFLOW_PARTS, "localcloud"):
        service = COMPOSE["services"][name]
        found.append(service["command"])
        test = service.get("healthcheck", {}).get("test", [])
        found += [test[1].split() if test[0] == "CMD-SHELL" else test[1:]] if test else []
    return found


def test_airflow_knows_every_command_of_the_compose_file(tmp_path):
    commands = [words[1:] for words in programs() if words[0] == "airflow"]
    assert len(commands) == 9
    settings = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor"}
    done = run(sys.executable, "-c", CHECK_AIRFLOW, json.dumps(commands), PATH=os.environ["PATH"], **settings)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "every command exists"


def test_every_other_program_of_the_compose_file_is_one_that_the_image_has():
    first = {words[0] for words in programs()}
    assert first == {"airflow", "python", "celery", "curl"}
    assert "curl=" in (ROOT / "Dockerfile").read_text("utf-8")
    for name in ("airflow", "celery"):
        assert (Path(sys.executable).parent / name).exists()


def test_localcloud_takes_the_options_of_the_compose_file():
    done = run(sys.executable, "-m", "localcloud", "--help")
    assert done.returncode == 0
    for word in COMPOSE["services"]["localcloud"]["command"]:
        if word.startswith("--"):
            assert word in done.stdout


def environment_values() -> list[tuple[str, str, str]]:
    services = COMPOSE["services"]
    return [
        (name, key, str(value)) for name in services for key, value in services[name].get("environment", {}).items()
    ]


def test_the_compose_file_holds_no_secret():
    assert len(environment_values()) > 50
    for _, key, value in environment_values():
        if re.search(r"PASSWORD|SECRET|KEY|TOKEN|AUTH$", key) and not key.endswith("_FILE"):
            assert re.fullmatch(r"\$\{\w+:?\?[^}]+\}", value), key
        for password in re.findall(r"://[^:/@]*:(.+)@", value):
            assert password.startswith("${"), key
    assert "${REDIS_PASSWORD:?" in " ".join(COMPOSE["services"]["redis"]["command"])


def test_the_compose_file_publishes_on_the_loopback_address_alone():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def make_secrets(folder: Path) -> dict[str, str]:
    (folder / "scripts").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "scripts" / "compose-env", folder / "scripts")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = run(BASH, folder / "scripts" / "compose-env", PATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_compose_env_makes_every_variable_that_the_compose_file_requires(tmp_path):
    made = make_secrets(tmp_path)
    required = set(re.findall(r"\$\{(\w+):?\?", (ROOT / "docker-compose.yaml").read_text("utf-8")))
    assert required
    assert required <= set(made)
    assert all(len(value) >= 32 for value in made.values())
    assert len(set(made.values())) == len(made)
    from cryptography.fernet import Fernet

    Fernet(made["AIRFLOW_FERNET_KEY"])


def test_compose_env_makes_other_secrets_each_time(tmp_path):
    assert not set(make_secrets(tmp_path / "a").values()) & set(make_secrets(tmp_path / "b").values())


def test_compose_env_keeps_airflow_s_passwords_where_nobody_else_looks(tmp_path):
    (tmp_path / ".ratchet").mkdir(mode=0o755)
    make_secrets(tmp_path)
    file = tmp_path / COMPOSE["secrets"]["airflow_passwords"]["file"].split(":-")[1].rstrip("}")
    assert set(json.loads(file.read_text("utf-8"))) == {"admin", "alice"}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
