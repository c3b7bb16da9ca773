"""The trust file: whom a reader believes about a chain, and how many of them it takes.

It comes from the genesis file, or from anyone whom the reader believes. A proof never brings its
own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from careledger.ledger.checkpoint import Checkpoint, Quorum, member_keys
from careledger.ledger.errors import Malformed
from careledger.ledger.note import NoteKey
from careledger.ledger.record import (
    Count,
    Digest,
    Hash,
    Instant,
    MemberId,
    MemberName,
    Record,
)
from careledger.ledger.signature import PublicKey, key_id

ChainHex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class TrustedMember(Record):
    """One member's keys, each of which counts as its voice."""

    member: MemberName
    checkpoint: tuple[Hash, ...]
    """Ed25519 public keys that sign its checkpoints."""
    receipt: tuple[PublicKey, ...] = ()


class TrustedValidator(Record):
    """One voter at a trusted height, and whose it is."""

    member: MemberName
    public: Hash
    power: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]


class TrustedHeight(Record):
    """Where a light client begins: who may vote on the block after `height`, believed till `until`.

    Height 0 is the genesis. Keys that voted long ago may since have been lost, with which another
    history could be signed: so the belief ends, and the reader asks somebody again.
    """

    engine_chain: Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
    height: Count
    time: Instant
    validators: Annotated[
        tuple[TrustedValidator, ...], msgspec.Meta(min_length=1, max_length=1_000)
    ]
    until: Instant


class Trust(Record):
    """That `threshold` of these members together are believed about the chain."""

    format: Literal["careledger-trust/1"] = "careledger-trust/1"
    chain: ChainHex
    threshold: Annotated[int, msgspec.Meta(ge=1)]
    members: tuple[TrustedMember, ...]
    height: TrustedHeight | msgspec.UnsetType = msgspec.UNSET
    """Where a light client may begin, if the writer vouches for one."""

    @property
    def origin(self) -> str:
        """The origin line of the chain's log."""
        return f"careledger/{self.chain}"

    def policy(self) -> Quorum:
        """Whose signatures make a checkpoint believable."""
        return Quorum(self.threshold, self.note_keys())

    def note_keys(self) -> Mapping[str, tuple[NoteKey, ...]]:
        """Every key under which each member's node may sign a checkpoint."""
        return {
            one.member: tuple(
                key
                for public in one.checkpoint
                for key in member_keys(self.origin, MemberId(one.member), public)
            )
            for one in self.members
        }

    def receipt_keys(self) -> Mapping[Digest, tuple[str, PublicKey]]:
        """Key id to the member and key that sign COSE Receipts."""
        return {key_id(key): (one.member, key) for one in self.members for key in one.receipt}


def make_trust(chain: Digest, threshold: int, keys: Iterable[tuple[str, str, PublicKey]]) -> Trust:
    """The trust file's content from (member, use, key), as genesis or the key table lists them.

    Uses other than `checkpoint` and `receipt` are passed over.
    """
    checkpoint: dict[str, list[bytes]] = {}
    receipt: dict[str, list[PublicKey]] = {}
    for member, use, key in keys:
        if use == "checkpoint":
            checkpoint.setdefault(member, []).append(key.public)
        elif use == "receipt":
            receipt.setdefault(member, []).append(key)
    members = tuple(
        TrustedMember(
            member=member,
            checkpoint=tuple(checkpoint.get(member, ())),
            receipt=tuple(receipt.get(member, ())),
        )
        for member in sorted(checkpoint | receipt)
    )
    return Trust(chain=chain.hex(), threshold=threshold, members=members)


def format_trust(trust: Trust) -> str:
    """The trust file: indented JSON, byte strings in base64."""
    return msgspec.json.format(msgspec.json.encode(trust), indent=2).decode() + "\n"


def parse_trust(data: bytes) -> Trust:
    """Read a trust file.

    Raises:
        Malformed: it is not one, it asks for more members than it names, or names a key twice.
    """
    try:
        trust = msgspec.json.decode(data, type=Trust)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed from error
    names = {one.member for one in trust.members}
    if len(names) != len(trust.members) or trust.threshold > len(names):
        raise Malformed
    voters = trust.height.validators if isinstance(trust.height, TrustedHeight) else ()
    if len({one.public for one in voters}) != len(voters):
        raise Malformed
    return trust


@dataclass(frozen=True)
class LogHead:
    """What the log was, shown by the votes of validators whom a trust file believes."""

    checkpoint: Checkpoint
    height: int


Believed = Trust | LogHead
"""What a reader brings to a proof."""


def find_trust(believed: Iterable[Believed], origin: str) -> Trust | None:
    """The trust file about that log, if there is one."""
    trusts = (one for one in believed if isinstance(one, Trust))
    return next((trust for trust in trusts if trust.origin == origin), None)


def find_head(believed: Iterable[Believed], checkpoint: Checkpoint) -> LogHead | None:
    """A shown head of that log at that size, whatever its root."""
    asked = (checkpoint.origin, checkpoint.size)
    heads = (one for one in believed if isinstance(one, LogHead))
    return next(
        (one for one in heads if (one.checkpoint.origin, one.checkpoint.size) == asked), None
    )
