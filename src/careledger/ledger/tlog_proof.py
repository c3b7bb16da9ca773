"""Transparency log proofs (C2SP tlog-proof v1): a leaf's place and a checkpoint, in one text."""

import base64
import re
from dataclasses import dataclass

from careledger.ledger.checkpoint import SignedCheckpoint, parse_checkpoint
from careledger.ledger.errors import Malformed
from careledger.ledger.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from careledger.ledger.note import MAX_NOTE_BYTES, decode_base64
from careledger.ledger.record import Digest

FIRST_LINE = "c2sp.org/tlog-proof@v1"

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,15})")
_MAX_PATH = 64


@dataclass(frozen=True, kw_only=True)
class TlogProof:
    """A leaf's index and path under a checkpoint; nothing of it is checked yet.

    `extra` is the log entry itself, from which the verifier computes the leaf hash. The format
    leaves it unauthenticated: only the path makes it trustworthy.
    """

    extra: bytes | None
    index: int
    path: tuple[Digest, ...]
    checkpoint: SignedCheckpoint

    def format(self) -> str:
        """The text of a `.tlog-proof` file."""
        lines = [FIRST_LINE]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines.extend(base64.b64encode(value).decode() for value in self.path)
        return "\n".join(lines) + "\n\n" + self.checkpoint.format()

    def verify(self, entry: bytes) -> None:
        """Check that `entry` is at this place of the checkpoint's tree.

        That the checkpoint itself can be trusted is another question: `verify_checkpoint`.

        Raises:
            ProofError: it is not.
        """
        checkpoint = self.checkpoint.checkpoint
        verify_inclusion(leaf_hash(entry), self.index, checkpoint.size, self.path, checkpoint.root)


def parse_tlog_proof(text: str) -> TlogProof:
    """Inverse of `TlogProof.format`.

    Raises:
        Malformed: it would not have written this.
    """
    head, separator, rest = text.partition("\n\n")
    if not separator or len(text) > 2 * MAX_NOTE_BYTES:
        raise Malformed
    first, *lines = head.split("\n")
    if first != FIRST_LINE or not lines:
        raise Malformed
    extra = None
    if lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "))
    match = _INDEX.fullmatch(lines[0]) if lines else None
    if match is None or len(lines) - 1 > _MAX_PATH:
        raise Malformed
    return TlogProof(
        extra=extra,
        index=int(match[1]),
        path=tuple(map(_hash, lines[1:])),
        checkpoint=parse_checkpoint(rest),
    )


def _hash(line: str) -> Digest:
    value = decode_base64(line)
    if len(value) != HASH_BYTES:
        raise Malformed
    return Digest(value)
