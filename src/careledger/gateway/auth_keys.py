"""Client keys: what the ledger has registered for sign-in, as the JWT library takes it."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePublicKey,
)
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, KeySet, OKPKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64encode

from careledger.ledger.membership import KeyAlgorithm, KeyRow

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel

JWT_ALGORITHMS: Final[dict[KeyAlgorithm, tuple[str, ...]]] = {
    "ES384": ("ES384",),
    "ES256": ("ES256",),
    "EdDSA": ("EdDSA", "Ed25519"),
}
"""What a JWT's `alg` may say for each registered algorithm (RFC 7518 3.4, RFC 8037, RFC 9864)."""

SIGNING_ALGORITHMS: Final = tuple(name for names in JWT_ALGORITHMS.values() for name in names)


CLIENT_ALGORITHMS: Final = ("ES384", "RS384", "ES256", "EdDSA", "Ed25519")
"""What registered applications may sign with; SMART asks for the first two."""

PROVIDER_ALGORITHMS: Final = (*CLIENT_ALGORITHMS, "RS256", "PS256")
"""What identity providers may sign with besides."""


class _Registry(JWSRegistry):
    """Exactly the algorithms above; the library warns of the older name of Ed25519."""

    def get_alg(self, name: str) -> "JWSAlgModel":
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


def is_signed_by(token: jws.CompactSignature, row: KeyRow) -> bool:
    """Whether the signature is this key's, under the algorithm that it was registered for.

    Raises:
        JoseError, ValueError: not a signature of that algorithm.
    """
    allowed = JWT_ALGORITHMS.get(row.algorithm, ())
    if token.headers().get("alg") not in allowed:
        return False
    return jws.validate_compact(token, _key(row), registry=_Registry(algorithms=allowed))


def is_signed_by_one_of(
    token: jws.CompactSignature, keys: KeySet, algorithms: Collection[str] = CLIENT_ALGORITHMS
) -> bool:
    """Whether the signature is that of the key in `keys` which the token names."""
    headers = token.headers()
    alg, kid = str(headers.get("alg")), headers.get("kid")
    known = [key for key in keys.keys if kid is None or key.kid == kid]
    if alg not in algorithms or len(known) != 1 or known[0].get("alg", alg) != alg:
        return False
    try:
        registry = _Registry(algorithms=[alg])
        return known[0].key_type != "oct" and jws.validate_compact(
            token, known[0], registry=registry
        )
    except (JoseError, ValueError):
        return False


def _key(row: KeyRow) -> ECKey | OKPKey:
    if row.algorithm == "EdDSA":
        x = urlsafe_b64encode(row.public).decode()
        return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
    curve = SECP384R1() if row.algorithm == "ES384" else SECP256R1()
    return ECKey.import_key(EllipticCurvePublicKey.from_encoded_point(curve, row.public))
