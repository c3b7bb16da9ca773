"""Signed checkpoints of this node's log: its own signature, and those that others gave.

A line is taken only if it verifies under a checkpoint key that is live on the ledger. One under
another root for the same size is evidence: it is kept, told, and counts for nothing.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from careledger.gateway.node_services import Committed, PeerVoice, Voices
from careledger.ledger.checkpoint import Checkpoint, SignedCheckpoint
from careledger.ledger.errors import ProofError
from careledger.ledger.note import NoteSignature
from careledger.ledger.record import Digest, Instant, MemberId
from careledger.ledger.state import View
from careledger.node.config import NodeConfig
from careledger.node.split import EVIDENCE_FOLDER, SplitViews
from careledger.node.voices import Electorate, electorate
from careledger.node.vouching import (
    COSIGNED_FILE,
    VOUCHED_FOLDER,
    Vouching,
    root_in,
    write_durably,
)
from careledger.store.gap import HistoryAbsent
from careledger.vault.keyfile import load_signing_key

MAX_KEPT = 256
"""Sizes of which the gathered signatures are remembered."""


class Cosigning:
    """What this node and others have signed; `gathering.Gathering` brings the others' in."""

    def __init__(
        self, home: Path, vouching: Vouching, reader: Committed, clock: Callable[[], Instant]
    ) -> None:
        """Keep evidence and the newest cosigned checkpoint in `home`."""
        self.vouching = vouching
        self.peers: dict[str, PeerVoice] = {}
        self._file = home / VOUCHED_FOLDER / COSIGNED_FILE
        self._reader, self._clock, self._root_at = reader, clock, root_in(reader)
        self._splits = SplitViews(home / EVIDENCE_FOLDER)
        self._gathered: OrderedDict[int, SignedCheckpoint] = OrderedDict()
        self._seen: dict[MemberId, SignedCheckpoint] = {}
        self._cosigned: SignedCheckpoint | None = None
        self._needed = self._electorate().needed
        self._changed = asyncio.Condition()

    # --- what the node API asks --------------------------------------------------------------

    def at(self, size: int, root: Digest) -> SignedCheckpoint:
        """The checkpoint at a size that the log has, with every signature gathered for it."""
        signed = self.vouching.sign(size, root)
        gathered = self._gathered.get(size)
        if gathered is None:
            return signed
        # Its own line comes first and stays the one just made.
        return SignedCheckpoint(
            checkpoint=signed.checkpoint, signatures=gathered.signatures
        ).with_signatures(signed.signatures)

    def old(self, size: int) -> SignedCheckpoint | None:
        """The same by size alone; None if the log is not that long."""
        root = self._root_at(size)
        return None if root is None else self.at(size, root)

    def cosigned(self) -> SignedCheckpoint | None:
        """The newest that as many members signed as it takes; None if there is none yet."""
        return self._cosigned if self._needed > 1 else self._newest()

    def seen(self, member: str) -> SignedCheckpoint | None:
        """The newest that this node has seen under the signature of `member`."""
        return self._seen.get(MemberId(member))

    async def wait_cosigned(self, size: int, seconds: float) -> None:
        """Wait at most so long until `cosigned` is of at least `size`."""
        if self._needed <= 1 or not self.peers:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._cosigned_size >= size)

    def voices(self) -> Voices:
        """How it stands with the others."""
        return Voices(
            signed_size=self.vouching.signed_size,
            cosigned_size=self._cosigned_size,
            needed=self._needed,
            peers=tuple(self.peers.values()),
            split_views=self._splits.count,
            fault=self.vouching.fault,
        )

    # --- what the gathering brings -----------------------------------------------------------

    async def sign_newest(self) -> int:
        """Sign the newest checkpoint; its size.

        Raises:
            Unavailable: this node may not sign it.
        """
        signed = await asyncio.to_thread(self._newest)
        voters = self._electorate()
        self._needed = voters.needed
        lines = [(self.vouching.member, line) for line in signed.signatures]
        await self._add(signed.checkpoint, lines, voters)
        return signed.checkpoint.size

    async def absorb(self, signed: SignedCheckpoint) -> bool:
        """Take in what another node serves; whether it agrees with this node's log.

        Raises:
            ProofError: it is another chain's, or bears no good signature of a registered key.
        """
        checkpoint = signed.checkpoint
        if checkpoint.origin != self.vouching.origin:
            raise ProofError("the checkpoint is of another chain", actual=checkpoint.origin)
        voters = self._electorate()
        lines = list(voters.lines(signed))
        if not lines:
            raise ProofError("no registered checkpoint key signed it")
        try:
            own = self._root_at(checkpoint.size)
        except HistoryAbsent:  # it is compared when the past is here
            own = None
        self._remember(checkpoint, lines)
        if own is None:
            return True
        if own == checkpoint.root:
            await self._add(checkpoint, lines, voters)
            return True
        self._contradict(own, checkpoint, lines)
        return False

    @property
    def has_news(self) -> bool:
        """Whether the log has grown since it was signed last."""
        with self._reader.snapshot() as committed:
            return committed.latest().size > self.vouching.signed_size

    @property
    def _cosigned_size(self) -> int:
        if self._needed <= 1:
            return self.vouching.signed_size
        return self._cosigned.checkpoint.size if self._cosigned else 0

    def _electorate(self) -> Electorate:
        with self._reader.snapshot() as committed:
            return electorate(View(committed), self.vouching.origin)

    def _newest(self) -> SignedCheckpoint:
        with self._reader.snapshot() as committed:
            header = committed.latest()
        return self.at(header.size, Digest(header.log_root))

    def _remember(
        self, checkpoint: Checkpoint, lines: list[tuple[MemberId, NoteSignature]]
    ) -> None:
        """Who was last seen where, so that one who lost its disk can be told."""
        for member in {member for member, _ in lines}:
            own = tuple(line for by, line in lines if by == member)
            signed = SignedCheckpoint(checkpoint=checkpoint, signatures=own)
            if member == self.vouching.member:
                self.vouching.recall(signed)
            elif (kept := self._seen.get(member)) is None or (
                kept.checkpoint.size < checkpoint.size
            ):
                self._seen[member] = signed

    async def _add(
        self,
        checkpoint: Checkpoint,
        lines: list[tuple[MemberId, NoteSignature]],
        voters: Electorate,
    ) -> None:
        """Merge good lines under a root that is this node's own."""
        size = checkpoint.size
        before = self._gathered.get(size) or SignedCheckpoint(checkpoint=checkpoint, signatures=())
        merged = before.with_signatures(line for _, line in lines)
        self._gathered[size] = merged
        while len(self._gathered) > MAX_KEPT:
            self._gathered.pop(min(self._gathered))
        own = voters.active | {self.vouching.member}
        voices = {member for member, _ in voters.lines(merged)} | {self.vouching.member}
        if len(voices & own) < self._needed or size < self._cosigned_size:
            return
        self._cosigned = merged
        with contextlib.suppress(
            OSError
        ):  # a copy for `careledger node tiles`; the next one follows
            await asyncio.to_thread(write_durably, self._file, merged.format())
        async with self._changed:
            self._changed.notify_all()

    def _contradict(
        self, own: Digest, checkpoint: Checkpoint, lines: list[tuple[MemberId, NoteSignature]]
    ) -> None:
        """Keep what each of the others signed beside what is true here."""
        size = checkpoint.size
        mine = Checkpoint(origin=checkpoint.origin, size=size, root=own)
        gathered = self._gathered.get(size)
        for member in {member for member, _ in lines} - {self.vouching.member}:
            second = SignedCheckpoint(
                checkpoint=checkpoint, signatures=tuple(line for by, line in lines if by == member)
            )
            names = {(line.name, line.key_id) for line in second.signatures}
            twice = tuple(
                line
                for line in (gathered.signatures if gathered else ())
                if (line.name, line.key_id) in names
            )
            first = (
                SignedCheckpoint(checkpoint=mine, signatures=twice)
                if twice
                else self.vouching.sign(size, own)
            )
            self._splits.keep(member, first, second, same_signer=bool(twice), found=self._clock())


def open_cosigning(
    home: Path,
    config: NodeConfig,
    reader: Committed,
    chain: Digest,
    clock: Callable[[], Instant],
) -> Cosigning:
    """The signing side of the node in `home`.

    Raises:
        CorruptStore: what it signed before is damaged, or of another chain.
    """
    vouching = Vouching(
        home / VOUCHED_FOLDER,
        chain,
        MemberId(config.member),
        load_signing_key(home / config.checkpoint_key),
        clock=clock,
        root_at=root_in(reader),
    )
    return Cosigning(home, vouching, reader, clock)
