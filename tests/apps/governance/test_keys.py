"""Members keep their own keys: register, rotate, retire; effective within the block."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from careledger.apps.governance.commands import RegisterKey, RetireKey, RotateKey, SetEndpoint
from careledger.apps.governance.queries import member
from careledger.ledger.errors import UnknownSigner, WrongKeyUse
from careledger.ledger.keyring import (
    MAX_LIVE_KEYS,
    KeyKnown,
    KeyNotLive,
    KeyNotProven,
    LastKey,
    TooManyKeys,
)
from careledger.ledger.membership import KEYS, NewKey, live_keys
from careledger.ledger.possession import possession_message, sealing_key, thumbprint
from careledger.ledger.record import MemberId
from careledger.ledger.state import Reader, View
from tests.apps.network import CHAIN, LAKEVIEW, RIVERSIDE, Network, id_of, key

OLD, NEW = key(RIVERSIDE), key(RIVERSIDE, 1)
PING = SetEndpoint(gateway="https://riverside.example")


def test_a_member_says_where_its_gateway_answers() -> None:
    network = Network()
    network.do(RIVERSIDE, PING)
    found = member(network.view, RIVERSIDE)
    assert found is not None
    assert found.gateway == "https://riverside.example"
    assert (found.name, found.status, found.roles) == ("Riverside", "active", ("provider",))


def test_a_registered_key_signs() -> None:
    network = Network()
    network.do(RIVERSIDE, RegisterKey(key=network.new_key(RIVERSIDE, NEW)))
    network.do(RIVERSIDE, PING, signing=NEW)
    network.do(RIVERSIDE, PING, signing=OLD)


def test_a_rotated_key_is_dead_within_the_block() -> None:
    network = Network()
    rotate = RotateKey(old=id_of(OLD), key=network.new_key(RIVERSIDE, NEW))
    receipts = network.block(
        network.signed(RIVERSIDE, PING),
        network.signed(RIVERSIDE, rotate),
        network.signed(RIVERSIDE, PING),
        network.signed(RIVERSIDE, PING, signing=NEW),
    )
    assert [receipt.code for receipt in receipts] == [0, 0, UnknownSigner.code, 0]
    assert not network.admissible(network.signed(RIVERSIDE, PING, signing=OLD))


def test_a_rotated_key_never_comes_back() -> None:
    network = Network()
    network.do(RIVERSIDE, RotateKey(old=id_of(OLD), key=network.new_key(RIVERSIDE, NEW)))
    again = RegisterKey(key=network.new_key(RIVERSIDE, OLD))
    network.refuse(RIVERSIDE, KeyKnown, again, signing=NEW)


def test_a_retired_key_is_dead_and_the_last_one_cannot_be_retired() -> None:
    network = Network()
    network.refuse(RIVERSIDE, LastKey, RetireKey(key=id_of(OLD)))
    network.do(RIVERSIDE, RegisterKey(key=network.new_key(RIVERSIDE, NEW)))
    network.do(RIVERSIDE, RetireKey(key=id_of(OLD)))
    network.refuse(RIVERSIDE, LastKey, RetireKey(key=id_of(NEW)), signing=NEW)
    assert network.attempt(RIVERSIDE, PING, signing=OLD).code == UnknownSigner.code


def test_keys_of_other_members_are_out_of_reach() -> None:
    network = Network()
    theirs = id_of(key(LAKEVIEW))
    network.refuse(RIVERSIDE, KeyNotLive, RetireKey(key=theirs))
    new = network.new_key(RIVERSIDE, NEW)
    network.refuse(RIVERSIDE, KeyNotLive, RotateKey(old=theirs, key=new))


def test_a_key_proves_its_possession_for_this_signer_use_and_chain() -> None:
    network = Network()
    for other in (
        network.new_key(LAKEVIEW, NEW),
        replace(network.new_key(RIVERSIDE, NEW), use="receipt"),
        replace(network.new_key(RIVERSIDE, NEW), proof=bytes(64)),
        replace(network.new_key(RIVERSIDE, NEW), proof=b""),
    ):
        network.refuse(RIVERSIDE, KeyNotProven, RegisterKey(key=other))


@pytest.mark.parametrize(
    "unfit",
    [
        NewKey(use="transaction", algorithm="X25519", public=bytes(31) + b"\x09"),
        NewKey(use="sealing", algorithm="X25519", public=bytes(32)),
        NewKey(use="sealing", algorithm="X25519", public=b"\x09" + bytes(31), proof=b"?"),
        NewKey(use="client", algorithm="ES256", public=b"\x02" + b"\xff" * 32),
        NewKey(use="client", algorithm="ES384", public=b"\x02" + b"\xff" * 48, proof=bytes(96)),
        NewKey(use="receipt", algorithm="ES256", public=bytes(65), proof=bytes(64)),
    ],
)
def test_an_unfit_key_is_refused_and_nothing_halts(unfit: NewKey) -> None:
    Network().refuse(RIVERSIDE, KeyNotProven, RegisterKey(key=unfit))


def test_members_have_no_claim_keys() -> None:
    network = Network()
    claim = RegisterKey(key=network.new_key(RIVERSIDE, NEW, "claim"))
    network.refuse(RIVERSIDE, KeyNotProven, claim)


def test_a_key_for_another_use_signs_no_transactions() -> None:
    network = Network()
    network.do(RIVERSIDE, RegisterKey(key=network.new_key(RIVERSIDE, NEW, "checkpoint")))
    assert network.attempt(RIVERSIDE, PING, signing=NEW).code == WrongKeyUse.code
    retire = RetireKey(key=id_of(OLD))
    network.refuse(RIVERSIDE, LastKey, retire)


def test_rotation_keeps_the_use() -> None:
    network = Network()
    other = network.new_key(RIVERSIDE, NEW, "checkpoint")
    network.refuse(RIVERSIDE, KeyNotProven, RotateKey(old=id_of(OLD), key=other))


def test_sealing_and_p384_client_keys_are_registered_under_their_thumbprints() -> None:
    network = Network()
    sealing = sealing_key(b"\x09" + bytes(31))
    private = ec.derive_private_key(20_260_714, ec.SECP384R1())
    public = private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    message = possession_message(CHAIN, RIVERSIDE, "client", public)
    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA384())))
    client = NewKey(
        use="client", algorithm="ES384", public=public, proof=r.to_bytes(48) + s.to_bytes(48)
    )
    network.do(RIVERSIDE, RegisterKey(key=sealing), RegisterKey(key=client))
    for new in (sealing, client):
        [(id_, row)] = live_keys(network.view, RIVERSIDE, new.use)
        assert (id_, row.public) == (thumbprint(new.algorithm, new.public), new.public)


def test_live_keys_are_bounded() -> None:
    network = Network()
    for generation in range(1, MAX_LIVE_KEYS):
        new = network.new_key(RIVERSIDE, key(RIVERSIDE, generation))
        network.do(RIVERSIDE, RegisterKey(key=new))
    last = network.new_key(RIVERSIDE, key(RIVERSIDE, MAX_LIVE_KEYS))
    network.refuse(RIVERSIDE, TooManyKeys, RegisterKey(key=last))
    network.do(RIVERSIDE, RotateKey(old=id_of(OLD), key=last))


class Counting:
    """A reader that counts the rows that scans go over."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.rows = reader, 0

    def get(self, key: bytes, /) -> bytes | None:
        return self.reader.get(key)

    def scan(self, prefix: bytes, /) -> Iterator[tuple[bytes, bytes]]:
        for pair in self.reader.scan(prefix):
            self.rows += 1
            yield pair


