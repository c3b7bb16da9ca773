"""The reach of whoever asks at a FHIR door, and what of it may be shown."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from careledger.exchange.reach import Reach
from careledger.fhir.errors import Issue
from careledger.fhir.outcome import encode_issues
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
        AccessRefused: another member's session is over, or not for this.
        Stale: nothing was decided.
    """
    if caller.partner is not None and caller.partner.session is not None:
        session = caller.partner.session
        with services.exchange.partners.reach(session, caller.limits, action) as reach:
            yield reach
        return
    with services.exchange.reach(caller.asker, caller.limits, action) as reach:
        yield reach


async def run(services: GatewayServices, question: Callable[[], T], *, is_wide: bool) -> T:
    """Ask it here, or in a thread of its own if it looks at everybody's records.

    Where bodies are kept by another server any question may wait for that.
    """
    if services.exchange.upstream is not None and not is_wide:
        return await asyncio.to_thread(question)
    if not is_wide:
        return await services.exchange.journal.answering(question)
    async with services.scans:
        return await asyncio.to_thread(question)


def is_everybody(caller: Caller) -> bool:
    """Whether a question that names no patient is about all of them."""
    return caller.account is None and caller.limits.patient is None


def partial(unanswered: int) -> tuple[Issue, ...]:
    """Says that some of what was found is missing: who keeps it does not answer now."""
    if not unanswered:
        return ()
    text = f"{unanswered} more, which are kept by a server that does not answer: ask again"
    return (Issue("transient", "", text),)


def outcome_entry(issues: tuple[Issue, ...]) -> list[Found]:
    """What there is to say of an answer that was given, as its last entry (FHIR R4 3.1.1.6)."""
    if not issues:
        return []
    said = encode_issues(issues, severity="warning")
    return [Found("urn:careledger:outcome", said, "outcome")]


def entry(services: GatewayServices, opened: Opened) -> Found:
    """An opened resource as an entry of a bundle."""
    return Found(f"{services.fhir_url}/{opened.type}/{opened.id}", represented(opened))
