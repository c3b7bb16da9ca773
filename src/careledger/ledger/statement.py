"""Signed statements: a COSE_Sign1 with CWT claims, in the shape of RFC 9943 (SCITT).

Transactions, requests between organisations and emergency statements are all this one shape; the
content type keeps one from being taken for another.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from careledger.ledger import hybrid
from careledger.ledger.cose import (
    ALGORITHM,
    CONTENT_TYPE,
    CWT_CLAIMS,
    KEY_ID,
    Headers,
    decode_sign1,
    encode_headers,
    encode_sign1,
    sig_structure,
)
from careledger.ledger.errors import BadSignature, Malformed, UnknownSigner
from careledger.ledger.membership import KeyRow, KeyUse, live_key, public_key
from careledger.ledger.record import (
    ACCOUNT_ID,
    MEMBER_ID,
    AccountId,
    Digest,
    Instant,
    MemberId,
    Record,
    SignerId,
    TransactionId,
    digest,
)
from careledger.ledger.signature import (
    COSE_ALGORITHMS,
    COSE_NUMBERS,
    SIGNATURE_BYTES,
    Algorithm,
    SigningKey,
    key_id,
    verify,
)
from careledger.ledger.state import View

ContentType = Literal[
    "application/vnd.careledger.transaction+cbor",
    "application/vnd.careledger.request+cbor",
    "application/vnd.careledger.emergency+cbor",
    "application/vnd.careledger.terms+cbor",
    "application/vnd.careledger.attestation+cbor",
    "application/vnd.careledger.offline+cbor",
]

_ISSUER, _SUBJECT, _AUDIENCE, _EXPIRES, _NOT_BEFORE, _NONCE = 1, 2, 3, 4, 5, 7
"""CWT claim keys (RFC 8392 4)."""

_PROTECTED = {ALGORITHM, CONTENT_TYPE, KEY_ID, CWT_CLAIMS}
_CLAIMS = {_ISSUER, _SUBJECT, _AUDIENCE, _EXPIRES, _NOT_BEFORE, _NONCE}

PLAIN_STATEMENT_BYTES = 2_048
"""Largest statement inside a command, unless a hybrid key signed it."""

StatementBytes = Annotated[
    bytes,
    msgspec.Meta(
        min_length=1,
        max_length=PLAIN_STATEMENT_BYTES - SIGNATURE_BYTES + hybrid.SIGNATURE_BYTES,
    ),
]
"""A signed statement inside a command or a message; `check_sizes` says the rest."""

SKEW_S = 60
"""How far ahead of block time a statement may begin to count, in seconds."""

MAX_WINDOW_S = 3_600
"""Longest time from not-before to expiry, in seconds."""


class Claims(Record):
    """Who says it, about what, to which chain, and when it counts."""

    issuer: Annotated[str, msgspec.Meta(max_length=64)]
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    audience: Annotated[str, msgspec.Meta(min_length=64, max_length=64)]
    """The chain id, in hex."""
    not_before: Instant
    expires: Instant
    nonce: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A parsed statement whose signature nobody has checked yet."""

    id: TransactionId
    content_type: str
    algorithm: Algorithm
    key_id: Digest
    claims: Claims
    payload: bytes
    signature: bytes
    signed: bytes
    """The Sig_structure, which is what the signature covers."""
    raw: bytes

    @property
    def issuer(self) -> SignerId:
        """Who claims to have signed."""
        name = self.claims.issuer
        return AccountId(name) if name.startswith("@") else MemberId(name)


def sign_statement(
    key: SigningKey, content_type: ContentType, claims: Claims, payload: bytes
) -> bytes:
    """The signed message; its size is the payload's and some 260 bytes."""
    protected = encode_headers(
        {
            ALGORITHM: COSE_NUMBERS[key.algorithm],
            CONTENT_TYPE: content_type,
            KEY_ID: key_id(key.public),
            CWT_CLAIMS: {
                _ISSUER: claims.issuer,
                _SUBJECT: claims.subject,
                _AUDIENCE: claims.audience,
                _EXPIRES: claims.expires,
                _NOT_BEFORE: claims.not_before,
                _NONCE: claims.nonce,
            },
        }
    )
    return encode_sign1(protected, payload, key.sign(sig_structure(protected, payload)))


def check_sizes(*statements: bytes | None) -> None:
    """Only a statement under a hybrid key has the room for its signature.

    Raises:
        ValueError: another one is larger; a decoder makes `Malformed` of it.
    """
    for data in statements:
        if data is None or len(data) <= PLAIN_STATEMENT_BYTES:
            continue
        try:
            algorithm = decode_sign1(data).headers.get(ALGORITHM)
        except Malformed as error:
            raise ValueError("no statement") from error
        if algorithm != COSE_NUMBERS["EdDSA+ML-DSA-65"]:
            raise ValueError("a statement that large bears a hybrid signature")


def parse_statement(data: bytes, content_type: ContentType) -> Statement:
    """Read a statement of one content type.

    Raises:
        Malformed: it is not exactly what `sign_statement` would have made.
    """
    message = decode_sign1(data)
    headers = message.headers
    if set(headers) != _PROTECTED or headers[CONTENT_TYPE] != content_type:
        raise Malformed
    algorithm, key = headers[ALGORITHM], headers[KEY_ID]
    if type(algorithm) is not int or algorithm not in COSE_ALGORITHMS or message.payload is None:
        raise Malformed
    if not isinstance(key, bytes) or len(key) != 32:  # noqa: PLR2004 - a SHA-256 thumbprint
        raise Malformed
    signed = sig_structure(message.protected, message.payload)
    return Statement(
        id=TransactionId(digest(signed)),
        content_type=content_type,
        algorithm=COSE_ALGORITHMS[algorithm],
        key_id=Digest(key),
        claims=_claims(headers[CWT_CLAIMS]),
        payload=message.payload,
        signature=message.signature,
        signed=signed,
        raw=data,
    )


def _claims(value: object) -> Claims:
    if not isinstance(value, dict) or set(value) != _CLAIMS:
        raise Malformed
    named: Headers = {
        "issuer": value[_ISSUER],
        "subject": value[_SUBJECT],
        "audience": value[_AUDIENCE],
        "not_before": value[_NOT_BEFORE],
        "expires": value[_EXPIRES],
        "nonce": value[_NONCE],
    }
    try:
        claims = msgspec.convert(named, Claims, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise Malformed from error
    issuer = claims.issuer
    if not (MEMBER_ID.fullmatch(issuer) or ACCOUNT_ID.fullmatch(issuer)):
        raise Malformed
    if not 0 < claims.expires - claims.not_before <= MAX_WINDOW_S:
        raise Malformed
    return claims


def verify_statement(
    statement: Statement, view: View, chain: Digest, time: Instant, use: KeyUse = "transaction"
) -> KeyRow:
    """Check a statement that came inside a command: chain, window, live key, signature.

    Raises:
        Malformed: another chain, or outside its window at `time`.
        UnknownSigner: no such live key for `use`, or the signature is not its.
    """
    claims = statement.claims
    in_window = claims.not_before <= time + SKEW_S and time <= claims.expires
    if claims.audience != chain.hex() or not in_window:
        raise Malformed
    row = live_key(view, statement.issuer, statement.key_id)
    if row is None or row.use != use:
        raise UnknownSigner
    key = public_key(row)
    if key is None or key.algorithm != statement.algorithm:
        raise UnknownSigner
    try:
        verify(key, statement.signed, statement.signature)
    except BadSignature as error:
        raise UnknownSigner from error
    return row
