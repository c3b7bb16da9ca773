"""Hands transactions to the engine's mempool, from where they reach the other members' engines."""

import base64
import logging
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

import httpx2
import msgspec

from careledger.ledger.errors import Unavailable

BATCH = 250
BATCH_BYTES = 4_000_000
"""What goes in one call; the engine must be set to take as many."""

TIMEOUT_S = 10.0

_log = logging.getLogger(__name__)


class Handed(Enum):
    """What became of one."""

    TAKEN = "taken"
    """It is there, or was; the application said whether it may be."""
    FULL = "full"
    """There is no room: again after the next block."""
    REFUSED = "refused"
    """For a reason that does not pass."""


class EngineMempool:
    """A client of the engine's RPC; whoever made `client`, whose base is that RPC, closes it."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        """Call through `client`."""
        self._client = client

    async def hand(self, raws: Sequence[bytes]) -> list[Handed]:
        """Hand all of them over, in order.

        Raises:
            Unavailable: the engine does not answer; some may have been taken.
        """
        found: list[Handed] = []
        for batch in _batches(raws):
            found += await self._hand_batch(batch)
        return found

    async def _hand_batch(self, raws: Sequence[bytes]) -> list[Handed]:
        calls = [
            {
                "jsonrpc": "2.0",
                "id": number,
                "method": "broadcast_tx_async",
                "params": {"tx": base64.b64encode(raw).decode()},
            }
            for number, raw in enumerate(raws)
        ]
        try:
            answer = await self._client.post(
                "/",
                content=msgspec.json.encode(calls),
                headers={"content-type": "application/json"},
                timeout=TIMEOUT_S,
            )
            said = msgspec.json.decode(answer.content)
            answers = {one["id"]: one for one in (said if isinstance(said, list) else [said])}
            return [_handed(answers[number].get("error")) for number in range(len(raws))]
        except (httpx2.HTTPError, msgspec.DecodeError, KeyError, TypeError) as error:
            raise Unavailable("the consensus engine does not answer") from error


def _batches(raws: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for raw in raws:
        if len(batch) == BATCH or (batch and size + len(raw) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(raw)
        size += len(raw)
    if batch:
        yield batch


def _handed(error: Any) -> Handed:  # Any: another program's JSON
    if error is None:
        return Handed.TAKEN
    reason = str(error.get("data") or error.get("message"))
    if "already exists in cache" in reason:
        return Handed.TAKEN
    if "mempool is full" in reason or "considered as full" in reason:
        return Handed.FULL
    _log.error("the engine's mempool refused a transaction: %s", reason[:200])
    return Handed.REFUSED
