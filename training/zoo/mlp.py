"""A multilayer perceptron: the plainest network there is, for a first look and for quick tests."""

from __future__ import annotations

from mxnet.gluon import nn


def build(classes: int, channels: int) -> nn.HybridBlock:
    """Two hidden layers over the flattened image; `channels` is read from the first batch."""
    net = nn.HybridSequential()
    net.add(nn.Flatten(), nn.Dense(128, activation="relu"), nn.Dense(64, activation="relu"), nn.Dense(classes))
    return net
