"""What the node API needs of its node."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from careledger.gateway.node_followers import Followers
from careledger.ledger.checkpoint import SignedCheckpoint
from careledger.ledger.genesis import Activation
from careledger.ledger.record import Digest, Instant, MemberId
from careledger.ledger.signature import Algorithm, SigningKey
from careledger.ledger.state import Table
from careledger.ledger.transition import Header
from careledger.store.snapshot import Snapshot
from careledger.store.sync.kept import Kept
from careledger.store.usage import Usage


class Committed(Protocol):
    """The store, for reading; the node's own or another process's."""

    def snapshot(self) -> AbstractContextManager[Snapshot]: ...


@dataclass(frozen=True, kw_only=True)
class PeerVoice:
    """Another node, as far as its checkpoints were seen."""

    url: str
    size: int
    """The largest log of it that agreed with this node's."""
    trouble: str | None


@dataclass(frozen=True, kw_only=True)
class Voices:
    """Who vouches for this node's log, for health, metrics and logs."""

    signed_size: int
    cosigned_size: int
    """The largest size for which `needed` members vouched."""
    needed: int
    peers: tuple[PeerVoice, ...]
    split_views: int
    """How often somebody vouched for another history; the evidence is in the node's home."""
    fault: str | None
    """Why this node signs nothing any more."""


class Checkpoints(Protocol):
    """Signed checkpoints of the node's log, its own and those that others cosigned."""

    def at(self, size: int, root: Digest) -> SignedCheckpoint:
        """The checkpoint at a size that the log has, with every signature gathered for it.

        Raises:
            Unavailable: this node may not sign it.
        """
        ...

    def old(self, size: int) -> SignedCheckpoint | None:
        """The same by size alone; None if the log is not that long.

        Raises:
            Unavailable: this node may not sign it.
        """
        ...

    def cosigned(self) -> SignedCheckpoint | None:
        """The newest that as many members signed as it takes; None if there is none yet."""
        ...

    def seen(self, member: str) -> SignedCheckpoint | None:
        """The newest that this node has seen under the signature of `member`."""
        ...

    async def wait_cosigned(self, size: int, seconds: float) -> None:
        """Wait at most so long until `cosigned` is of at least `size`."""
        ...

    def voices(self) -> Voices:
        """How it stands with the others."""
        ...


@dataclass(frozen=True, kw_only=True)
class NodeServices:
    """A node's identity, its committed state, and the keys it vouches with."""

    genesis: bytes
    chain: Digest
    member: MemberId
    reader: Committed
    checkpoints: Checkpoints
    receipt_keys: Mapping[Algorithm, SigningKey]
    tables: Mapping[str, Table[Any]]  # Any: tables of every row type
    clock: Callable[[], Instant]
    trouble: Callable[[], str | None]
    wait_for_block: Callable[[float], Any]  # Any: an awaitable of nothing
    """Wait at most so many seconds for the next block."""
    missing_versions: Callable[[], tuple[Activation, ...]] = lambda: ()
    """What the network is about to run and this node lacks."""
    followers: Followers = field(default_factory=Followers)
    usage: Callable[[], Usage] | None = None
    """What the store takes; None if somebody else watches that."""
    snapshot_taken: Callable[[], Instant | None] = lambda: None
    """When the newest snapshot for nodes that join was taken; None if there is none."""
    engine_facts: Callable[[], Mapping[str, object]] = lambda: {"name": "solo"}
    """Which engine orders, and how it is: its name, and what else it has to say."""
    metrics_here: bool = True
    """Whether the node API serves metrics, to this machine; else they have a door of their own."""
    engine_rpc: Callable[[bytes], Awaitable[bytes]] | None = None
    """Asks this node's engine what light clients ask (JSON-RPC); None if it has none."""
    snapshots: Kept | None = None
    """What is kept for nodes that join; None if nothing is."""

    def checkpoint(self, header: Header) -> SignedCheckpoint:
        """The checkpoint at `header`, signed by this node and by whoever else was heard."""
        return self.checkpoints.at(header.size, Digest(header.log_root))
