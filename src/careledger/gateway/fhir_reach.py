"""The reach of whoever asks at a FHIR door, and what of it may be shown."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from careledger.exchange.reach import Reach
from careledger.fhir.responses import Found
from careledger.gateway.auth_caller import Caller
from careledger.gateway.fhir_http import represented
from careledger.gateway.services import GatewayServices
from careledger.mechanisms.terms import Action
from careledger.vault.opening import Opened

T = TypeVar("T")


@contextmanager
def reach_of(services: GatewayServices, caller: Caller, action: Action) -> Iterator[Reach]:
    """What the caller may see, until the end of the block; it is in the journal then.

    Raises:
        Stale: nothing was decided.
    """
    with services.exchange.reach(caller.asker, caller.limits, action) as reach:
        yield reach


async def run(services: GatewayServices, question: Callable[[], T], *, is_wide: bool) -> T:
    """Ask it here, or in a thread of its own if it looks at everybody's records."""
    if not is_wide:
        return question()
    async with services.scans:
        return await asyncio.to_thread(question)


def is_everybody(caller: Caller) -> bool:
    """Whether a question that names no patient is about all of them."""
    return caller.account is None and caller.limits.patient is None


def entry(services: GatewayServices, opened: Opened) -> Found:
    """An opened resource as an entry of a bundle."""
    return Found(f"{services.fhir_url}/{opened.type}/{opened.id}", represented(opened))
