"""Client keys: what the ledger has registered for sign-in, as the JWT library takes it."""

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePublicKey,
)
from joserfc import jws
from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey
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


def _key(row: KeyRow) -> ECKey | OKPKey:
    if row.algorithm == "EdDSA":
        x = urlsafe_b64encode(row.public).decode()
        return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
    curve = SECP384R1() if row.algorithm == "ES384" else SECP256R1()
    return ECKey.import_key(EllipticCurvePublicKey.from_encoded_point(curve, row.public))
