"""A multilayer perceptron: the plainest network there is, for a first look and for quick tests."""

from __future__ import annotations

from mxnet.gluon import nn


def build(classes: int, channels: int) -> nn.HybridBlock:
    """Input (batch, channels, height, width), output (batch, classes) of logits; two hidden layers."""
    net = nn.HybridSequential()
    net.add(nn.Flatten(), nn.Dense(128, activation="relu"), nn.Dense(64, activation="relu"), nn.Dense(classes))
    return net
