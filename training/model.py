"""A model's archive, checked before it is opened, and the network in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Sequence

import mxnet as mx
import numpy as np

from ratchet.contract import (
    ARCHIVE_FILE,
    KINDS,
    PARAMS_FILE,
    SIGNATURE_FILE,
    SYMBOL_FILE,
    ContractError,
    Signature,
    read_labels,
    sha256_file,
    unpack_archive,
    verify_manifest,
)
from training.container import DataProblem
from training.feed import make_feeder
from training.measure import softmax


class Model:
    """An artefact, checked and loaded.

    Parameters
    ----------
    channel
        Folder that holds its `model.tar.gz`.
    digest
        SHA-256 that the archive must have, in hexadecimal.
    scratch
        A folder for it, which must not exist.
    context
        MXNet's device.

    Raises
    ------
    DataProblem
        When the archive is not the one that was meant, or breaks the contract.
    """

    def __init__(self, channel: Path, digest: str, scratch: Path, context: Any) -> None:
        self.name = channel.name
        self._context = context
        scratch.mkdir(parents=True)
        try:
            open_archive(channel / ARCHIVE_FILE, digest, scratch)
            self.signature = _read_signature(scratch)
            self._net = mx.gluon.SymbolBlock.imports(
                str(scratch / SYMBOL_FILE), [self.signature.input_name], str(scratch / PARAMS_FILE), ctx=context
            )
        except (ContractError, OSError, ValueError, RuntimeError) as error:
            raise DataProblem("the model in channel %r is refused: %s" % (self.name, str(error).strip())) from error
        self._feed = make_feeder(self.signature)

    def take(self, statistics: Dict[str, Any]) -> None:
        """Be asked about the examples that these statistics were made of, whatever order their columns have.

        Raises
        ------
        DataProblem
            When the model is for examples of another kind, or needs a column that they do not have.
        """
        kind = KINDS.get(statistics.get("layout", "NCHW"))
        if kind != self.signature.kind:
            raise DataProblem(
                "the model in channel %r answers examples of kind %r, these are %r: a model of another kind needs "
                "a name of its own" % (self.name, self.signature.kind, kind)
            )
        self._feed = make_feeder(self.signature, statistics.get("features", ()))

    def answer(self, payloads: Sequence[bytes]) -> np.ndarray:
        """Probabilities for images, rows of a table or texts, fed as the model's own signature says.

        Shape (examples, classes), float64.

        Raises
        ------
        DataProblem
            When the network does not answer one number for each label.
        """
        batch = mx.nd.array(np.stack([self._feed(payload) for payload in payloads]), ctx=self._context)
        output = self._net(batch).asnumpy().astype(np.float64)
        if output.shape != (len(payloads), len(self.signature.labels)):
            raise DataProblem(
                "the model in channel %r answers shape %s, its signature names %d labels: train it again"
                % (self.name, output.shape, len(self.signature.labels))
            )
        return softmax(output) if self.signature.output == "logits" else output


def open_archive(archive: Path, digest: str, target: Path) -> None:
    """Unpack an archive that hashes to `digest` and keeps the contract; `ContractError` for any other."""
    if not digest:
        raise ContractError("no SHA-256 was given for it")
    actual = sha256_file(archive)
    if actual != digest.lower():
        raise ContractError("it has SHA-256 %s, expected %s" % (actual, digest))
    unpack_archive(archive, target)
    verify_manifest(target)


def _read_signature(folder: Path) -> Signature:
    signature = Signature.from_json(json.loads((folder / SIGNATURE_FILE).read_text("utf-8")))
    if read_labels(folder) != signature.labels:
        raise ContractError("its synset.txt and its signature name different labels")
    return signature
