"""Cursors: where the next page begins, sealed, so that a link tells nobody anything.

AES-256-GCM under a key of this process, bound to the caller, the purpose and the place. A cursor of
somebody else, of another place or of another run of the gateway does not open. What the page holds
is decided when it is asked for, as if it were the first.
"""

import base64
import binascii
import secrets
import zlib
from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.gateway.auth_caller import Caller
from careledger.gateway.outcome import Refused
from careledger.ledger.record import Instant

PARAMETER: Final = "_cursor"
"""What a link to a next page has, and nothing else."""

CURSOR_S: Final = 3_600
"""How long a cursor counts, in seconds."""

_NONCE: Final = 12
_NUMBER: Final = 8
_LONGEST: Final = 50_000
_SHORT: Final = 1_000
"""Up to so many bytes a cursor is not compressed, which would tell of what is in it."""

T = TypeVar("T", bound=msgspec.Struct)


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    issued: Instant
    content: bytes
    is_packed: bool = False


_ENCODER: Final = msgspec.msgpack.Encoder()
_SEALED: Final = msgspec.msgpack.Decoder(_Sealed)


class Cursors:
    """Seals and opens cursors until the process ends."""

    def __init__(self) -> None:
        """Draw a key."""
        self._key = AESGCM(AESGCM.generate_key(256))

    def seal(self, caller: Caller, place: str, content: msgspec.Struct, now: Instant) -> str:
        """What brings the same caller back to the same place."""
        plain = _ENCODER.encode(content)
        long = len(plain) > _SHORT
        sealed = _Sealed(now, zlib.compress(plain) if long else plain, long)
        nonce = secrets.token_bytes(_NONCE)
        data = self._key.encrypt(nonce, _ENCODER.encode(sealed), _bound(caller, place))
        return base64.urlsafe_b64encode(nonce + data).rstrip(b"=").decode()

    def open(self, caller: Caller, place: str, text: str, type_: type[T], now: Instant) -> T:
        """Inverse of `seal`.

        Raises:
            Refused: 410, not of this caller and place, or over.
        """
        try:
            text = text[:_LONGEST]
            padding = "=" * (-len(text) % 4)
            data = base64.b64decode(text + padding, altchars=b"-_", validate=True)
            plain = self._key.decrypt(data[:_NONCE], data[_NONCE:], _bound(caller, place))
            sealed = _SEALED.decode(plain)
        except (ValueError, binascii.Error, InvalidTag, msgspec.MsgspecError) as error:
            raise _gone() from error
        if not now - CURSOR_S < sealed.issued <= now + 1:
            raise _gone()
        plain = zlib.decompress(sealed.content) if sealed.is_packed else sealed.content
        return msgspec.msgpack.decode(plain, type=type_)


def fixed(number: int) -> bytes:
    """A number of the vault, always as long: so a cursor's length does not tell how large it is."""
    return number.to_bytes(_NUMBER)


def _bound(caller: Caller, place: str) -> bytes:
    """Whose cursor it is, for what purpose, and where; scopes too, so that none is outlived."""
    who = caller.identity
    return _ENCODER.encode(
        (
            "careledger cursor v1",
            who.signer,
            who.kind,
            who.practitioner,
            who.role,
            who.subject,
            caller.client,
            caller.patient,
            caller.purpose,
            str(caller.scopes),
            place,
        )
    )


def _gone() -> Refused:
    return Refused(410, "expired", "this page is over: search again")
