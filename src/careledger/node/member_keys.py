"""A member's keys: made at home, in files that only their owner may read."""

import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from careledger.ledger.possession import PublishedKey
from careledger.ledger.signature import Algorithm, PublicKey, SigningKey
from careledger.vault.keyfile import save_key
from careledger.vault.keystore import FileKeyStore

RECEIPTS: tuple[Algorithm, ...] = ("EdDSA", "ES256")
"""A node signs each receipt under two algorithms: readers know one or the other."""

RECEIPT_KEYS = tuple(f"keys/receipt-{algorithm.lower()}.key" for algorithm in RECEIPTS)
CHECKPOINT_KEY, CONSENSUS_KEY, ENGINE_KEY = (
    "keys/checkpoint.key",
    "keys/consensus.key",
    "keys/engine.key",
)
TRANSACTION_KEY, CLIENT_KEY, SEALING_KEY, ORGANISATION_KEY = (
    "keys/transaction.key",
    "keys/client.key",
    "keys/sealing.key",
    "keys/organisation.key",
)


def make_member_keys(home: Path) -> tuple[PublishedKey, ...]:
    """What an organisation acts with: keys that sign, sign in, open, and wrap its patients' keys.

    Raises:
        FileExistsError: there are keys already.
    """
    (home / "keys").mkdir(parents=True, mode=0o700)
    signing = _signing_key(home / TRANSACTION_KEY, "EdDSA")
    client = _signing_key(home / CLIENT_KEY, "ES256")
    sealing = X25519PrivateKey.generate()
    save_key(home / SEALING_KEY, "X25519", sealing.private_bytes_raw())
    FileKeyStore.create(home / ORGANISATION_KEY)
    public = sealing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return (
        PublishedKey(use="transaction", algorithm="EdDSA", public=signing.public),
        PublishedKey(use="client", algorithm="ES256", public=client.public),
        PublishedKey(use="sealing", algorithm="X25519", public=public),
    )


def make_node_keys(home: Path) -> tuple[PublishedKey, ...]:
    """What a node vouches with: one key for checkpoints, two for receipts.

    Raises:
        FileExistsError: there are keys already.
    """
    (home / "keys").mkdir(parents=True, mode=0o700)
    checkpoint = _signing_key(home / CHECKPOINT_KEY, "EdDSA")
    receipts = [
        _signing_key(home / path, algorithm)
        for path, algorithm in zip(RECEIPT_KEYS, RECEIPTS, strict=True)
    ]
    return (
        PublishedKey(use="checkpoint", algorithm="EdDSA", public=checkpoint.public),
        *(
            PublishedKey(use="receipt", algorithm=key.algorithm, public=key.public)
            for key in receipts
        ),
    )


def make_engine_keys(home: Path) -> tuple[PublishedKey, PublicKey]:
    """What its engine needs beside: the key that votes on blocks, and the one it connects with.

    Raises:
        FileExistsError: there are keys already.
    """
    consensus = _signing_key(home / CONSENSUS_KEY, "EdDSA")
    engine = _signing_key(home / ENGINE_KEY, "EdDSA")
    return PublishedKey(use="consensus", algorithm="EdDSA", public=consensus.public), engine


def _signing_key(path: Path, algorithm: Algorithm) -> PublicKey:
    seed = secrets.token_bytes(32)
    save_key(path, algorithm, seed)
    return SigningKey(algorithm, seed).public
