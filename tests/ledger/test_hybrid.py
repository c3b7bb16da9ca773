"""Hybrid keys: either half wrong is wrong, neither counts elsewhere, and nothing is guessed."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from careledger.apps import installed
from careledger.apps.governance.commands import MemberAdmitted
from careledger.ledger import hybrid
from careledger.ledger.errors import BadSignature, Malformed
from careledger.ledger.genesis import (
    Activation,
    BadGenesis,
    Genesis,
    GenesisEvent,
    active_applications,
    genesis_changes,
)
from careledger.ledger.hybrid import PUBLIC_BYTES, SIGNATURE_BYTES, MissingAlgorithm
from careledger.ledger.keyring import KeyKnown, KeyNotProven, NotAgreed
from careledger.ledger.membership import HYBRID, KeyUse, NetworkParameters, NewKey
from careledger.ledger.possession import PublishedKey, new_key, thumbprint
from careledger.ledger.record import Digest, decode, digest, encode
from careledger.ledger.signature import PublicKey, SigningKey, key_id, verify
from careledger.ledger.statement import PLAIN_STATEMENT_BYTES, check_sizes
from careledger.ledger.transaction import (
    SignatureInvalid,
    call,
    parse_transaction,
    sign_transaction,
    verify_transaction,
)
from tests.apps.network import RIVERSIDE, Network
from tests.ledger.world import NOW, SetNote, claims

VECTORS = Path("tests/vectors/hybrid-signatures.json")

KEY = SigningKey("EdDSA+ML-DSA-65", digest(b"hybrid"))
MESSAGE = b"a Sig_structure"


def bad(public: bytes, message: bytes, signature: bytes) -> None:
    with pytest.raises(BadSignature):
        verify(PublicKey(algorithm="EdDSA+ML-DSA-65", public=public), message, signature)


def test_both_halves_must_have_signed() -> None:
    public, signature = KEY.public.public, KEY.sign(MESSAGE)
    assert (len(public), len(signature)) == (PUBLIC_BYTES, SIGNATURE_BYTES) == (1_984, 3_373)
    verify(KEY.public, MESSAGE, signature)
    verify(KEY.public, MESSAGE, KEY.sign(MESSAGE))  # the second half is another one each time
    bad(public, MESSAGE + b"!", signature)
    for place in (0, 31, 63, 64, 1_700, SIGNATURE_BYTES - 1):
        turned = bytearray(signature)
        turned[place] ^= 1
        bad(public, MESSAGE, bytes(turned))
    other = SigningKey("EdDSA+ML-DSA-65", digest(b"another"))
    forged = other.sign(MESSAGE)
    bad(public, MESSAGE, signature[:64] + forged[64:])
    bad(public, MESSAGE, forged[:64] + signature[64:])
    bad(public, MESSAGE, signature[64:] + signature[:64])  # swapped
    bad(public[32:] + public[:32], MESSAGE, signature)
    for cut in (0, 63, 64, 3_309, SIGNATURE_BYTES - 1):
        bad(public, MESSAGE, signature[:cut])
    bad(public, MESSAGE, signature + b"\0")
    bad(public[:-1], MESSAGE, signature)
    bad(public[:32] + bytes(1_952), MESSAGE, signature)


def test_a_half_alone_is_no_signature_of_its_own() -> None:
    """Ed25519 keys of a member are never half of a hybrid one, nor the reverse."""
    signature = KEY.sign(MESSAGE)
    half = PublicKey(algorithm="EdDSA", public=KEY.public.public[:32])
    assert key_id(half) != key_id(KEY.public)
    assert SigningKey("EdDSA", KEY.seed).public != half
    with pytest.raises(BadSignature):
        verify(half, MESSAGE, signature)
    with pytest.raises(BadSignature):
        verify(KEY.public, MESSAGE, signature[:64])


def test_what_a_hybrid_key_signs_says_so_itself() -> None:
    """The algorithm is in what is signed, so a transaction cannot be made one of another kind."""
    chain = digest(b"chain")
    said = claims(RIVERSIDE, 1, audience=chain.hex())
    raw = sign_transaction(KEY, said, call("toy", SetNote(at="x", text="y")))
    transaction = parse_transaction(raw)
    assert transaction.statement.algorithm == HYBRID
    assert transaction.statement.key_id == key_id(KEY.public)
    assert verify_transaction(transaction, KEY.public).key == KEY.public
    again = parse_transaction(sign_transaction(KEY, said, call("toy", SetNote(at="x", text="y"))))
    assert again.id == transaction.id
    assert again.statement.signature != transaction.statement.signature
    forged = parse_transaction(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(SignatureInvalid):
        verify_transaction(forged, KEY.public)


def test_the_vectors() -> None:
    """Signatures made once and kept: any node that answers otherwise would leave the network."""
    for one in msgspec.json.decode(VECTORS.read_bytes()):
        public, message, signature = (
            bytes.fromhex(one[x]) for x in ("public", "message", "signature")
        )
        key = PublicKey(algorithm="EdDSA+ML-DSA-65", public=public)
        if one["good"]:
            assert SigningKey("EdDSA+ML-DSA-65", bytes.fromhex(one["seed"])).public == key
            assert thumbprint(HYBRID, public).hex() == one["key_id"]
            verify(key, message, signature)
        else:
            with pytest.raises(BadSignature):
                verify(key, message, signature)


def test_members_agree_on_hybrid_keys_before_anybody_has_one() -> None:
    from careledger.apps.governance.commands import RegisterKey, RotateKey

    cautious = Network()
    hybrid_key = cautious.new_key(RIVERSIDE, KEY)
    cautious.refuse(RIVERSIDE, NotAgreed, RegisterKey(key=hybrid_key))
    agreed = Network(parameters=NetworkParameters(hybrid_keys=True))
    hybrid_key = agreed.new_key(RIVERSIDE, KEY)
    agreed.do(RIVERSIDE, RotateKey(old=key_id(agreed.keys[RIVERSIDE].public), key=hybrid_key))
    agreed.keys[RIVERSIDE] = KEY
    agreed.refuse(RIVERSIDE, KeyKnown, RegisterKey(key=hybrid_key))
    forged = msgspec.structs.replace(hybrid_key, proof=hybrid_key.proof[:-1] + b"\0\0"[:1])
    if forged.proof == hybrid_key.proof:
        forged = msgspec.structs.replace(hybrid_key, proof=hybrid_key.proof[:-1] + b"\1")
    agreed.refuse(RIVERSIDE, KeyNotProven, RegisterKey(key=forged))
    swapped = hybrid_key.proof[64:] + hybrid_key.proof[:64]
    agreed.refuse(
        RIVERSIDE, KeyNotProven, RegisterKey(key=msgspec.structs.replace(hybrid_key, proof=swapped))
    )


def beginning(parameters: NetworkParameters, use: KeyUse = "transaction") -> Genesis:
    """The genesis of a network whose first member has a hybrid key from the start."""
    key = PublishedKey(use=use, algorithm=HYBRID, public=KEY.public.public)
    admitted = MemberAdmitted(member=RIVERSIDE, name="Riverside", roles=(), keys=(key,), at=NOW)
    event = msgspec.Raw(msgspec.json.encode(admitted))
    return Genesis(
        name="test",
        time=NOW,
        activations=(Activation(application="governance", version=1),),
        parameters=parameters,
        events=(GenesisEvent(application="governance", event=event),),
    )


def test_no_network_begins_with_hybrid_keys_that_were_not_agreed_on() -> None:
    def begin(genesis: Genesis) -> None:
        genesis_changes(genesis, active_applications(genesis, installed(), 0))

    begin(beginning(NetworkParameters(hybrid_keys=True)))
    for parameters in (NetworkParameters(), NetworkParameters(hybrid_keys=False)):
        with pytest.raises(BadGenesis, match=r"riverside has a key of .* hybrid_keys is not true"):
            begin(beginning(parameters))
    with pytest.raises(BadGenesis, match="for use checkpoint"):
        begin(beginning(NetworkParameters(hybrid_keys=True), "checkpoint"))


def test_a_hybrid_key_serves_transactions_alone() -> None:
    for use in ("checkpoint", "receipt", "consensus", "client", "claim"):
        made = new_key(KEY, use, RIVERSIDE, Digest(bytes(32)))
        network = Network(parameters=NetworkParameters(hybrid_keys=True))
        from careledger.apps.governance.commands import RegisterKey

        network.refuse(RIVERSIDE, KeyNotProven, RegisterKey(key=made))


@pytest.mark.parametrize(
    ("public", "proof"), [(bytes(98), b""), (bytes(1_984), b""), (bytes(32), bytes(129))]
)
def test_other_keys_have_no_more_room_than_before(public: bytes, proof: bytes) -> None:
    fields: dict[str, Any] = {"use": "transaction", "algorithm": "EdDSA", "public": public}
    raw = encode(NewKey(use="transaction", algorithm=HYBRID, public=public, proof=proof))
    plain = raw.replace(encode(HYBRID), encode("EdDSA"))
    assert plain != raw
    with pytest.raises((Malformed, msgspec.ValidationError)):
        decode(plain, NewKey)
    with pytest.raises(ValueError, match="too long"):
        NewKey(**fields, proof=proof)
    if len(public) > 97:
        with pytest.raises(ValueError, match="too long"):
            PublishedKey(**fields)


def test_only_a_statement_under_a_hybrid_key_has_the_room_for_it() -> None:
    said = claims(RIVERSIDE, 1)
    text = "long " * 380
    made = {
        key.algorithm: sign_transaction(key, said, call("toy", SetNote(at="x", text=text)))
        for key in (KEY, SigningKey("EdDSA", bytes(32)))
    }
    assert all(len(one) > PLAIN_STATEMENT_BYTES for one in made.values())
    check_sizes(made["EdDSA+ML-DSA-65"], None, b"short")
    with pytest.raises(ValueError, match="bears a hybrid signature"):
        check_sizes(made["EdDSA"])
    with pytest.raises(ValueError, match="no statement"):
        check_sizes(bytes(PLAIN_STATEMENT_BYTES + 1))


def test_a_library_that_cannot_tell_does_not_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is this node that cannot go on; the transaction may be good."""
    signature, public = KEY.sign(MESSAGE), KEY.public

    class Lacking:
        @staticmethod
        def from_public_bytes(data: bytes) -> None:
            raise UnsupportedAlgorithm("no ML-DSA here")

        from_seed_bytes = from_public_bytes

    monkeypatch.setattr(hybrid, "MLDSA65PublicKey", Lacking)
    monkeypatch.setattr(hybrid, "MLDSA65PrivateKey", Lacking)
    with pytest.raises(MissingAlgorithm):
        verify(public, MESSAGE, signature)
    with pytest.raises(MissingAlgorithm):
        KEY.sign(MESSAGE)
    hybrid.is_available.cache_clear()
    assert not hybrid.is_available()
    hybrid.is_available.cache_clear()
