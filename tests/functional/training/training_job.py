"""Runs the training programs the way AWS's toolkit does: another interpreter, `SM_*` variables, nothing else."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[3]
PYTHON = Path(os.environ.get("RATCHET_MXNET_PYTHON") or ROOT / ".venv-mxnet/bin/python")
SIZE = 12
_LIMIT_SECONDS = 120


class Job:
    """One run of a program in a folder shaped like /opt/ml; a second run finds the first one's checkpoints."""

    def __init__(self, folder: Path, program: str, channels: Mapping[str, Path]) -> None:
        self.folder = folder
        self.program = program
        self.channels = dict(channels)
        self.environment: dict[str, str] = {}
        self.log = ""

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def reason(self) -> str:
        """What SageMaker would show as FailureReason."""
        return (self.folder / "output/failure").read_text("utf-8")

    def start(self, **options: object) -> subprocess.Popen[str]:
        for name in ("model", "output"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "SAGEMAKER_BASE_DIR": str(self.folder),
            "SM_MODEL_DIR": str(self.model),
            "SM_OUTPUT_DIR": str(self.folder / "output"),
            "SM_NUM_GPUS": "0",
            **self.environment,
            **{f"SM_CHANNEL_{name.upper()}": str(path) for name, path in self.channels.items()},
        }
        arguments = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
        return subprocess.Popen(
            [str(PYTHON), "--", f"training/{self.program}.py", *arguments],
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> int:
        try:
            self.log = process.communicate(timeout=_LIMIT_SECONDS)[0]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode

    def run(self, **options: object) -> int:
        return self.finish(self.start(**options))

    def must(self, **options: object) -> Job:
        assert self.run(**options) == 0, self.log
        return self

    def pack(self) -> Path:
        """The channel that the next job gets: a folder with this one's model.tar.gz."""
        return pack(self.model, self.folder / "packed")


def pack(folder: Path, channel: Path) -> Path:
    channel.mkdir()
    with tarfile.open(channel / "model.tar.gz", "w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    return channel


def digest(channel: Path) -> str:
    return hashlib.sha256((channel / "model.tar.gz").read_bytes()).hexdigest()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something holds; a process that ends before is an error."""
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "this never came true"
        time.sleep(0.005)


def encode(pixels: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


class Dataset:
    """Small grey images on disk with a manifest: a class is where a bright stripe is."""

    def __init__(self, folder: Path) -> None:
        self.images = folder / "dataset"
        self.manifest = folder / "manifest"
        self.entries: list[dict[str, object]] = []

    @property
    def channels(self) -> dict[str, Path]:
        return {"dataset": self.images, "manifest": self.manifest}

    def add(self, key: str, content: bytes) -> None:
        path = self.images / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        checksum = "etag:" + hashlib.md5(content).hexdigest()
        self.entries.append({"key": key, "version_id": "1", "size": len(content), "checksum": checksum})

    def freeze(self) -> Dataset:
        self.manifest.mkdir(exist_ok=True)
        head = {"format": 2, "dataset": "stripes", "version": "5" * 64, "prefix": "datasets/stripes/"}
        rows = [[entry[name] for name in ("key", "version_id", "size", "checksum")] for entry in self.entries]
        lines = "".join(json.dumps(line) + "\n" for line in [head, *rows])
        (self.manifest / "stripes.jsonl").write_text(lines)
        return self


def draw_stripes(folder: Path, *, classes: int = 3, each: int = 40, seed: int = 0) -> Dataset:
    """A dataset that a small network can learn in a few epochs."""
    dataset, noise = Dataset(folder), np.random.default_rng(seed)
    for number in range(classes * each):
        label = number % classes
        pixels = noise.integers(0, 200, (SIZE, SIZE), dtype=np.uint8)
        pixels[:, 3 * label : 3 * label + 3] += 40
        dataset.add(f"{'abcdefgh'[label]}/stripe-{number:04d}.png", encode(pixels))
    return dataset.freeze()


SHAPE = {"channels": 1, "height": SIZE, "width": SIZE}
