"""Delivery of terms: how a patient hands the unwritten half of a consent to those it concerns.

The package names both of her accounts, so it travels sealed. Each account signs it: a custodian
that enrolled a key of its own as a patient cannot then consent for her toward an organisation that
knows her too.
"""

from typing import Annotated, Final, Literal

import msgspec

from careledger.ledger.errors import Malformed, UnknownSigner
from careledger.ledger.membership import SIGNERS
from careledger.ledger.record import (
    AccountName,
    Digest,
    Hash,
    Instant,
    MemberName,
    Record,
    decode,
    digest,
    encode,
)
from careledger.ledger.signature import SigningKey
from careledger.ledger.state import View
from careledger.ledger.statement import (
    Claims,
    ContentType,
    parse_statement,
    sign_statement,
    verify_statement,
)
from careledger.mechanisms.envelope import ConsentId
from careledger.mechanisms.terms import commit_encoded

CONTENT_TYPE: Final[ContentType] = "application/vnd.careledger.terms+cbor"

MAX_TERMS_BYTES: Final = 40_000


class TermsPackage(Record):
    """What custodian and grantee need to act on a consent and cannot read on the ledger."""

    consent_id: ConsentId
    custodian: MemberName
    custodian_account: AccountName
    grantee: MemberName | None = None
    """None where a denial names nobody."""
    grantee_account: AccountName | None = None
    """The patient, as the grantee enrolled her; None if it did not."""
    terms: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_TERMS_BYTES)] | None = None
    """The encoding of `Terms` that the envelope commits to; None for the whole record."""
    salt: Hash | None = None

    def commitment(self) -> Digest | None:
        """What the envelope on the ledger must say.

        Raises:
            Malformed: terms without a salt, or a salt without terms.
        """
        if self.terms is None and self.salt is None:
            return None
        if self.terms is None or self.salt is None:
            raise Malformed
        return commit_encoded(self.salt, self.terms)


class SignedTerms(Record):
    """The package, and a statement over it by each account that it names."""

    package: TermsPackage
    signatures: Annotated[
        tuple[Annotated[bytes, msgspec.Meta(max_length=49_152)], ...], msgspec.Meta(max_length=2)
    ]


class TermsAcknowledged(Record):
    """What the receiver signs: it has the package, in force or waiting for its consent."""

    consent_id: ConsentId
    member: MemberName
    package: Hash
    """SHA-256 of the package."""
    standing: Literal["delivered", "waiting"]


def sign_package(key: SigningKey, claims: Claims, package: TermsPackage) -> bytes:
    """One account's statement; `claims.issuer` is that account."""
    return sign_statement(key, CONTENT_TYPE, claims, encode(package))


def verify_delivery(signed: SignedTerms, view: View, chain: Digest, time: Instant) -> None:
    """Check that each account the package names signed it, under a key that is live.

    Raises:
        Malformed: a statement is not one, or over something else, or outside its window.
        UnknownSigner: a signature is missing, or not of an active account of that organisation.
    """
    package, content = signed.package, encode(signed.package)
    accounts = {package.custodian_account: package.custodian}
    if package.grantee_account is not None:
        if package.grantee is None:
            raise Malformed
        if accounts.setdefault(package.grantee_account, package.grantee) != package.grantee:
            raise UnknownSigner  # one account of two organisations
    issuers: list[str] = []
    for data in signed.signatures:
        statement = parse_statement(data, CONTENT_TYPE)
        verify_statement(statement, view, chain, time)
        if statement.payload != content:
            raise Malformed
        issuers.append(statement.issuer)
    if sorted(issuers) != sorted(accounts):
        raise UnknownSigner
    for account, member in accounts.items():
        row = view.find(SIGNERS, account, absent=UnknownSigner)
        if row.payer != member or row.status != "active":
            raise UnknownSigner


def acknowledge(key: SigningKey, claims: Claims, acknowledged: TermsAcknowledged) -> bytes:
    """The receiver's statement that it has a package; `claims.issuer` is that member."""
    return sign_statement(key, CONTENT_TYPE, claims, encode(acknowledged))


def verify_acknowledgement(
    data: bytes, package: TermsPackage, view: View, chain: Digest, time: Instant
) -> TermsAcknowledged:
    """Check a receiver's statement that it has `package`.

    Raises:
        Malformed: not such a statement, or about another package.
        UnknownSigner: not signed by a live key of whoever it names.
    """
    statement = parse_statement(data, CONTENT_TYPE)
    verify_statement(statement, view, chain, time)
    said = decode(statement.payload, TermsAcknowledged)
    if said.consent_id != package.consent_id or said.package != digest(encode(package)):
        raise Malformed
    if said.member != statement.issuer:
        raise UnknownSigner
    return said
