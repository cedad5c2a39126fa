"""LeNet, two convolutions and two dense layers, for small images from 20 x 20 pixels. LeCun et al., 1998."""

from __future__ import annotations

from mxnet.gluon import nn


def build(classes: int, channels: int) -> nn.HybridBlock:
    """Input (batch, channels, height, width), output (batch, classes) of logits."""
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(20, kernel_size=5, activation="relu", in_channels=channels),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Conv2D(50, kernel_size=5, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Dense(128, activation="relu"),
        nn.Dropout(0.25),
        nn.Dense(classes),
    )
    return net
