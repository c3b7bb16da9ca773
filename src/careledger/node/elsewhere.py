"""Whether a validator's key votes from another home as well: the other members' nodes are asked.

An engine writes down what it votes for before the vote leaves it. So a vote of this node's key, for
a block above the last one that this home wrote down, was given by another home: a copy of this one,
or the one of which this is a backup. Nobody has to be believed for that: the signature tells.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from careledger.consensus.cometbft.genesis import engine_chain_id
from careledger.consensus.cometbft.home import EngineHome
from careledger.consensus.cometbft.light import light_block
from careledger.consensus.cometbft.pair import Pair
from careledger.consensus.cometbft.process import KeyInTwoHomes
from careledger.ledger.errors import LedgerError
from careledger.ledger.record import Digest
from careledger.ledger.tendermint import address, verify_vote
from careledger.node.config import NodeConfig
from careledger.node.peer import Peer
from careledger.vault.keyfile import load_signing_key
from careledger.verify.format import LightBlock

ANSWER_S = 3.0
"""How long a peer may take over one answer, and all of them together before no more is asked."""

LOOK_S = 10.0
"""Between two looks, while this node does not commit."""

MOST_BLOCKS = 100
"""How far back a peer is asked at most."""


class KeyWatch:
    """Looks for votes of one validator's key that were not given from its home."""

    def __init__(
        self, home: EngineHome, public: bytes, chain: Digest, peers: Sequence[str], silent: int
    ) -> None:
        """Ask the nodes at `peers` about their newest `silent` blocks; about none if it is 0."""
        self._home, self._public, self._peers = home, public, peers
        self._chain, self._silent = engine_chain_id(chain), silent

    async def check(self) -> None:
        """See that nobody shows a vote of the key that this home did not give.

        Where nobody answers, nothing is known and all is well; a home that never voted waits by
        itself until its key was silent.

        Raises:
            KeyInTwoHomes: somebody does.
            BadEngineHome: what the validator voted for last is not there.
        """
        if not self._silent or not self._home.data.exists() or not self._home.has_voted():
            return
        with httpx2.Client(timeout=ANSWER_S, follow_redirects=False, trust_env=False) as client:
            peers = [Peer(url, client) for url in self._peers]
            asked = (asyncio.to_thread(self._newest_vote, peer) for peer in peers)
            newest = await asyncio.gather(*asked)
        # Read after the answers: this home may have voted meanwhile.
        mine, shown = self._home.last_vote(), max(newest, default=0)
        if shown > mine:
            raise KeyInTwoHomes(
                f"another home votes with this validator's key: it voted for block {shown:,}, and "
                f"this home for none after {mine:,}. Only one of the two may run: find the other "
                f"one and stop it, or leave this one off for good. Both together vote twice, which "
                f"the ledger holds against the member. If this home was put back from a backup and "
                f"there is no other, start it once the key was silent for {self._silent} blocks"
            )

    async def keep_looking(self, pair: Pair) -> None:
        """Check again and again while `pair` does not commit, and stop it for good if need be."""
        while True:
            await asyncio.sleep(LOOK_S)
            if pair.trouble is None:
                continue
            try:
                await self.check()
            except LedgerError as error:
                pair.process.give_up(error)
                return

    def _newest_vote(self, peer: Peer) -> int:
        """The newest block above this home's last vote that the key voted for; 0 if none is shown.

        In a thread: it waits for answers.
        """
        until, mine = time.monotonic() + ANSWER_S, self._home.last_vote()
        try:
            block = _commit(peer, None)
            newest = block.header.height
            lowest = max(mine, newest - min(self._silent, MOST_BLOCKS))
            for height in range(newest, lowest, -1):
                if time.monotonic() > until:
                    break
                block = block if height == newest else _commit(peer, height)
                if block.header.height == height and self._voted(block):
                    return height
        except LedgerError:  # it is down, orders alone, or talks nonsense
            pass
        return 0

    def _voted(self, block: LightBlock) -> bool:
        own, height = address(self._public), block.header.height
        return any(
            verify_vote(self._public, self._chain, height, block.commit, vote)
            for vote in block.commit.votes
            if vote.address == own
        )


def watch_key(home: Path, config: NodeConfig, chain: Digest) -> KeyWatch | None:
    """The watch over the key of the node in `home`; None if it has none to vote with."""
    if config.engine != "cometbft" or config.consensus_key is None:
        return None
    public = load_signing_key(home / config.consensus_key).public.public
    engine_home = EngineHome((home / config.engine_home).resolve())
    return KeyWatch(engine_home, public, chain, config.cosigners, config.engine_silent_blocks)


@asynccontextmanager
async def watched(watch: KeyWatch | None, engine: object) -> AsyncIterator[None]:
    """Keep looking as long as this lasts, if `engine` is one whose key could be elsewhere."""
    if watch is None or not isinstance(engine, Pair):
        yield
        return
    looking = asyncio.create_task(watch.keep_looking(engine))
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def _commit(peer: Peer, height: int | None) -> LightBlock:
    """A header with the votes for it; the newest one without a height."""
    return light_block(peer.ask_engine("commit", height=height), {"validators": ()})
