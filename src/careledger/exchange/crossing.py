"""Bundles on their way to the process that checks them, and what comes back: MessagePack.

Pickle, which carries them otherwise, costs several times as much. Refusals are few and go as they
always do.
"""

from concurrent.futures import Executor

import msgspec

from careledger.exchange.checking import (
    Checked,
    Order,
    Preparation,
    check,
    order_of,
    placed,
)
from careledger.exchange.planned import Plan
from careledger.exchange.workers import WORTH_A_PROCESS, Elsewhere
from careledger.fhir.bundle import Bundle, Entry, Kind, parse_bundle

_ENCODER = msgspec.msgpack.Encoder()
_ORDER = msgspec.msgpack.Decoder(Order)
_CHECKED = msgspec.msgpack.Decoder(list[Checked])
_EMPTY = b'{"resourceType":"Bundle","type":"batch"}'
_BUNDLE = msgspec.msgpack.Decoder(tuple[Kind, tuple[Entry, ...]])


def start(executor: Executor, count: int) -> None:
    """Have `count` processes start now, and load what they need, not when they are first needed."""
    for _ in range(count):
        executor.submit(parse_packed, _EMPTY)


async def parse_elsewhere(elsewhere: Elsewhere, data: bytes) -> Bundle:
    """Take a bundle apart, off the event loop.

    Raises:
        FhirError: see `parse_bundle`.
    """
    if not elsewhere.is_far or len(data) < WORTH_A_PROCESS * 1_000:
        return await elsewhere(parse_bundle, data, here=True)
    found = await elsewhere(parse_packed, data, here=False)
    return Bundle(*_BUNDLE.decode(found)) if isinstance(found, bytes) else found


async def check_elsewhere(elsewhere: Elsewhere, plan: Plan) -> list[Preparation | None]:
    """Check what is to be stored, in the bundle's order; None where nothing is.

    Raises:
        FhirError: a resource of a transaction that cannot be stored.
    """
    order = order_of(plan)
    if not elsewhere.is_far or len(plan.entries) < WORTH_A_PROCESS:
        return placed(plan, await elsewhere(check, order, here=True))
    found = await elsewhere(check_packed, _ENCODER.encode(order), here=False)
    return placed(plan, _CHECKED.decode(found) if isinstance(found, bytes) else found)


def parse_packed(data: bytes) -> bytes | Bundle:
    """A bundle taken apart, packed if nothing of it is refused."""
    bundle = parse_bundle(data)
    if any(one.error is not None for one in bundle.entries):
        return bundle
    return _ENCODER.encode((bundle.type, bundle.entries))


def check_packed(packed: bytes) -> bytes | list[Preparation]:
    """What comes of an order, packed if nothing of it is refused."""
    found = check(_ORDER.decode(packed))
    if all(isinstance(one, Checked) for one in found):
        return _ENCODER.encode(found)
    return found
