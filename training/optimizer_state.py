"""What an optimizer remembers, in MXNet's own array format: `Trainer.save_states` would pickle it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import mxnet as mx


def save_state(trainer: Any, path: Path) -> int:
    """Write the moments of every parameter; return how many updates there have been."""
    states = trainer._updaters[0].states
    mx.nd.save(str(path), {name: array for index in states for name, array in _flatten(index, states[index])})
    return int(trainer._optimizer.num_update)


def load_state(trainer: Any, path: Path, updates: int) -> None:
    """Put back on every device what `save_state` wrote.

    Raises
    ------
    KeyError
        When the file is of another network or optimizer.
    """
    loaded = mx.nd.load(str(path))
    arrays: Dict[str, Any] = loaded if isinstance(loaded, dict) else {}
    optimizer = trainer._optimizer
    for position, updater in enumerate(trainer._updaters):
        for index, parameter in enumerate(trainer._params):
            if parameter.grad_req == "null" or not updates:
                continue
            weight = parameter.list_data()[position]
            state = optimizer.create_state_multi_precision(index, weight)
            for name, array in _flatten(index, state):
                arrays[name].copyto(array)
            updater.states[index], updater.states_synced[index] = state, True
            counts = optimizer._all_index_update_counts.setdefault(weight.context.device_id, {})
            counts[index] = updates
    optimizer.num_update = updates


def _flatten(index: int, state: Any) -> Iterator[Tuple[str, Any]]:
    """Name the arrays of a state, which is None, one array, or a tuple of such."""
    if isinstance(state, (tuple, list)):
        for place, part in enumerate(state):
            yield from (("%s.%d" % (name, place), array) for name, array in _flatten(index, part))
    elif state is not None:
        yield str(index), state
