"""CloudFormation's DeleteStack: what refers to others goes before them; what cannot go makes it DELETE_FAILED."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from moto.cloudformation.parsing import clean_json
from moto.core.exceptions import ServiceException
from werkzeug.exceptions import HTTPException

_REFERRED = re.compile(r"\$\{(\w+)")  # in the text of Fn::Sub
_RETAINED = "Retain"


class DeletionFailedError(Exception):
    """Some resources are still there; the message names them and says why."""


def delete_resources(resources: Any) -> None:
    """Delete what a stack made, in place of moto's `ResourceMap.delete`.

    moto deletes in no order and with references that were not looked up, so that types which need them fail.

    Raises
    ------
    DeletionFailedError
        When a service refused; everything that could go is gone.
    """
    made = resources._parsed_resources
    definitions = {
        name: clean_json(definition, resources)
        for name, definition in resources._resource_json_map.items()
        if made.get(name) is not None
    }
    refused: list[str] = []
    for name in dependents_first({name: resources._resource_json_map[name] for name in definitions}):
        if definitions[name].get("DeletionPolicy") == _RETAINED or isinstance(made[name], str):
            continue
        try:
            resources._delete_resource(made[name], definitions[name])
            made.pop(name)
        except (ServiceException, HTTPException) as error:
            refused.append(f"{name} ({getattr(error, 'message', error)})")
    if refused:
        raise DeletionFailedError(f"The following resource(s) failed to delete: [{', '.join(refused)}].")


def dependents_first(definitions: Mapping[str, Any]) -> list[str]:
    """Names of resources, each before those that it refers to; as they stand when they refer in a ring."""
    known = {name: {other for other in _referred(body) if other in definitions} for name, body in definitions.items()}
    try:
        return list(TopologicalSorter(known).static_order())[::-1]
    except CycleError:
        return list(definitions)


def keep_what_failed(delete_stack: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    """Keep a stack that could not be deleted whole; moto forgets it before it begins."""

    def delete(self: Any, name_or_stack_id: str) -> None:
        stacks = [one for one in self.stacks.values() if name_or_stack_id in (one.name, one.stack_id)]
        exports = dict(self.exports)
        try:
            delete_stack(self, name_or_stack_id)
        except DeletionFailedError as error:
            for stack in stacks:
                self.stacks[stack.stack_id] = stack
                stack._add_stack_event("DELETE_FAILED", resource_status_reason=str(error))
                stack.status = "DELETE_FAILED"
            self.exports.update(exports)

    return delete


def _referred(body: Any) -> Iterator[str]:
    """Every name that a definition may refer to."""
    if isinstance(body, str):
        yield from _REFERRED.findall(body)
    elif isinstance(body, list):
        for part in body:
            yield from _referred(part)
    elif isinstance(body, dict):
        for key, value in body.items():
            if key in {"Ref", "DependsOn", "Fn::GetAtt"}:
                first = value if isinstance(value, list) else [value]
                yield from (str(name).split(".")[0] for name in first)
            else:
                yield from _referred(value)
