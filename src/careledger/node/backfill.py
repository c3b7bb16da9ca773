"""Fetching the past: a store that began from a snapshot becomes one that was always there.

Blocks come from the other nodes in bounded batches, from the oldest on; each batch is checked, then
stored in one durable step that also says how far it went. So whatever interrupts it, it goes on
where it was.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from careledger.ledger.errors import LedgerError, Malformed, ProofError
from careledger.ledger.tile import ProvedTiles
from careledger.node.past import PastCheck, gap_after, place_of
from careledger.node.peer import Peer
from careledger.store.gap import Gap
from careledger.store.store import Store
from careledger.store.sync.filling import PastWrites
from careledger.store.sync.past import PastBlock

RETRY_S = 1.0
LONGEST_RETRY_S = 30.0

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""(log entries of the past that are here, of so many)."""


class Backfill:
    """Fills the gap of one store from its peers."""

    def __init__(self, store: Store, urls: Sequence[str]) -> None:
        """Ask the nodes at `urls`, in turn."""
        self._store, self._urls = store, list(urls)
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End `run` soon; what was stored stays."""
        self._stopped.set()

    def run(self, progress: Progress = lambda _done, _of: None) -> bool:
        """Fetch until nothing is missing; whether that is so, or it was stopped before.

        A peer that tells what is not true is not asked again.
        """
        delay, asked = RETRY_S, 0
        with ExitStack() as opened:
            peers = [opened.enter_context(Peer(url)) for url in self._urls]
            while peers and not self._stopped.is_set():
                peer = peers[asked % len(peers)]
                try:
                    if self.step(peer, progress):
                        return True
                    delay = RETRY_S
                except (ProofError, Malformed) as error:
                    _log.error("%s tells a past that never was: %s", peer.url, error)
                    peers.remove(peer)
                except LedgerError as error:
                    _log.warning("the past is not fetched from %s: %s", peer.url, error)
                    asked += 1
                    if asked % len(peers) == 0:
                        self._stopped.wait(delay)
                        delay = min(2 * delay, LONGEST_RETRY_S)
        return False

    def step(self, peer: Peer, progress: Progress = lambda _done, _of: None) -> bool:
        """Fetch, check and store batches from `peer` as long as it gives any; whether all is here.

        Raises:
            ProofError: what it told is not what was logged; nothing of it was stored.
            Malformed: it is not in the one form.
            Unavailable: the peer or the disk did not answer.
        """
        with self._store.snapshot() as committed:
            place = place_of(committed)
        if place is None:
            return True
        tiles = ProvedTiles(peer.log.tile, place.gap.size, place.ending.log_root)
        while place is not None and not self._stopped.is_set():
            blocks = _batch(peer, place.gap)
            with self._store.snapshot() as committed:
                writes = PastCheck(committed, place, tiles).take(blocks)
            for some, after in steps(writes, place.gap):
                self._store.fill(some, after)
                progress(place.gap.size if after is None else after.next, place.gap.size)
            with self._store.snapshot() as committed:
                place = place_of(committed)
        return place is None


def _batch(peer: Peer, gap: Gap) -> tuple[PastBlock, ...]:
    """Some blocks, which do not end just before the last: that one is stored with the last."""
    blocks = peer.past(gap.next_height)
    following = gap.next_height + len(blocks)
    return blocks + peer.past(following)[:1] if following == gap.height else blocks


def steps(
    writes: Sequence[PastWrites], gap: Gap
) -> Iterator[tuple[Sequence[PastWrites], Gap | None]]:
    """What goes into a durable step each, and what is missing after it.

    The last one adds a single header, as the step of a block does: so the two root pages of a
    store of which nothing is missing differ by one (`spec/store.md`).
    """
    ends = writes[-1].header.height == gap.height
    first = writes[:-2] if ends else writes
    if first:
        yield first, gap_after(gap, first[-1].header)
    if ends:
        yield writes[-2:], None
