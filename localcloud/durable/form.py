"""Values as data: what JSON has stands for itself, everything else is a list whose first element says what it is.

Nothing here runs code of the values' classes, neither on the way out nor on the way in: objects are made with `__new__`
of their built-in base and filled attribute by attribute.

| form | value |
|---|---|
| `null`, `true`, `1`, `1.5`, `"text"`, `{"key": form}` | itself; a dictionary whose keys are text |
| `["l", …]`, `["t", …]`, `["s", …]`, `["f", …]`, `["q", …]` | list, tuple, set, frozenset, deque |
| `["d", [key, value], …]`, `["o", …]`, `["D", factory, …]`, `["w", …]` | dictionary, ordered, with default, weak |
| `["b", base64]`, `["B", blob]`, `["S", blob]` | bytes; long bytes and long text lie in files |
| `["r", number]`, `["k", service, account, region]` | an object with a row of its own; a backend |
| `["i", class, attributes, base]` | an object that lies here and nowhere else |
"""

from __future__ import annotations

import base64
import re
import threading
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import FunctionType
from typing import Any, Protocol
from uuid import UUID

from localcloud.durable.naming import NameRefused, Unwritable, find_class, find_function, name_class, name_function

Form = Any
LONG_BYTES = 64 * 1024

_BASES: tuple[type, ...] = (OrderedDict, dict, list, set, str, bytes, int, float, tuple)
_PLAIN_FACTORIES: dict[str, Callable[[], Any]] = {"list": list, "dict": dict, "set": set, "int": int, "str": str}
_ADDRESSES = {kind.__name__: kind for kind in (IPv4Address, IPv4Network, IPv6Address, IPv6Network)}
_LOCKS: dict[type, tuple[str, Callable[[], Any]]] = {
    type(threading.Lock()): ("Lock", threading.Lock),
    type(threading.RLock()): ("RLock", threading.RLock),
    threading.Event: ("Event", threading.Event),
    threading.Condition: ("Condition", threading.Condition),
}
_LOCK_MAKERS = dict(_LOCKS.values())


class Blobs(Protocol):
    """Where long bytes lie."""

    def keep(self, content: bytes | str) -> str:
        """Keep bytes or a text, and return their name."""

    def fetch(self, name: str) -> bytes:
        """Return bytes by their name."""


class Writer:
    """Turns values into forms.

    Parameters
    ----------
    blobs
        Takes long bytes and texts.
    refer
        Returns the form of an object of moto's or localcloud's.
    """

    def __init__(self, blobs: Blobs, refer: Callable[[Any], Form]) -> None:
        self._blobs = blobs
        self._refer = refer

    def write(self, value: Any) -> Form:
        """Return the form of a value; `Unwritable` when it has none."""
        kind = type(value)
        if value is None or kind is bool or kind is int or kind is float:
            return value
        if kind is str:
            return value if len(value) < LONG_BYTES else ["S", self._blobs.keep(value)]
        plain = _PLAIN_WRITERS.get(kind)
        if plain is not None:
            return plain(self, value)
        return self._write_other(value)

    def write_items(self, items: Iterable[tuple[Any, Any]]) -> list[Form]:
        """Return key and value of each item that has a form."""
        written = []
        for key, value in list(items):
            try:
                written.append([self.write(key), self.write(value)])
            except Unwritable:
                continue  # one that cannot be kept does not take the others with it
        return written

    def write_elements(self, elements: Iterable[Any]) -> list[Form]:
        """Return the elements that have a form."""
        written = []
        for element in list(elements):
            try:
                written.append(self.write(element))
            except Unwritable:
                continue
        return written

    def write_inline(self, value: Any) -> Form:
        """Return the form of an object that lies here."""
        return ["i", name_class(type(value)), self.write_attributes(value), self.write_base(value)]

    def write_attributes(self, value: Any, but: frozenset[str] = frozenset()) -> dict[str, Form]:
        """Return the attributes that have a form."""
        written = {}
        for name, attribute in attributes_of(value):
            if name in but:
                continue
            try:
                written[name] = self.write(attribute)
            except Unwritable:
                continue
        return written

    def write_base(self, value: Any) -> Form:
        """Return what an object holds as a dictionary, list or text of its own kind; None for most."""
        for base in _BASES:
            if isinstance(value, base):
                found: Any = value
                if issubclass(base, dict):
                    return ["d", *self.write_items(dict.items(found))]
                if base in {list, set, tuple}:
                    return ["l", *self.write_elements(_iterate(base, found))]
                plain: Any = base
                return self.write(plain(value))
        return None

    def _write_dict(self, value: dict[Any, Any]) -> Form:
        if all(type(key) is str for key in list(value)):
            return self._write_named(value)
        return ["d", *self.write_items(value.items())]

    def _write_named(self, value: dict[str, Any]) -> dict[str, Form]:
        written = {}
        for key, element in list(value.items()):
            try:
                written[key] = self.write(element)
            except Unwritable:
                continue
        return written

    def _write_default(self, value: defaultdict[Any, Any]) -> Form:
        factory = value.default_factory
        name = getattr(factory, "__name__", None) if factory in _PLAIN_FACTORIES.values() else None
        if name is None and isinstance(factory, type):
            name = name_class(factory)
        return ["D", name, *self.write_items(value.items())]

    def _write_bytes(self, value: bytes) -> Form:
        if len(value) < LONG_BYTES:
            return ["b", base64.b64encode(value).decode()]
        return ["B", self._blobs.keep(value)]

    def _write_other(self, value: Any) -> Form:
        kind = type(value)
        if isinstance(value, Enum):
            return ["e", name_class(kind), value.name]
        if kind in _LOCKS:
            return ["L", _LOCKS[kind][0]]
        if kind.__name__ in _ADDRESSES and kind.__module__ == "ipaddress":
            return ["ip", kind.__name__, str(value)]
        return self._write_code(value)

    def _write_code(self, value: Any) -> Form:
        """Return the form of a class or a function by its name, and of any other object."""
        if isinstance(value, type):
            return ["c", name_class(value)]
        if type(value) is FunctionType:
            return ["fn", name_function(value)]
        owner = getattr(value, "__self__", None)
        if callable(value) and owner is not None and not isinstance(owner, type):
            return ["m", self._refer(owner), value.__name__]
        return self._refer(value)


