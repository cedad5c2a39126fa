"""The weights of the champion as a training's first ones, wherever they fit the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

import mxnet as mx

from ratchet.contract import ARCHIVE_FILE, PARAMS_FILE, ContractError
from training.container import DataProblem
from training.model import open_archive

_KINDS = ("arg:", "aux:")


def adopt_weights(net: Any, channel: Path, digest: str, *, scratch: Path, contexts: List[Any]) -> str:
    """Begin with an ancestor's weights; what has another name or shape keeps its own first values.

    A network whose classes have changed keeps all but its last layer.

    Parameters
    ----------
    channel
        Folder that holds the ancestor's `model.tar.gz`.
    digest
        SHA-256 that the archive must have.
    scratch
        A folder for it, which must not exist.

    Returns
    -------
    What was adopted, for the log.

    Raises
    ------
    DataProblem
        When the archive is not the one that was meant, or breaks the contract.
    """
    scratch.mkdir(parents=True)
    try:
        open_archive(channel / ARCHIVE_FILE, digest, scratch)
        loaded = mx.nd.load(str(scratch / PARAMS_FILE))
    except (ContractError, OSError, mx.MXNetError) as error:
        raise DataProblem("the champion's weights cannot be read: %s" % str(error).strip()) from error
    weights = {name[4:]: array for name, array in loaded.items() if name[:4] in _KINDS}
    parameters = dict(net.collect_params().items())
    fitting = [name for name, found in parameters.items() if name in weights and weights[name].shape == found.shape]
    for name in fitting:
        parameters[name].set_data(weights[name].as_in_context(contexts[0]))
    return "began with the champion's weights: %d of %d fit" % (len(fitting), len(parameters))
