"""Lets the networks of MXNet's model zoo, which are made for RGB, take images with another number of channels."""

from __future__ import annotations

from mxnet.gluon import nn


def adapt_stem(net: nn.HybridBlock, channels: int) -> nn.HybridBlock:
    """Exchange the first normalisation and convolution of a pre-activation residual network."""
    if channels != 3:
        width = net.features[1]._channels
        net.features._children["0"] = nn.BatchNorm(scale=False, center=False, in_channels=channels)
        net.features._children["1"] = nn.Conv2D(
            width, kernel_size=7, strides=2, padding=3, use_bias=False, in_channels=channels
        )
    return net