_PLAIN_WRITERS: dict[type, Callable[[Writer, Any], Form]] = {
    dict: Writer._write_dict,
    list: lambda writer, value: ["l", *writer.write_elements(value)],
    tuple: lambda writer, value: ["t", *writer.write_elements(value)],
    set: lambda writer, value: ["s", *writer.write_elements(value)],
    frozenset: lambda writer, value: ["f", *writer.write_elements(value)],
    deque: lambda writer, value: ["q", value.maxlen, *writer.write_elements(value)],
    OrderedDict: lambda writer, value: ["o", *writer.write_items(value.items())],
    defaultdict: Writer._write_default,
    weakref.WeakValueDictionary: lambda writer, value: ["w", *writer.write_items(value.items())],
    bytes: Writer._write_bytes,
    bytearray: lambda writer, value: ["ba", writer.write(bytes(value))],
    datetime: lambda _writer, value: ["dt", value.isoformat()],
    date: lambda _writer, value: ["date", value.isoformat()],
    timedelta: lambda _writer, value: ["td", value.days, value.seconds, value.microseconds],
    Decimal: lambda _writer, value: ["dec", str(value)],
    UUID: lambda _writer, value: ["uuid", str(value)],
    re.Pattern: lambda _writer, value: ["re", value.pattern, value.flags],
}


