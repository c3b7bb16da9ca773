"""Who may sign: members, accounts and their keys, as every rule and every door sees them.

The tables live in the core because admission needs them before any application runs; the
applications `governance` and `identity` are the only writers.
"""

from collections.abc import Iterator
from typing import Annotated, Final, Literal, get_args

import msgspec

from careledger.ledger import hybrid
from careledger.ledger.record import (
    Count,
    Digest,
    Hash,
    Instant,
    MemberName,
    Record,
    SignerId,
    digest,
)
from careledger.ledger.signature import PublicKey
from careledger.ledger.state import Table, View

Status = Literal["active", "suspended", "removed"]

KeyUse = Literal["transaction", "claim", "client", "sealing", "checkpoint", "receipt", "consensus"]
"""What a key is for; "client" signs private_key_jwt, "sealing" opens HPKE, "checkpoint" and
"receipt" sign checkpoints and COSE receipts, "consensus" signs a validator's votes on blocks."""

USES: Final[tuple[KeyUse, ...]] = get_args(KeyUse)

ADDRESS_BYTES: Final = 20

HYBRID: Final = "EdDSA+ML-DSA-65"

KeyAlgorithm = Literal["EdDSA", "ES256", "ES384", "X25519", "EdDSA+ML-DSA-65"]

_PLAIN_PUBLIC_BYTES: Final = 97
_PLAIN_PROOF_BYTES: Final = 128

PublicBytes = Annotated[bytes, msgspec.Meta(min_length=32, max_length=hybrid.PUBLIC_BYTES)]
ProofBytes = Annotated[bytes, msgspec.Meta(max_length=hybrid.SIGNATURE_BYTES)]


EMERGENCY_GRACE_S: Final = 72 * 3_600
"""How long a suspended member keeps break-glass."""

MAX_POWER: Final = 1_000_000
"""Most voting power of one member; every sum of powers stays far within 63 bits."""


class SignerRow(Record):
    """A member or an account."""

    kind: Literal["member", "account"]
    payer: MemberName
    """Whose budget its transactions count against: the member, or the one that enrolled it."""
    status: Status = "active"
    suspended: Instant | msgspec.UnsetType = msgspec.UNSET
    """Since when a member is suspended; unset while it is not."""


class KeyRow(Record):
    """One registered public key; `until` is set when it was retired."""

    use: KeyUse
    algorithm: KeyAlgorithm
    public: PublicBytes
    since: Instant
    until: Instant | None = None


class LiveKeyRow(Record):
    """A key is live; `KeyRow` says the rest."""

    since: Instant


class ValidatorRow(Record):
    """A member whose node votes on blocks."""

    power: Annotated[int, msgspec.Meta(ge=1, le=MAX_POWER)]
    """What its vote weighs; blocks need more than two thirds of all power."""
    public: Hash
    """The Ed25519 key that signs its votes."""


class ConsensusKeyRow(Record):
    """Whose votes a consensus key signs, or once signed."""

    member: MemberName


class ActivationRow(Record):
    """An application's version was voted for."""

    version: Count


class NetworkParameters(Record):
    """What genesis fixed for everyone; changed only by vote."""

    paper_consent: bool = False
    """Whether consent on paper may be attested."""
    vote_threshold_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 67
    """Votes needed to carry a proposal, in percent of the active members."""
    acknowledge_within_s: Annotated[int, msgspec.Meta(ge=60, lt=2**31)] = 86_400
    """After which an unacknowledged disclosure is overdue."""
    transactions_per_block: Annotated[int, msgspec.Meta(ge=1, lt=2**31)] = 2_000
    """Budget of one member in one block, in transactions; each command of one counts as one."""
    bytes_per_block: Annotated[int, msgspec.Meta(ge=1_000, lt=2**31)] = 4_000_000
    """Budget of one member in one block, in bytes."""
    protective_percent: Annotated[int, msgspec.Meta(ge=0, le=50)] = 10
    """Share of each budget that only protective commands (revocations, denials) may use."""
    suspend_on_evidence: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether a member that is caught at misbehaviour is suspended at once; unset: it is not."""
    hybrid_keys: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether hybrid keys (Ed25519 and ML-DSA-65) may be registered; unset: they may not."""


