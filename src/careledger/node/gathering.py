"""Gathering signatures: after each commit this node signs, and asks the others for theirs.

One task signs; one for each peer follows it, so that one who is down keeps nobody waiting.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

import httpx2

from careledger.gateway.node_services import PeerVoice
from careledger.ledger.checkpoint import SignedCheckpoint, parse_checkpoint
from careledger.ledger.errors import LedgerError, Malformed, ProofError, Unavailable
from careledger.ledger.note import MAX_NOTE_BYTES
from careledger.node.cosigning import Cosigning

TIMEOUT_S = 5.0
REFRESH_S = 10.0
"""How often a quiet log is compared with the peers' again."""

RECALL_S = 10.0
"""How long a node that knows what it signed last waits for the peers to tell it of more."""

_BETWEEN_S = 0.05
_RETRY_S = 0.1
_BEHIND_S = 1.0
_LONGEST_RETRY_S = 5.0
_WAITING = "asking the other nodes what this one signed before"

_log = logging.getLogger(__name__)


class Gathering:
    """The tasks of one node; they end with `close`."""

    def __init__(
        self,
        cosigning: Cosigning,
        peers: Sequence[str],
        wait_for_block: Callable[[float], Any],  # Any: an awaitable of nothing
    ) -> None:
        """Ask the nodes at `peers`, URLs of their APIs."""
        self._cosigning, self._wait_for_block = cosigning, wait_for_block
        self._peers = [url.rstrip("/") for url in peers]
        self._client = httpx2.AsyncClient(
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._size = 0
        self._signed = asyncio.Condition()
        self._answered = asyncio.Event()
        for url in self._peers:
            cosigning.peers[url] = PeerVoice(url=url, size=0, trouble="not asked yet")
        if self._peers:
            cosigning.vouching.waiting = _WAITING

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._sign())]
        self._tasks += [asyncio.create_task(self._follow(url)) for url in self._peers]
        for task in self._tasks:
            task.add_done_callback(_tell)

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def _sign(self) -> None:
        """Sign the newest checkpoint after each commit, not more often than makes sense."""
        await self._recalled()
        while True:
            try:
                self._size = await self._cosigning.sign_newest()
            except LedgerError as error:
                _log.warning("no checkpoint was signed: %s", error)
                await asyncio.sleep(1)
            async with self._signed:
                self._signed.notify_all()
            await asyncio.sleep(_BETWEEN_S)
            if not self._cosigning.has_news:
                await self._wait_for_block(REFRESH_S)

    async def _recalled(self) -> None:
        """Sign nothing before the others said what they have of this node.

        One answer is enough: whoever is cut off from all of them, and does not know what it signed,
        had better be silent.
        """
        if not self._peers:
            return
        known = self._cosigning.vouching.has_record
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._answered.wait(), RECALL_S if known else None)
        self._cosigning.vouching.waiting = None

    async def _follow(self, url: str) -> None:
        """Keep asking one peer."""
        delay, recalled = _RETRY_S, False
        while True:
            try:
                if not recalled:
                    await self._recall(url)
                    recalled = True
                    self._answered.set()
                agreed = await self._compare(url)
            except (LedgerError, httpx2.HTTPError, httpx2.InvalidURL) as error:
                self._note(url, trouble=_words(error))
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LONGEST_RETRY_S)
                continue
            if agreed < self._size:  # it is behind, as everybody is for a moment
                await asyncio.sleep(delay)
                delay = min(2 * delay, _BEHIND_S)
                continue
            delay = _RETRY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_S), self._signed:
                    await self._signed.wait_for(lambda: self._size > agreed)  # noqa: B023 - awaited here

    async def _recall(self, url: str) -> None:
        """What the peer has seen of this node's."""
        member = self._cosigning.vouching.member
        signed = await self._fetch(f"{url}/v1/checkpoint/seen?member={member}")
        if signed is not None:
            await self._cosigning.absorb(signed)

    async def _compare(self, url: str) -> int:
        """Take in the peer's signature at the newest size, or at its own; the size compared."""
        size = self._size
        signed = await self._fetch(f"{url}/v1/checkpoint?size={size}") if size else None
        signed = signed or await self._fetch(f"{url}/v1/checkpoint")
        if signed is None:
            raise Unavailable("it serves no checkpoint")
        if not await self._cosigning.absorb(signed):
            self._note(url, trouble="it vouches for another history")
            return size
        agreed = min(signed.checkpoint.size, size)
        self._note(url, size=agreed)
        return agreed

    async def _fetch(self, url: str) -> SignedCheckpoint | None:
        """A signed note; None if the peer has none there."""
        async with self._client.stream("GET", url) as answer:
            if answer.status_code == httpx2.codes.NOT_FOUND:
                return None
            if not answer.is_success:
                raise Unavailable(f"it answers {answer.status_code}")
            data = b""
            async for part in answer.aiter_bytes():
                data += part
                if len(data) > MAX_NOTE_BYTES:
                    raise Malformed
        try:
            return parse_checkpoint(data.decode())
        except UnicodeDecodeError as error:
            raise Malformed from error

    def _note(self, url: str, *, size: int | None = None, trouble: str | None = None) -> None:
        before = self._cosigning.peers[url]
        if trouble and trouble != before.trouble:
            _log.warning("another node cannot be followed: %s: %s", url, trouble)
        self._cosigning.peers[url] = PeerVoice(
            url=url, size=before.size if size is None else max(size, before.size), trouble=trouble
        )


def _tell(task: "asyncio.Task[None]") -> None:
    """Say why a task ended that never should."""
    if not task.cancelled() and (error := task.exception()):
        _log.critical("checkpoints are gathered no more", exc_info=error)


def _words(error: LedgerError | httpx2.HTTPError | httpx2.InvalidURL) -> str:
    if isinstance(error, ProofError):
        return error.reason
    if isinstance(error, Unavailable):
        return str(error)
    return "its answer is no checkpoint" if isinstance(error, Malformed) else "no answer"
