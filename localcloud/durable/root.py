"""moto's backends by name: service, account, region."""

from __future__ import annotations

from typing import Any

from localcloud.durable.graph import Root


class Roots:
    """Finds the name of a backend, and makes an empty backend for a name."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[Any, Root]] = {}

    def name(self, value: Any) -> Root | None:
        """Return service, account and region of one of moto's backends; None for anything else."""
        from moto.core.base_backend import BaseBackend

        if not isinstance(value, BaseBackend):
            return None
        found = self._names.get(id(value))
        if found is None or found[0] is not value:
            self._learn()
            found = self._names.get(id(value))
        return found[1] if found is not None and found[0] is value else None

    def all(self) -> list[Any]:
        """Return every backend that there is."""
        self._learn()
        return [backend for backend, _ in list(self._names.values())]

    def make(self, root: Root) -> Any:
        """Put an empty object of the class that is installed now in a backend's place; the journal fills it."""
        from moto.backends import get_backend

        service, account, region = root
        accounts = get_backend(service)[account]
        made = object.__new__(accounts.backend)
        dict.__setitem__(accounts, region, made)
        self._names[id(made)] = (made, root)
        return made

    def drop(self, root: Root) -> None:
        """Take a backend away again."""
        from moto.backends import get_backend

        service, account, region = root
        dict.pop(get_backend(service)[account], region, None)

    def _learn(self) -> None:
        from moto.core.base_backend import BackendDict

        found = {}
        for accounts in list(BackendDict._instances):
            for account, regions in list(accounts.items()):
                for region, backend in list(regions.items()):
                    found[id(backend)] = (backend, (accounts.service_name, account, region))
        self._names = found
