"""Proof Key for Code Exchange with S256, and no other way (RFC 7636)."""

import base64
import hashlib
import hmac


def challenge_of(verifier: str) -> str:
    """What goes ahead of a verifier: base64url of its SHA-256 (RFC 7636 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_answer(verifier: str, challenge: str) -> bool:
    """Whether whoever sent the challenge knows this verifier (RFC 7636 4.1, 4.6)."""
    if not 43 <= len(verifier) <= 128 or not verifier.isascii():  # noqa: PLR2004 - RFC 7636 4.1
        return False
    return hmac.compare_digest(challenge_of(verifier), challenge)
