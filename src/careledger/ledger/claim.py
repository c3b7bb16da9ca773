"""Claim codes: what a patient is given after proofing, and the key that the code stands for.

The public half of that key is on the ledger, where anybody may try codes against it for ever. So a
code has 120 random bits, and no rounds of hashing stand in for them.
"""

import base64
import binascii
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from careledger.ledger.errors import Malformed
from careledger.ledger.record import AccountId, Digest
from careledger.ledger.signature import SigningKey

CODE_BYTES: Final = 15
"""Random bytes in a code: exactly 24 characters of base32."""

_GROUP: Final = 4
_MISREAD: Final = str.maketrans("018", "OIB", "- \t\n")
"""Digits that base32 has not, as the letters they look like; and what people put in between."""


def format_code(entropy: bytes) -> str:
    """The code as it is printed: six groups of four characters (RFC 4648 6)."""
    if len(entropy) != CODE_BYTES:
        raise ValueError(len(entropy))
    text = base64.b32encode(entropy).decode()
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def parse_code(text: str) -> bytes:
    """The random bytes of a code as somebody typed it, in any case and grouping.

    Raises:
        Malformed: not a code.
    """
    try:
        entropy = base64.b32decode(text.upper().translate(_MISREAD).encode("ascii"))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Malformed from error
    if len(entropy) != CODE_BYTES:
        raise Malformed
    return entropy


def claim_key(entropy: bytes, account: AccountId, chain: Digest) -> SigningKey:
    """The Ed25519 key that the code is, for one account of one chain (HKDF-SHA256, RFC 5869)."""
    if len(entropy) != CODE_BYTES:
        raise ValueError(len(entropy))
    label = f"careledger claim v1 {account}".encode()
    seed = HKDF(algorithm=hashes.SHA256(), length=32, salt=chain, info=label).derive(entropy)
    return SigningKey("EdDSA", seed)
