"""Offline disclosures: what a custodian releases in an emergency while the ledger cannot decide.

Without a quorum nothing can be recorded, and nothing is released, with one exception: where a
practitioner signs for an emergency. The custodian then writes an entry of its own first, signed,
numbered without a gap and chained to the one before by its digest, and hands it to whoever asked.
Once the ledger decides again, the entries are recorded before anything else of that custodian, in
order: a missing one shows, and so does an altered one, which its receiver holds.
"""

from typing import Final

from careledger.ledger.errors import BadSignature, Malformed, UnknownSigner
from careledger.ledger.membership import KEYS, public_key
from careledger.ledger.record import (
    AccountName,
    Count,
    Digest,
    Hash,
    Instant,
    MemberName,
    Record,
    TransactionId,
    decode,
    encode,
)
from careledger.ledger.signature import SigningKey, verify
from careledger.ledger.state import View
from careledger.ledger.statement import (
    Claims,
    ContentType,
    Statement,
    parse_statement,
    sign_statement,
)
from careledger.mechanisms.anchored import Sequence

CONTENT_TYPE: Final[ContentType] = "application/vnd.careledger.offline+cbor"

NONE_BEFORE: Final = bytes(32)
"""What stands for the entry before a custodian's first."""


class OfflineEntry(Record):
    """What the custodian signs before it releases anything."""

    custodian: MemberName
    number: Sequence
    """From 1, without a gap, one numbering for everything this custodian ever released so."""
    previous: Hash
    """Id of the entry before; 32 zero bytes for the first."""
    account: AccountName
    request: Hash
    """Id of the signed request that was answered."""
    emergency: Hash
    """Id of the practitioner's emergency statement."""
    manifest: Hash
    """Salted commitment to what was released, as in every disclosure."""
    at: Instant
    """When, by the custodian's clock."""
    height: Count
    """The newest block that the custodian had."""


def sign_offline(key: SigningKey, claims: Claims, entry: OfflineEntry) -> bytes:
    """The entry, signed by the custodian, whom `claims.issuer` names."""
    return sign_statement(key, CONTENT_TYPE, claims, encode(entry))


def signed_ever(statement: Statement, view: View) -> None:
    """Check a statement's signature by any transaction key that its issuer ever had.

    Whether the key was live then is another question: in the part of a network that was cut off
    nobody can know that it had been retired.

    Raises:
        UnknownSigner: signed by no such key.
    """
    row = view.find(KEYS, statement.issuer, statement.key_id, absent=UnknownSigner)
    key = public_key(row)
    if row.use != "transaction" or key is None or key.algorithm != statement.algorithm:
        raise UnknownSigner
    try:
        verify(key, statement.signed, statement.signature)
    except BadSignature as error:
        raise UnknownSigner from error


def read_offline(data: bytes, view: View, chain: Digest) -> tuple[TransactionId, OfflineEntry]:
    """An entry and its id, signed by a key of the custodian that it names.

    It may be read long after its own window: an outage lasts as long as it lasts.

    Raises:
        Malformed: not such a statement, of another chain, or its time is outside its window.
        UnknownSigner: not signed by a transaction key of the custodian that it names.
    """
    statement = parse_statement(data, CONTENT_TYPE)
    entry, claims = decode(statement.payload, OfflineEntry), statement.claims
    in_window = claims.not_before <= entry.at <= claims.expires
    if claims.audience != chain.hex() or not in_window:
        raise Malformed
    if statement.issuer != entry.custodian:
        raise UnknownSigner
    signed_ever(statement, view)
    return statement.id, entry
