"""Runs a network through MXNet's C predict interface, which loads in a third of the time of `import mxnet`."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from typing import Any, Optional, Protocol, Tuple

import numpy as np

from inference.failure import ModelError
from inference.store import Artefact
from ratchet import contract

_CPU = 1
_MAX_PARAMS_BYTES = 2**31 - 1  # the interface counts in a C int


class Engine(Protocol):
    """A network bound once to one input shape."""

    name: str

    def forward(self, batch: np.ndarray) -> np.ndarray:
        """Scores (classes,), float32, of a batch of one, (1, *the signature's input_shape), float32."""


def load_engine(artefact: Artefact) -> Engine:
    """Bind the network of `artefact`: by the C interface, or through the mxnet package where that is missing."""
    library = find_library()
    if library is None or (artefact.folder / contract.PARAMS_FILE).stat().st_size > _MAX_PARAMS_BYTES:
        # Only here: importing mxnet takes two seconds.
        from inference.module import ModuleEngine

        return ModuleEngine(artefact)
    return CPredictEngine(artefact, library)


def find_library() -> Optional[ctypes.CDLL]:
    """MXNet's shared library with the C predict interface, without importing mxnet; None when there is none."""
    spec = importlib.util.find_spec("mxnet")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "libmxnet.so"
        if path.exists():
            library = ctypes.CDLL(str(path), ctypes.RTLD_LOCAL)
            library.MXGetLastError.restype = ctypes.c_char_p
            return library if hasattr(library, "MXPredCreate") else None
    return None


class CPredictEngine:
    """One `PredictorHandle`. Not thread-safe: the predictor calls it under its lock."""

    name = "c-predict"

    def __init__(self, artefact: Artefact, library: ctypes.CDLL) -> None:
        signature = artefact.signature
        self._library = library
        self._input = signature.input_name.encode("utf-8")
        self._shape = (1, *signature.input_shape)
        symbol = (artefact.folder / contract.SYMBOL_FILE).read_bytes()
        params = (artefact.folder / contract.PARAMS_FILE).read_bytes()
        self._handle = self._create(symbol, params)
        self._classes = self._count_outputs()

    def forward(self, batch: np.ndarray) -> np.ndarray:
        """Scores (classes,) of one input; see `Engine`."""
        data = np.ascontiguousarray(batch, dtype=np.float32)
        if data.shape != self._shape:
            raise ValueError("the input has shape %s, the network wants %s" % (data.shape, self._shape))
        scores = np.empty(self._classes, dtype=np.float32)
        self._call("MXPredSetInput", self._handle, self._input, _floats(data), ctypes.c_uint32(data.size))
        self._call("MXPredForward", self._handle)
        output, size = ctypes.c_uint32(0), ctypes.c_uint32(scores.size)
        self._call("MXPredGetOutput", self._handle, output, _floats(scores), size)
        return scores

    def _create(self, symbol: bytes, params: bytes) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self._call(
            "MXPredCreate",
            ctypes.c_char_p(symbol),
            ctypes.c_char_p(params),
            ctypes.c_int(len(params)),
            ctypes.c_int(_CPU),
            ctypes.c_int(0),
            ctypes.c_uint32(1),
            (ctypes.c_char_p * 1)(self._input),
            (ctypes.c_uint32 * 2)(0, len(self._shape)),
            (ctypes.c_uint32 * len(self._shape))(*self._shape),
            ctypes.byref(handle),
        )
        return handle

    def _count_outputs(self) -> int:
        shape, rank = ctypes.POINTER(ctypes.c_uint32)(), ctypes.c_uint32()
        reply: Tuple[Any, Any] = (ctypes.byref(shape), ctypes.byref(rank))
        self._call("MXPredGetOutputShape", self._handle, ctypes.c_uint32(0), *reply)
        sides = [shape[axis] for axis in range(rank.value)]
        if len(sides) != 2 or sides[0] != 1:
            raise ModelError("the network's output has shape %s, (1, classes) is wanted" % sides)
        return int(sides[1])

    def _call(self, function: str, *arguments: Any) -> None:
        if getattr(self._library, function)(*arguments) != 0:
            reason = self._library.MXGetLastError() or b"no reason given"
            raise ModelError("%s failed: %s" % (function, reason.decode("utf-8", "replace").splitlines()[0]))


def _floats(array: np.ndarray) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
