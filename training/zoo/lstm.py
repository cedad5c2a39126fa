"""A long short-term memory over the tokens of a text. Hochreiter and Schmidhuber, 1997."""

from __future__ import annotations

from typing import Any

from mxnet.gluon import nn, rnn

_WIDTH = 64


class Lstm(nn.HybridBlock):
    """Embeds tokens, reads them in order, and judges by what it has seen at the end and most strongly on the way."""

    def __init__(self, classes: int, tokens: int) -> None:
        super().__init__()
        with self.name_scope():
            self.embedding = nn.Embedding(tokens, _WIDTH)
            self.reader = rnn.LSTM(_WIDTH, layout="NTC", input_size=_WIDTH)
            self.dropout = nn.Dropout(0.25)
            self.judge = nn.Dense(classes)

    def hybrid_forward(self, F: Any, data: Any) -> Any:
        """From token numbers (batch, length) to logits (batch, classes)."""
        read = self.reader(self.embedding(data))
        last = F.slice_axis(read, axis=1, begin=-1, end=None).flatten()
        return self.judge(self.dropout(F.concat(read.max(axis=1), last, dim=1)))


def build(classes: int, channels: int) -> nn.HybridBlock:
    """Input (batch, length) of token numbers below `channels`, output (batch, classes) of logits."""
    return Lstm(classes, channels)
