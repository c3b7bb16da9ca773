"""Id tokens: who signed in to an application, signed by the gateway (OpenID Connect Core, 2)."""

import hmac
from collections.abc import Mapping
from typing import Final

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey

from careledger.exchange.cabinet import Cabinet, KeyNumber, Thing
from careledger.gateway.auth_caller import Caller
from careledger.ledger.record import Instant

ALGORITHM: Final = "ES256"
ID_TOKEN_S: Final = 300

_NAME: Final = "id-token-key"


class IdTokens:
    """Signs with a key that is made once and stays sealed in the cabinet."""

    def __init__(self, cabinet: Cabinet, issuer: str) -> None:
        """Use the key in `cabinet`; the first time, make one."""
        self._issuer = issuer
        kept = cabinet.get(_NAME)
        if kept is None:
            key = ECKey.generate_key("P-256", private=True)
            content = msgspec.json.encode(key.as_dict(private=True))
            cabinet.put([Thing(_NAME, _NAME, _NAME, content, True, KeyNumber(0))])  # noqa: FBT003 - done
        else:
            key = ECKey.import_key(msgspec.json.decode(kept.content))
        self._key, self._id = key, key.thumbprint()

    def jwks(self) -> Mapping[str, object]:
        """The public key as a JWK Set (RFC 7517 5)."""
        public = self._key.as_dict(private=False)
        return {"keys": [{**public, "kid": self._id, "use": "sig", "alg": ALGORITHM}]}

    def subject(self, caller: Caller) -> str:
        """A name for whoever signed in: the same every time, and opaque."""
        who = caller.identity
        text = f"{who.kind} {who.signer} {who.subject or ''}"
        secret = self._key.as_dict(private=True)["d"]
        return hmac.digest(str(secret).encode(), text.encode(), "sha256").hex()[:32]

    def sign(
        self, caller: Caller, now: Instant, signed_in: Instant, nonce: str | None, user: str | None
    ) -> str:
        """An id token for the application that holds `caller`'s tokens; `user` is its fhirUser."""
        claims: dict[str, object] = {
            "iss": self._issuer,
            "sub": self.subject(caller),
            "aud": caller.client or "",
            "iat": now,
            "exp": now + ID_TOKEN_S,
            "auth_time": signed_in,
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if user is not None:
            claims["fhirUser"] = user
        return jwt.encode({"alg": ALGORITHM, "kid": self._id}, claims, self._key)
