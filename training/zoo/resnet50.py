"""A residual network of 50 layers, pre-activation form, from 32 x 32 pixels. He et al., 2016."""

from __future__ import annotations

from mxnet.gluon import nn
from mxnet.gluon.model_zoo import vision

from training.zoo._stem import adapt_stem


def build(classes: int, channels: int) -> nn.HybridBlock:
    """Input (batch, channels, height, width), output (batch, classes) of logits."""
    return adapt_stem(vision.resnet50_v2(classes=classes), channels)
