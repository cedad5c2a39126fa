"""The two steps of a request's way that make it durable: look while the lock is held, commit after it is given back."""

from __future__ import annotations

from collections.abc import Callable

from localcloud.chain import Answer, Exchange, Next
from localcloud.durable.ledger import Ledger
from localcloud.durable.reading import is_moving, is_reading, unchanged_by

_TICKET = "localcloud.ticket"

_RESET = "/moto-api/reset"


def commit_before_answer(ledger: Ledger) -> Callable[[Exchange, Next], Answer]:
    """Return the step that lets an answer go when its effects are on the disk."""

    def step(exchange: Exchange, then: Next) -> Answer:
        try:
            return then(exchange)
        finally:
            ticket = exchange.environ.pop(_TICKET, None)
            if ticket is not None:
                ledger.settle(ticket)

    return step


def note_effects(ledger: Ledger) -> Callable[[Exchange, Next], Answer]:
    """Return the step that looks at what a call has changed; it stands within the service's lock."""

    def step(exchange: Exchange, then: Next) -> Answer:
        call = exchange.call
        if call.path.startswith(_RESET):
            return _reset(ledger, exchange, then)
        quiet = is_reading(call, str(exchange.environ.get("QUERY_STRING", ""))) and not is_moving(call.service)
        with ledger.recording() as touches:
            try:
                return then(exchange)
            finally:
                if touches and not quiet:
                    if is_moving(call.service):  # who reads of a job's end may also rely on its last words
                        touches.merge(ledger.take_others())
                    exchange.environ[_TICKET] = ledger.note(touches, unchanged_by(call.service))

    return step


def _reset(ledger: Ledger, exchange: Exchange, then: Next) -> Answer:
    answer = then(exchange)
    exchange.environ[_TICKET] = ledger.note_reset()
    return answer
