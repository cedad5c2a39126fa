"""moto's dispatcher, without what it looks up anew for every request although it never changes.

For each request moto lists the folder of its services and inspects the class that answers: together a quarter of what
a small call costs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from moto.core import responses
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

_HOSTS = 4096  # one for each service and region that is asked


class Dispatcher(DomainDispatcherApplication):  # type: ignore[misc]
    """Sends each request to the application of its service. Made when all engines have added their operations."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self.get_backend_for_host: Callable[[str | None], Any] = lru_cache(_HOSTS)(super().get_backend_for_host)
        self._list_operations = responses.method_names_from_class
        responses.method_names_from_class = lru_cache(maxsize=None)(self._list_operations)

    def close(self) -> None:
        """Give moto its own way of listing a class's operations back: the next engines may add others."""
        responses.method_names_from_class = self._list_operations
