"""A residual network of 50 layers, pre-activation form. He et al., 2016."""

from __future__ import annotations

from mxnet.gluon import nn
from mxnet.gluon.model_zoo import vision


def build(classes: int, channels: int) -> nn.HybridBlock:
    """Input (batch, channels, height, width) from 32 x 32 pixels, output (batch, classes)."""
    net = vision.resnet50_v2(classes=classes)
    if channels != 3:
        # The first layers of the zoo's network are made for RGB.
        first = net.features[1]
        net.features._children["0"] = nn.BatchNorm(scale=False, center=False, in_channels=channels)
        net.features._children["1"] = nn.Conv2D(
            first._channels, kernel_size=7, strides=2, padding=3, use_bias=False, in_channels=channels
        )
    return net
