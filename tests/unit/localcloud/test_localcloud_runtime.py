"""The table that maps container images to local interpreters."""

from pathlib import Path

import pytest

from localcloud.runtime import ImageNotFound, Runtimes

_DLC = "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38-ubuntu20.04-sagemaker"


@pytest.mark.parametrize(
    "image",
    [_DLC, _DLC.replace("training", "inference"), "1.dkr.ecr.us-east-1.amazonaws.com/ratchet-inference:abc@sha256:12"],
)
def test_the_images_of_the_product_have_a_runtime(image: str) -> None:
    runtime = Runtimes.load(mxnet_python=Path("/opt/mxnet/bin/python")).resolve(image)
    assert runtime.argv(["python", "-c", "1"]) == ("/opt/mxnet/bin/python", "-c", "1")


def test_an_unknown_image_names_the_file_to_add_it_to() -> None:
    with pytest.raises(ImageNotFound, match=r"nginx:latest.*runtimes\.toml"):
        Runtimes.load().resolve("nginx:latest")


def test_a_container_without_a_command_runs_the_command_of_its_image() -> None:
    runtime = Runtimes.load(mxnet_python=Path("/p")).resolve("ratchet-inference")
    assert runtime.argv() == ("/p", "-m", "inference.server")


def test_the_first_matching_pattern_wins(tmp_path: Path) -> None:
    table = tmp_path / "runtimes.toml"
    table.write_text(
        '[[runtime]]\nimage = "a*"\ncommand = ["first"]\n[[runtime]]\nimage = "ab"\ncommand = ["second"]\n'
    )
    assert Runtimes.load(table=table).resolve("ab").argv() == ("first",)


def test_an_entry_with_an_unknown_interpreter_is_refused_with_its_file(tmp_path: Path) -> None:
    table = tmp_path / "runtimes.toml"
    table.write_text('[[runtime]]\nimage = "a"\npython = "perl"\n')
    with pytest.raises(ValueError, match="perl") as refused:
        Runtimes.load(table=table)
    assert str(table) in str(refused.value)
