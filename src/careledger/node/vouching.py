"""A node's word: it signs its checkpoints, and never two histories.

What it signed last is kept in a file that is durable before the signature leaves. Whatever
becomes of the ledger afterwards (an older disk restored, another folder mounted), nothing is signed
until the log has reached that size again and has the same root there. One size and root are enough:
a log that contains them has one root at every size below, and grows from them.
"""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from careledger.gateway.node_services import Committed
from careledger.ledger.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    origin_of,
    parse_checkpoint,
    sign_checkpoint,
)
from careledger.ledger.errors import CorruptStore, Malformed, Unavailable
from careledger.ledger.record import Digest, Instant, MemberId
from careledger.ledger.signature import SigningKey
from careledger.store.gap import HistoryAbsent

VOUCHED_FOLDER = "vouched"
LATEST_FILE, COSIGNED_FILE = "latest", "cosigned"

REFRESH_S = 20
"""How old the time in a cosignature may be before it is given again."""

_log = logging.getLogger(__name__)

RootAt = Callable[[int], Digest | None]
"""Root of the first so many entries of the node's own log; None if it is not that long. It raises
`HistoryAbsent` if that cannot be said yet."""


class Vouching:
    """Signs for one member. Owns the folder in which it is kept what was signed."""

    def __init__(
        self,
        folder: Path,
        chain: Digest,
        member: MemberId,
        key: SigningKey,
        *,
        clock: Callable[[], Instant],
        root_at: RootAt,
    ) -> None:
        """Go on from what `folder` says was signed last.

        Raises:
            CorruptStore: the file there is damaged, or about another chain.
        """
        self.origin, self.member = origin_of(chain), member
        self.fault: str | None = None
        """Why nothing is signed any more: somebody holds another history under this key."""
        self.waiting: str | None = None
        """What has to be known before anything is signed."""
        self._folder, self._key, self._clock, self._root_at = folder, key, clock, root_at
        self._lock = threading.Lock()
        self._newest: tuple[SignedCheckpoint, Instant] | None = None
        self._is_continued = False
        self._tip = self._load()

    @property
    def has_record(self) -> bool:
        """Whether it is known what was signed before."""
        return self._tip is not None

    @property
    def signed_size(self) -> int:
        """The largest size that was ever signed."""
        return self._tip.size if self._tip else 0

    def sign(self, size: int, root: Digest) -> SignedCheckpoint:
        """The node's own checkpoint at a size that its log has.

        The newest is signed as log and as cosigner; an older one as log only, since a cosignature
        says that its signer had seen nothing newer (C2SP tlog-cosignature).

        Raises:
            Unavailable: the log is not, or no longer, one that continues what was signed before.
        """
        checkpoint = Checkpoint(origin=self.origin, size=size, root=root)
        with self._lock:
            self._check_continued(size)
            now = self._clock()
            if self._newest and self._newest[0].checkpoint == checkpoint:
                signed, at = self._newest
                if now - at < REFRESH_S:
                    return signed
            if size > self.signed_size:
                self._keep(sign_checkpoint(checkpoint, self.member, self._key, now))
            signed = sign_checkpoint(checkpoint, self.member, self._key, now)
            if size < self.signed_size:
                return SignedCheckpoint(checkpoint=checkpoint, signatures=signed.signatures[:1])
            self._newest = signed, now
            return signed

    def recall(self, signed: SignedCheckpoint) -> None:
        """Remember a checkpoint that others hold, with this node's own valid signature on it.

        It is what this node forgot, if its disk was restored; if the log has another root there,
        this node signs nothing any more.
        """
        with self._lock:
            checkpoint = signed.checkpoint
            if checkpoint.size > self.signed_size:
                self._is_continued = False
                self._keep(signed)
            try:
                own = self._root_at(checkpoint.size)
            except HistoryAbsent:  # looked at again before anything is signed
                return
            if own is not None and own != checkpoint.root:
                self._fail(checkpoint.size)

    def _check_continued(self, size: int) -> None:
        if self.fault or self.waiting:
            raise Unavailable(self.fault or self.waiting)
        if self._is_continued or self._tip is None:
            self._is_continued = True
            return
        own = self._root_at(self._tip.size)
        if own is None:
            raise Unavailable(
                f"this node has vouched for {self._tip.size} log entries and holds {size}: "
                "it signs again when it has them back"
            )
        if own != self._tip.root:
            self._fail(self._tip.size)
            raise Unavailable(self.fault)
        self._is_continued = True

    def _fail(self, size: int) -> None:
        self.fault = (
            f"this node signed another history of {size} log entries than it holds now: "
            "it signs nothing any more"
        )
        _log.error("nothing is signed any more: %s", self.fault)

    def _keep(self, signed: SignedCheckpoint) -> None:
        try:
            write_durably(self._folder / LATEST_FILE, signed.format())
        except OSError as error:
            raise Unavailable(f"what is signed cannot be kept: {error.strerror}") from error
        self._tip = signed.checkpoint

    def _load(self) -> Checkpoint | None:
        try:
            text = (self._folder / LATEST_FILE).read_text()
        except FileNotFoundError:
            return None
        try:
            checkpoint = parse_checkpoint(text).checkpoint
        except Malformed as error:
            raise CorruptStore("what the node signed last", self._folder) from error
        if checkpoint.origin != self.origin:
            raise CorruptStore(f"{self._folder} is another chain's", checkpoint.origin)
        return checkpoint


def root_in(reader: Committed) -> RootAt:
    """The roots of the log that `reader` reads."""

    def root_at(size: int) -> Digest | None:
        with reader.snapshot() as committed:
            return committed.root_at(size)

    return root_at


def write_durably(path: Path, text: str) -> None:
    """Put a file in place, there for good once this returns; the folder is made if need be."""
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync(path.parent.parent)
    staged = path.with_name(path.name + ".part")
    with staged.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
