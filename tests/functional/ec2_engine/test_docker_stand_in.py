"""`docker` on an instance: the command of a container runs as itself, and what cannot be done is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from localcloud.engines.ec2_docker import write_docker
from localcloud.runtime import Runtime, Runtimes


@pytest.fixture
def docker(tmp_path: Path):
    program = tmp_path / "docker"
    runtimes = Runtimes([Runtime("*/mine:*", Path(sys.executable), (tmp_path,))])
    write_docker(program, tmp_path / "etc" / "images.json", runtimes)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": "/usr/bin:/bin",
            "TMPDIR": str(tmp_path),
            "AWS_ENDPOINT_URL": "http://h",
            "SECRET": "s",
        }
        return subprocess.run(
            [str(program), *words], env=environment, capture_output=True, text=True, input="", check=False, timeout=60
        )

    return run


def test_a_containers_command_finds_its_variables_and_none_of_the_instances(docker):
    script = 'echo "$A $AWS_ENDPOINT_URL [$SECRET]" "$@"; case "$SAGEMAKER_BASE_DIR" in */opt/ml) exit 7;; esac'
    options = ("--rm", "--gpus", "all", "--network=host", "--entrypoint", "/usr/bin/env", "-e", "A=b c")
    done = docker("run", *options, "reg/mine:1", "sh", "-c", script, "sh", "x y")
    assert (done.stdout, done.returncode) == ("b c http://h [] x y\n", 7)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "reg/other:1", "true"), "Unable to find image"),
        (("run", "-v", "/:/host", "reg/mine:1", "true"), "does not know the option -v"),
        (("run",), "at least 1 argument"),
        (("run", "reg/mine:1"), "give one"),
        (("build", "."), "does login, pull and run"),
        (("run", "reg/mine:1", "no-such-program"), "no-such-program"),
    ],
)
def test_what_cannot_be_done_is_said_with_dockers_own_code(docker, words, said):
    done = docker(*words)
    assert done.returncode == 125
    assert said in done.stderr


def test_login_and_pull_are_taken(docker):
    assert docker("login", "--username", "AWS", "--password-stdin", "reg").stdout == "Login Succeeded\n"
    assert docker("pull", "reg/mine:1").returncode == 0
