"""Checkpoints: what the log was at one moment, signed by those who vouch for it.

A checkpoint is a C2SP tlog-checkpoint, a signed note of three lines: origin, size, root. Every
member's node signs it twice with its one checkpoint key: as the log itself (type 01, under the
origin's name) and as a cosigner with the time (type 04, under the name origin/member). The two
messages begin differently, so neither can pass for the other.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from careledger.ledger.errors import BadSignature, Malformed, ProofError
from careledger.ledger.merkle import HASH_BYTES
from careledger.ledger.note import (
    Kind,
    Note,
    NoteKey,
    NoteSignature,
    cosign_note,
    decode_base64,
    parse_note,
    sign_note,
    verify_signature,
)
from careledger.ledger.record import Digest, Instant, MemberId, digest
from careledger.ledger.signature import SigningKey

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_ORIGIN = re.compile(r"[^\s+\x00-\x1f\x7f]+")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A size and root of one log. Nobody vouches for it yet."""

    origin: str
    size: int
    root: Digest

    def text(self) -> str:
        """The note text that is signed: three lines."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint with signatures that are not checked yet."""

    checkpoint: Checkpoint
    signatures: tuple[NoteSignature, ...]

    def format(self) -> str:
        """The signed note, which is how a checkpoint travels."""
        return Note(text=self.checkpoint.text(), signatures=self.signatures).format()

    def with_signatures(self, more: Iterable[NoteSignature]) -> "SignedCheckpoint":
        """With others' signatures added; of two by one key, the later one stays."""
        merged = {(line.name, line.key_id): line for line in (*self.signatures, *more)}
        return SignedCheckpoint(checkpoint=self.checkpoint, signatures=tuple(merged.values()))


@dataclass(frozen=True, kw_only=True)
class VerifiedCheckpoint:
    """A checkpoint that satisfied a policy; `times` are what each cosigner's name stated."""

    checkpoint: Checkpoint
    signed_by: frozenset[NoteKey]
    times: Mapping[str, Instant]

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self.checkpoint.size

    @property
    def root(self) -> Digest:
        """Root over them."""
        return self.checkpoint.root


def origin_of(chain: Digest) -> str:
    """The origin line of that chain's log."""
    return f"careledger/{chain.hex()}"


def app_hash(size: int, log_root: bytes, version: int) -> Digest:
    """What consensus agrees on: a log's head. No height: an empty block changes nothing."""
    return digest(b"careledger/app-hash/1" + size.to_bytes(8) + log_root + version.to_bytes(4))


def signer_name(origin: str, member: MemberId) -> str:
    """How a member's node names itself in cosignatures and COSE Receipts."""
    return f"{origin}/{member}"


def log_key(origin: str, public: bytes) -> NoteKey:
    """The key as which a node signs for the log itself."""
    return NoteKey(name=origin, kind=Kind.SIGNATURE, public=public)


def cosigner_key(origin: str, member: MemberId, public: bytes) -> NoteKey:
    """The key as which a member's node cosigns."""
    return NoteKey(name=signer_name(origin, member), kind=Kind.COSIGNATURE, public=public)


def member_keys(origin: str, member: MemberId, public: bytes) -> tuple[NoteKey, NoteKey]:
    """Both keys as which a member's node vouches; either suffices for its voice in a `Quorum`."""
    return log_key(origin, public), cosigner_key(origin, member, public)


def sign_checkpoint(
    checkpoint: Checkpoint, member: MemberId, key: SigningKey, time: Instant
) -> SignedCheckpoint:
    """A node's own checkpoint: signed for the log, and cosigned as `member` at `time`.

    A node must never do this for a checkpoint inconsistent with one it signed before.
    """
    text, origin = checkpoint.text(), checkpoint.origin
    signatures = (
        sign_note(text, origin, key),
        cosign_note(text, signer_name(origin, member), key, time),
    )
    return SignedCheckpoint(checkpoint=checkpoint, signatures=signatures)


def parse_checkpoint(text: str) -> SignedCheckpoint:
    """Inverse of `SignedCheckpoint.format`; there are no extension lines.

    Raises:
        Malformed: it would not have written this.
    """
    note = parse_note(text)
    lines = note.text.split("\n")
    if len(lines) != 4:  # noqa: PLR2004 - three lines and what follows the last newline
        raise Malformed
    origin, size, root, _ = lines
    if not _SIZE.fullmatch(size) or not _ORIGIN.fullmatch(origin):
        raise Malformed
    value = decode_base64(root)
    if len(value) != HASH_BYTES:
        raise Malformed
    checkpoint = Checkpoint(origin=origin, size=int(size), root=Digest(value))
    return SignedCheckpoint(checkpoint=checkpoint, signatures=note.signatures)


class Policy(Protocol):
    """Whose signatures suffice. Small policies are combined by `AllOf`."""

    def known_keys(self) -> Iterable[NoteKey]:
        """The keys it knows; signatures by others are ignored."""
        ...

    def check(self, verified: frozenset[NoteKey]) -> None:
        """Accept, knowing which keys' signatures verified.

        Raises:
            ProofError: they do not suffice.
        """
        ...


@dataclass(frozen=True)
class SignedByOneOf:
    """One of these keys signed."""

    trusted: tuple[NoteKey, ...]

    def known_keys(self) -> Iterable[NoteKey]:
        return self.trusted

    def check(self, verified: frozenset[NoteKey]) -> None:
        if verified.isdisjoint(self.trusted):
            raise ProofError("no trusted key signed the checkpoint", expected=1, actual=0)


@dataclass(frozen=True)
class Quorum:
    """At least `threshold` members vouch, each by any of its keys."""

    threshold: int
    members: Mapping[str, tuple[NoteKey, ...]]

    def known_keys(self) -> Iterable[NoteKey]:
        return [key for keys in self.members.values() for key in keys]

    def check(self, verified: frozenset[NoteKey]) -> None:
        vouching = sum(not verified.isdisjoint(keys) for keys in self.members.values())
        if vouching < max(self.threshold, 1):
            raise ProofError(
                "too few members signed the checkpoint", expected=self.threshold, actual=vouching
            )


@dataclass(frozen=True)
class AllOf:
    """Every one of these policies holds; at least one must be named."""

    policies: tuple[Policy, ...]

    def known_keys(self) -> Iterable[NoteKey]:
        return [key for policy in self.policies for key in policy.known_keys()]

    def check(self, verified: frozenset[NoteKey]) -> None:
        if not self.policies:
            raise ProofError("no policy, so nobody is trusted")
        for policy in self.policies:
            policy.check(verified)


def verify_checkpoint(signed: SignedCheckpoint, origin: str, policy: Policy) -> VerifiedCheckpoint:
    """Check whose checkpoint this is and that those vouch for it whom `policy` asks.

    Raises:
        ProofError: another log's, a known key's signature is bad, or the policy is not satisfied.
    """
    checkpoint = signed.checkpoint
    if checkpoint.origin != origin:
        raise ProofError("another log's checkpoint", expected=origin, actual=checkpoint.origin)
    known = {(key.name, key.id): key for key in policy.known_keys()}
    verified: dict[NoteKey, Instant | None] = {}
    for signature in signed.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        try:
            verified[key] = verify_signature(checkpoint.text(), signature, key)
        except BadSignature as error:
            raise ProofError("a checkpoint signature is bad", expected=key.name) from error
    policy.check(frozenset(verified))
    times = {key.name: time for key, time in verified.items() if time is not None}
    return VerifiedCheckpoint(checkpoint=checkpoint, signed_by=frozenset(verified), times=times)
