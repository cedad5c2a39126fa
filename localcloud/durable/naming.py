"""Names of classes and functions in the journal: only moto's and localcloud's own, and a few plain ones, are taken.

A journal may come from somebody else (`restore`), so a name in it must not lead to code that does things. Objects are
made without calling anything of their class; a name outside the list is refused.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import FunctionType
from typing import Any

_PACKAGES = ("moto.", "localcloud.")
# Hands, not data: whoever needs one makes it anew.
_HANDS = frozenset(
    {"localcloud.process:Child", "localcloud.engines.ecs_runner:TaskRunner"}
    | {"localcloud.engines.lambda_url_server:UrlServer"}
    | {"localcloud.engines.ec2_machine:Machine", "localcloud.metric_query:Library"}
)
_PLAIN = frozenset(
    {"requests.structures:CaseInsensitiveDict", "builtins:dict", "builtins:list", "builtins:set", "builtins:int"}
    | {"builtins:str"}
)
_known: dict[type[Any], str] = {}


class Unwritable(Exception):
    """A value that is no data: a socket, a thread, a closure. Whoever holds it makes it anew."""


class NameRefused(Exception):
    """A name in the journal that is not on the list, or that nothing has any more."""


def is_ours(kind: type) -> bool:
    """Whether a class is moto's or localcloud's."""
    return kind.__module__.startswith(_PACKAGES)


def name_class(kind: type[Any]) -> str:
    """Return the name of a class.

    Raises
    ------
    Unwritable
        When it is not on the list, or cannot be found again by its name.
    """
    known = _known.get(kind)
    if known is not None:
        return known
    name = f"{kind.__module__}:{kind.__qualname__}"
    if "<locals>" in name or name in _HANDS or not (is_ours(kind) or name in _PLAIN):
        raise Unwritable(name)
    _known[kind] = name
    return name


@lru_cache(maxsize=4096)
def find_class(name: str) -> type:
    """Return the class of a name.

    Raises
    ------
    NameRefused
        When the name is not on the list, or leads to no class.
    """
    found = _find(name)
    if not isinstance(found, type):
        raise NameRefused(f"{name} is no class")
    return found


def name_function(function: FunctionType) -> str:
    """Return the name of a module's function; `Unwritable` for any other."""
    name = f"{function.__module__}:{function.__qualname__}"
    if not name.startswith(_PACKAGES) or "<" in name:
        raise Unwritable(name)
    return name


def find_function(name: str) -> FunctionType:
    """Return the function of a name; `NameRefused` when there is none."""
    found = _find(name)
    if not isinstance(found, FunctionType):
        raise NameRefused(f"{name} is no function")
    return found


def _find(name: str) -> Any:
    module, _, path = name.partition(":")
    if not (name.startswith(_PACKAGES) or name in _PLAIN):
        raise NameRefused(f"{name} is not on the list of classes that a journal may name")
    try:
        found: Any = importlib.import_module(module)
        for step in path.split("."):
            found = getattr(found, step)
    except (ImportError, AttributeError) as error:
        raise NameRefused(f"{name} is not known to this version of localcloud") from error
    own = (getattr(found, "__module__", None), getattr(found, "__qualname__", None))
    if own != (module, path):  # what a module has imported is not its own
        raise NameRefused(f"{name} is not on the list of classes that a journal may name")
    return found
