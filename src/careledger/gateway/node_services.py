"""What the node API needs of its node."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from careledger.ledger.checkpoint import Checkpoint, SignedCheckpoint, origin_of, sign_checkpoint
from careledger.ledger.genesis import Activation
from careledger.ledger.record import Digest, Instant, MemberId
from careledger.ledger.signature import Algorithm, SigningKey
from careledger.ledger.state import Table
from careledger.ledger.transition import Header
from careledger.store.snapshot import Snapshot


class Committed(Protocol):
    """The store, for reading; the node's own or another process's."""

    def snapshot(self) -> AbstractContextManager[Snapshot]: ...


@dataclass(frozen=True, kw_only=True)
class NodeServices:
    """A node's identity, its committed state, and the keys it vouches with."""

    genesis: bytes
    chain: Digest
    member: MemberId
    reader: Committed
    checkpoint_key: SigningKey
    receipt_keys: Mapping[Algorithm, SigningKey]
    tables: Mapping[str, Table[Any]]  # Any: tables of every row type
    clock: Callable[[], Instant]
    trouble: Callable[[], str | None]
    wait_for_block: Callable[[float], Any]  # Any: an awaitable of nothing
    """Wait at most so many seconds for the next block."""
    missing_versions: Callable[[], tuple[Activation, ...]] = lambda: ()
    """What the network is about to run and this node lacks."""

    def checkpoint(self, header: Header) -> SignedCheckpoint:
        """The checkpoint at `header`, signed by this node as log and as cosigner."""
        checkpoint = Checkpoint(
            origin=origin_of(self.chain), size=header.size, root=Digest(header.log_root)
        )
        return sign_checkpoint(checkpoint, self.member, self.checkpoint_key, self.clock())
