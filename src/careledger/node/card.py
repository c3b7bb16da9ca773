"""A member's card: what the others need of it to found a network together, or to let it in.

The card is the only thing that leaves a member's house, and all of it is public. Every key on it
that can sign has signed for it, so that nobody can put another's key on a card, or change a card on
its way. Whose card it is, people settle: by meeting, or by reading its fingerprint to one another.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from careledger.apps.governance.commands import Admit, Endpoint, MemberAdmitted, Roles
from careledger.ledger.errors import BadSignature, LedgerError
from careledger.ledger.membership import NewKey, consensus_address
from careledger.ledger.possession import PublishedKey, new_key, sealing_key, thumbprint
from careledger.ledger.record import (
    Digest,
    Hash,
    Instant,
    MemberId,
    MemberName,
    PublicName,
    Record,
    digest,
    encode,
)
from careledger.ledger.signature import PublicKey, SigningKey, verify
from careledger.node.config import Address
from careledger.node.member_keys import (
    CHECKPOINT_KEY,
    CLIENT_KEY,
    CONSENSUS_KEY,
    ENGINE_KEY,
    RECEIPT_KEYS,
    TRANSACTION_KEY,
    make_engine_keys,
    make_member_keys,
    make_node_keys,
)
from careledger.vault.keyfile import load_signing_key

CARD_FILE = "card.json"
NODE_FOLDER = "node"

_SIGNED = b"careledger-card/1\n"
_MAX_BYTES = 65_536


class BadCard(LedgerError):
    """The file is no card, or its keys have not signed for what it says."""


class CardFace(Record):
    """What a card says; its digest is the card's fingerprint, and what the keys have signed for."""

    member: MemberName
    name: PublicName
    roles: Roles
    gateway: Endpoint
    node: Endpoint
    """Where its node's API answers."""
    engine: Address
    """Where its engine takes the others' connections."""
    engine_key: Hash
    """What its engine connects with (Ed25519)."""
    keys: Annotated[tuple[PublishedKey, ...], msgspec.Meta(max_length=8)]


class Card(Record):
    """The file."""

    face: CardFace
    proofs: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=9)]
    """A signature of each key in its order, empty if it cannot sign; the engine's is the last."""
    format: Literal["careledger-card/1"] = "careledger-card/1"

    @property
    def fingerprint(self) -> Digest:
        """What people compare."""
        return digest(encode(self.face))

    @property
    def peer(self) -> str:
        """The engine as another one is told of it: ID@HOST:PORT."""
        return f"{consensus_address(self.face.engine_key).hex()}@{self.face.engine}"

    def admitted(self, time: Instant) -> MemberAdmitted:
        """The event with which a network begins that has this member."""
        face = self.face
        return MemberAdmitted(
            member=face.member,
            name=face.name,
            roles=face.roles,
            keys=face.keys,
            at=time,
            gateway=face.gateway,
        )

    def validator_key(self) -> bytes:
        """With which its node votes on blocks.

        Raises:
            BadCard: it has none, or more than one.
        """
        found = [key.public for key in self.face.keys if key.use == "consensus"]
        if len(found) != 1:
            raise BadCard(f"the card of {self.face.member} needs one consensus key")
        return found[0]


def make_card(
    home: Path,
    *,
    member: str,
    name: str,
    roles: Sequence[str],
    gateway: str,
    node: str,
    engine: str,
) -> Card:
    """Make every key of a member in its home, and its card from them.

    Raises:
        BadCard: a name, role or address that no card may have.
        FileExistsError: there are keys already.
    """
    face = {"member": member, "name": name, "roles": roles, "gateway": gateway, "node": node}
    _face({**face, "engine": engine, "engine_key": bytes(32), "keys": ()})  # before keys are made
    keys = make_member_keys(home)
    voucher = make_node_keys(home / NODE_FOLDER)
    consensus, connecting = make_engine_keys(home / NODE_FOLDER)
    all_keys = (*keys, *voucher, consensus)
    made = _face({**face, "engine": engine, "engine_key": connecting.public, "keys": all_keys})
    card = _signed(home, made)
    (home / CARD_FILE).write_bytes(format_card(card))
    return card


def _face(fields: dict[str, object]) -> CardFace:
    try:
        return msgspec.convert(
            msgspec.to_builtins(fields, builtin_types=(bytes,)), CardFace, builtin_types=(bytes,)
        )
    except msgspec.ValidationError as error:
        raise BadCard(f"no such card: {error}") from error


def _signed(home: Path, face: CardFace) -> Card:
    message = _SIGNED + digest(encode(face))
    signers = _signers(home)
    proofs = [
        signers[key.public].sign(message) if key.public in signers else b"" for key in face.keys
    ]
    return Card(face=face, proofs=(*proofs, signers[face.engine_key].sign(message)))


def _signers(home: Path) -> dict[bytes, SigningKey]:
    """The member's own signing keys, by their public halves."""
    own = [home / TRANSACTION_KEY, home / CLIENT_KEY]
    node = [CHECKPOINT_KEY, *RECEIPT_KEYS, CONSENSUS_KEY, ENGINE_KEY]
    keys = [load_signing_key(path) for path in (*own, *(home / NODE_FOLDER / one for one in node))]
    return {key.public.public: key for key in keys}


def admission(home: Path, card: Card, chain: Digest) -> Admit:
    """The motion by which a running network would let this member in; its keys prove themselves.

    Raises:
        BadKeyFile: the keys are not in `home`.
    """
    face, signers = card.face, _signers(home)
    keys: list[NewKey] = [
        new_key(signers[key.public], key.use, MemberId(face.member), chain)
        if key.public in signers
        else sealing_key(key.public)
        for key in face.keys
    ]
    return Admit(
        member=face.member,
        name=face.name,
        roles=face.roles,
        keys=tuple(keys),
        gateway=face.gateway,
    )


def format_card(card: Card) -> bytes:
    """The file: indented JSON, bytes in base64."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def load_card(path: Path) -> Card:
    """The card in `path`, once its keys are seen to have signed for it.

    Raises:
        BadCard: it is none, or they have not.
    """
    try:
        with path.open("rb") as file:
            card = msgspec.json.decode(file.read(_MAX_BYTES), type=Card)
    except FileNotFoundError as error:
        raise BadCard(f"no card {path}: `careledger network card` makes one") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadCard(f"{path} is no card: {error}") from error
    try:
        _check(card)
    except BadSignature as error:
        raise BadCard(f"{path}: not every key has signed for this card") from error
    return card


def _check(card: Card) -> None:
    face, message = card.face, _SIGNED + card.fingerprint
    if len(card.proofs) != len(face.keys) + 1:
        raise BadSignature
    for key, proof in zip(face.keys, card.proofs, strict=False):
        thumbprint(key.algorithm, key.public)  # raises for what is no key of its algorithm
        if key.algorithm == "X25519":
            continue
        if key.algorithm == "ES384":
            raise BadSignature
        verify(PublicKey(algorithm=key.algorithm, public=key.public), message, proof)
    verify(PublicKey(algorithm="EdDSA", public=face.engine_key), message, card.proofs[-1])
