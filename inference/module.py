"""Runs a network through the mxnet package, bound once; the way in where the C predict interface is missing."""

from __future__ import annotations

import mxnet as mx
import numpy as np

from inference.failure import ModelError
from inference.store import Artefact
from ratchet import contract


class ModuleEngine:
    """One bound `mx.mod.Module`. Not thread-safe: the predictor calls it under its lock."""

    name = "module"

    def __init__(self, artefact: Artefact) -> None:
        signature = artefact.signature
        shape = (1, *signature.input_shape)
        try:
            symbol = mx.sym.load(str(artefact.folder / contract.SYMBOL_FILE))
            self._module = mx.mod.Module(symbol, data_names=[signature.input_name], label_names=None)
            self._module.bind(for_training=False, data_shapes=[(signature.input_name, shape)])
            self._module.set_params(*_load_params(artefact))
        except (mx.MXNetError, RuntimeError, ValueError) as error:
            raise ModelError("the network cannot be bound: %s" % str(error).splitlines()[0]) from error

    def forward(self, batch: np.ndarray) -> np.ndarray:
        """Scores (classes,) of one input; see `inference.engine.Engine`."""
        self._module.forward(mx.io.DataBatch([mx.nd.array(batch)]), is_train=False)
        return self._module.get_outputs()[0].asnumpy()[0].astype(np.float32)


def _load_params(artefact: Artefact) -> tuple:
    """Split a checkpoint's keys on `arg:` and `aux:`."""
    loaded = mx.nd.load(str(artefact.folder / contract.PARAMS_FILE))
    kinds: dict = {"arg": {}, "aux": {}}
    for key, value in loaded.items():
        kind, _, name = key.partition(":")
        if kind not in kinds:
            raise ModelError("%s holds the key %r, which is neither arg: nor aux:" % (contract.PARAMS_FILE, key))
        kinds[kind][name] = value
    return kinds["arg"], kinds["aux"]