def test_retired_keys_are_not_gone_over_again_with_each_new_one() -> None:
    network = Network()
    for generation in range(40):
        old, new = key(RIVERSIDE, generation), key(RIVERSIDE, generation + 1)
        rotate = RotateKey(old=id_of(old), key=network.new_key(RIVERSIDE, new))
        network.do(RIVERSIDE, rotate, signing=old)
    counting = Counting(network.state)
    [(id_, _)] = live_keys(View(counting), RIVERSIDE, "transaction")
    assert (id_, counting.rows) == (id_of(key(RIVERSIDE, 40)), 1)
    retired = network.view.get(KEYS, RIVERSIDE, id_of(OLD))
    assert retired is not None
    assert retired.until == network.time


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["register", "rotate", "retire", "ping"]),
        st.integers(0, 4),
        st.integers(0, 4),
        st.integers(0, 4),
    ),
    max_size=12,
)


@given(STEPS)
def test_whatever_is_done_only_live_keys_sign_and_one_always_does(
    steps: list[tuple[str, int, int, int]],
) -> None:
    network, ever_dead = Network(), set[int]()
    for what, signs, one, other in steps:
        signing, new = key(RIVERSIDE, signs), network.new_key(RIVERSIDE, key(RIVERSIDE, other))
        commands = {
            "register": RegisterKey(key=new),
            "rotate": RotateKey(old=id_of(key(RIVERSIDE, one)), key=new),
            "retire": RetireKey(key=id_of(key(RIVERSIDE, one))),
            "ping": PING,
        }
        live = {id_ for id_, _ in live_keys(network.view, MemberId(RIVERSIDE), "transaction")}
        receipt = network.attempt(RIVERSIDE, commands[what], signing=signing)
        assert receipt.code == 0 or id_of(signing) not in live or what != "ping"
        if receipt.code == 0:
            assert id_of(signing) in live
            assert signs not in ever_dead
            if what in {"rotate", "retire"}:
                ever_dead.add(one)
        assert any(live_keys(network.view, MemberId(RIVERSIDE), "transaction"))
    for generation in ever_dead:
        row = network.view.get(KEYS, RIVERSIDE, id_of(key(RIVERSIDE, generation)))
        assert row is not None
        assert row.until is not None