class Reader:
    """Turns forms back into values.

    Parameters
    ----------
    blobs
        Where long bytes lie.
    resolve
        Returns the object of an `r` or `k` form.
    """

    def __init__(self, blobs: Blobs, resolve: Callable[[list[Form]], Any]) -> None:
        self._blobs = blobs
        self._resolve = resolve

    def read(self, form: Form) -> Any:
        """Return the value of a form; `NameRefused` when it names what may not be named."""
        kind = type(form)
        if kind is dict:
            return {key: self.read(value) for key, value in form.items()}
        if kind is not list:
            return form
        reader = _READERS.get(form[0])
        if reader is None:
            raise NameRefused(f"a form of kind {form[0]!r} is not known to this version of localcloud")
        return reader(self, form)

    def read_items(self, items: list[Form]) -> list[tuple[Any, Any]]:
        """Return keys and values."""
        return [(self.read(key), self.read(value)) for key, value in items]

    def read_elements(self, elements: list[Form]) -> list[Any]:
        """Return values."""
        return [self.read(element) for element in elements]

    def make(self, name: str, base: Form) -> Any:
        """Make an object, still without attributes."""
        kind = find_class(name)
        if issubclass(kind, (str, bytes, int, float)):
            return _plain_base(kind).__new__(kind, self.read(base))
        if issubclass(kind, tuple):
            return tuple.__new__(kind, self.read(base))
        made = _plain_base(kind).__new__(kind)
        if isinstance(made, threading.Thread):
            threading.Thread.__init__(made, daemon=True)
        return made

    def fill(self, made: Any, attributes: dict[str, Form], base: Form) -> None:
        """Give an object its attributes, and what it holds as a dictionary, list or set.

        localcloud's own classes may have a method `restored`, which is called last.
        """
        own = getattr(made, "__dict__", None)
        for name, form in attributes.items():
            if own is None:
                object.__setattr__(made, name, self.read(form))
            else:
                own[name] = self.read(form)
        if base is not None:
            self._fill_base(made, base)
        if type(made).__module__.startswith("localcloud.") and hasattr(made, "restored"):
            made.restored()

    def _read_inline(self, form: list[Form]) -> Any:
        made = self.make(form[1], form[3])
        self.fill(made, form[2], form[3])
        return made

    def _fill_base(self, made: Any, base: Form) -> None:
        if isinstance(made, dict):
            for key, value in self.read_items(base[1:]):
                dict.__setitem__(made, key, value)
        elif isinstance(made, list):
            list.extend(made, self.read_elements(base[1:]))
        elif isinstance(made, set):
            set.update(made, self.read_elements(base[1:]))

    def _read_default(self, form: list[Form]) -> Any:
        name = form[1]
        factory = None if name is None else _PLAIN_FACTORIES.get(name) or find_class(name)
        return defaultdict(factory, self.read_items(form[2:]))

    def _read_method(self, form: list[Form]) -> Any:
        owner, name = self.read(form[1]), form[2]
        if not isinstance(getattr(type(owner), name, None), FunctionType):
            raise NameRefused(f"{type(owner).__qualname__} has no method {name}")
        return getattr(owner, name)

    def _read_enum(self, form: list[Form]) -> Any:
        kind = find_class(form[1])
        if not issubclass(kind, Enum):
            raise NameRefused(f"{form[1]} is no enumeration")
        return kind[form[2]]


_READERS: dict[str, Callable[[Reader, list[Form]], Any]] = {
    "l": lambda reader, form: reader.read_elements(form[1:]),
    "t": lambda reader, form: tuple(reader.read_elements(form[1:])),
    "s": lambda reader, form: set(reader.read_elements(form[1:])),
    "f": lambda reader, form: frozenset(reader.read_elements(form[1:])),
    "q": lambda reader, form: deque(reader.read_elements(form[2:]), form[1]),
    "d": lambda reader, form: dict(reader.read_items(form[1:])),
    "o": lambda reader, form: OrderedDict(reader.read_items(form[1:])),
    "w": lambda reader, form: weakref.WeakValueDictionary(dict(reader.read_items(form[1:]))),
    "D": Reader._read_default,
    "b": lambda _reader, form: base64.b64decode(form[1]),
    "ba": lambda reader, form: bytearray(reader.read(form[1])),
    "B": lambda reader, form: reader._blobs.fetch(form[1]),
    "S": lambda reader, form: reader._blobs.fetch(form[1]).decode("utf-8", "surrogatepass"),
    "r": lambda reader, form: reader._resolve(form),
    "k": lambda reader, form: reader._resolve(form),
    "i": Reader._read_inline,
    "m": Reader._read_method,
    "e": Reader._read_enum,
    "L": lambda _reader, form: _LOCK_MAKERS[form[1]](),
    "c": lambda _reader, form: find_class(form[1]),
    "fn": lambda _reader, form: find_function(form[1]),
    "ip": lambda _reader, form: _ADDRESSES[form[1]](form[2]),
    "dt": lambda _reader, form: datetime.fromisoformat(form[1]),
    "date": lambda _reader, form: date.fromisoformat(form[1]),
    "td": lambda _reader, form: timedelta(form[1], form[2], form[3]),
    "dec": lambda _reader, form: Decimal(form[1]),
    "uuid": lambda _reader, form: UUID(form[1]),
    "re": lambda _reader, form: re.compile(form[1], form[2]),
}


def _iterate(base: Any, value: Any) -> Iterable[Any]:
    """Go through what a collection holds, past what its class makes of that."""
    found: Iterable[Any] = base.__iter__(value)
    return found


def attributes_of(value: Any) -> list[tuple[str, Any]]:
    """Return names and values of an object's own attributes."""
    found: list[tuple[str, Any]] = list(getattr(value, "__dict__", {}).items())
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in {"__dict__", "__weakref__"} and hasattr(value, name):
                found.append((name, getattr(value, name)))
    if isinstance(value, threading.Thread):
        own = set(vars(threading.Thread(target=int, daemon=True)))
        return [(name, attribute) for name, attribute in found if name not in own]
    return found


def _plain_base(kind: type) -> Any:
    """The built-in class whose `__new__` makes an instance: it runs none of the class's own code."""
    for base in kind.__mro__:
        if base in {dict, OrderedDict, list, set, str, bytes, int, float}:
            return base
    return object
