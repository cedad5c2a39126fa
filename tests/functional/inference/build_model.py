"""Writes a small model archive with fixed weights, as training would; run by the interpreter that has MXNet."""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path

import mxnet as mx
from mxnet.gluon import nn

from ratchet import contract


def build_network() -> nn.HybridSequential:
    network = nn.HybridSequential()
    network.add(nn.Conv2D(20, 5, activation="relu"), nn.MaxPool2D(2, 2))
    network.add(nn.Conv2D(50, 5, activation="relu"), nn.MaxPool2D(2, 2))
    network.add(nn.Dense(500, activation="relu"), nn.BatchNorm(), nn.Dense(10))
    return network


def main(folder: Path, channels: int) -> None:
    folder.mkdir(parents=True)
    mx.random.seed(7)
    network = build_network()
    network.initialize(mx.init.Xavier())
    network.hybridize()
    network(mx.nd.zeros((1, channels, 28, 28)))
    network.export(str(folder / "model"), epoch=0)
    labels = tuple(str(digit) for digit in range(10))
    signature = contract.Signature(
        channels=channels,
        height=28,
        width=28,
        labels=labels,
        mean=(101.0, 60.0, 128.0)[:channels],
        std=(0.3, 0.25, 0.5)[:channels],
        scale=1 / 255,
    )
    (folder / contract.SIGNATURE_FILE).write_text(json.dumps(signature.to_json()), "utf-8")
    (folder / contract.LABELS_FILE).write_text("\n".join(labels) + "\n", "utf-8")
    (folder / contract.METRICS_FILE).write_text("{}", "utf-8")
    contract.write_manifest(folder)
    with tarfile.open(str(folder.parent / contract.ARCHIVE_FILE), "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(str(path), arcname=path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