VALIDATORS = Table("ledger.validators", ValidatorRow, (str,))
"""Keyed by member: exactly the set that votes on blocks now; empty under the embedded engine."""

CONSENSUS_KEYS = Table("ledger.consensus-keys", ConsensusKeyRow, (bytes,))
"""Keyed by address; rows stay when the key is retired, so that no other member may have it and
whoever misused it is found."""

ACTIVATIONS = Table("ledger.activations", ActivationRow, (str, int))
"""Keyed by application and by the height from which it runs; what genesis activates is not here."""

SIGNERS = Table("ledger.signers", SignerRow, (str,))
"""Keyed by member or account id."""

KEYS = Table("ledger.keys", KeyRow, (str, bytes))
"""Keyed by signer and key id; retired keys stay, for what they signed before."""

LIVE_KEYS = Table("ledger.live-keys", LiveKeyRow, (str, str, bytes))
"""Keyed by signer, use and key id: however many a signer retired, the live ones are soon found."""

PARAMETERS = Table("ledger.parameters", NetworkParameters, (str,))
"""One row, keyed "network"."""

TABLES = (SIGNERS, KEYS, LIVE_KEYS, PARAMETERS, VALIDATORS, CONSENSUS_KEYS, ACTIVATIONS)


def parameters(view: View) -> NetworkParameters:
    """What the network agreed on."""
    return view.get(PARAMETERS, "network") or NetworkParameters()


def consensus_address(public: bytes) -> bytes:
    """How engines name the holder of an Ed25519 consensus key: 20 bytes of its SHA-256."""
    return digest(public)[:ADDRESS_BYTES]


def live_key(view: View, signer: SignerId, key_id: bytes) -> KeyRow | None:
    """The key of `signer` under `key_id`, unless it is unknown or retired."""
    row = view.get(KEYS, signer, key_id)
    return None if row is None or row.until is not None else row


def live_keys(view: View, signer: SignerId, use: KeyUse) -> Iterator[tuple[Digest, KeyRow]]:
    """Every key of `signer` that serves `use` now, with its id."""
    for (_, _, key_id), _ in view.scan(LIVE_KEYS, signer, use):
        if isinstance(key_id, bytes):
            yield Digest(key_id), view.row(KEYS, signer, key_id)


def may_act_in_emergency(member: SignerRow, time: Instant) -> bool:
    """Whether `member` may break the glass: it is active, or was until less than 72 hours ago."""
    if member.status == "suspended" and isinstance(member.suspended, int):
        return time < member.suspended + EMERGENCY_GRACE_S
    return member.status == "active"


def public_key(row: KeyRow) -> PublicKey | None:
    """The signature key that `row` holds, if it is one for transactions or receipts."""
    match row.algorithm:
        case "EdDSA" | "ES256" | "EdDSA+ML-DSA-65":
            return PublicKey(algorithm=row.algorithm, public=row.public)
        case "ES384" | "X25519":
            return None


class KeyProof(Record):
    """What a new key signs to prove its possession (domain separated by its first field)."""

    chain: Hash
    signer: str
    use: KeyUse
    public: bytes
    domain: Literal["careledger key possession v1"] = "careledger key possession v1"


class NewKey(Record):
    """A key to be registered, with the proof that whoever asks holds its private half."""

    use: KeyUse
    algorithm: KeyAlgorithm
    public: PublicBytes
    proof: ProofBytes = b""
    """Signature of the key over `KeyProof`; empty for X25519, which cannot sign."""

    def __post_init__(self) -> None:
        check_key_size(self.algorithm, self.public, self.proof)


def check_key_size(algorithm: KeyAlgorithm, public: bytes, proof: bytes = b"") -> None:
    """Only a hybrid key is so large.

    Raises:
        ValueError: another one is; a decoder makes `Malformed` of it.
    """
    plain = len(public) <= _PLAIN_PUBLIC_BYTES and len(proof) <= _PLAIN_PROOF_BYTES
    if not plain and algorithm != HYBRID:
        raise ValueError("too long for a key of that algorithm")
