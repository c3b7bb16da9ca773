"""Accounts: who enrols whom, how Ana claims hers, and what no member can do to it."""

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from careledger.apps.governance.commands import SetEndpoint
from careledger.apps.identity.commands import (
    AccountClaimed,
    AccountEnrolled,
    ClaimAccount,
    Command,
    DeviceHolder,
    EnrolAccount,
    Event,
    PatientHolder,
    PractitionerHolder,
    RegisterAccountKey,
    ReinstateAccount,
    ReissueClaim,
    RetireAccountKey,
    RotateAccountKey,
    SetAssurance,
    SetCredentialRoles,
    SuspendAccount,
)
from careledger.apps.identity.queries import (
    account,
    enrolled_by,
    is_acting_practitioner,
    is_patient_of,
    practitioner_roles,
)
from careledger.apps.identity.rules import (
    AccountTaken,
    AlreadyClaimed,
    ClaimOver,
    ClaimWindow,
    NotAnAccount,
    NotAnEnroller,
    NotAPractitioner,
    NotYourAccount,
    StandingUnchanged,
    WrongFirstKey,
)
from careledger.ledger.errors import Malformed, SignerSuspended, UnknownSigner, WrongKeyUse
from careledger.ledger.keyring import KeyKnown, KeyNotLive, KeyNotProven, LastKey
from careledger.ledger.membership import live_keys
from careledger.ledger.possession import sealing_key
from careledger.ledger.record import AccountName, decode, encode
from tests.apps.network import (
    ANA,
    BEN,
    DR_CHO,
    LAKEVIEW,
    NOW,
    RIVERSIDE,
    Network,
    id_of,
    key,
)

CODE, OTHER_CODE = key("code on a letter"), key("code on another letter")
UNTIL = NOW + 30 * 86_400
SEALING = RegisterAccountKey(key=sealing_key(b"\x09" + bytes(31)))


def enrol(network: Network, **changed: Any) -> EnrolAccount:
    command = EnrolAccount(
        account=ANA, holder=PatientHolder(), ial=2, key=network.new_key(ANA, key(ANA))
    )
    return replace(command, **changed)


def unclaimed(network: Network, until: int = UNTIL) -> EnrolAccount:
    return enrol(network, key=network.new_key(ANA, CODE, "claim"), claim_until=until)


def claim(network: Network, generation: int = 0) -> ClaimAccount:
    return ClaimAccount(key=network.new_key(ANA, key(ANA, generation)))


def claimed() -> Network:
    network = Network()
    network.do(RIVERSIDE, unclaimed(network))
    network.do(ANA, claim(network), signing=CODE)
    network.keys[ANA] = key(ANA)
    return network


def test_an_enrolled_patient_signs_and_the_ledger_knows_no_more_than_who_vouches() -> None:
    network = Network()
    [happened] = network.do(RIVERSIDE, enrol(network))
    assert isinstance(happened, AccountEnrolled)
    network.do(ANA, SEALING, signing=key(ANA))
    found = account(network.view, ANA)
    assert found is not None
    assert (found.kind, found.member, found.status) == ("patient", RIVERSIDE, "active")
    assert (found.ial, found.aal, found.name, found.roles) == (2, None, None, ())
    assert found.claimed
    assert is_patient_of(network.view, ANA, RIVERSIDE)
    assert not is_patient_of(network.view, ANA, LAKEVIEW)


def test_an_unknown_signer_is_refused() -> None:
    network = Network()
    assert not network.admissible(network.signed(ANA, SEALING, signing=key(ANA)))
    assert network.attempt(ANA, SEALING, signing=key(ANA)).code == UnknownSigner.code


def test_patients_and_devices_cannot_be_named() -> None:
    network = Network()
    for holder in (PatientHolder(), DeviceHolder()):
        plain = msgspec.to_builtins(enrol(network, holder=holder), builtin_types=(bytes,))
        assert decode(encode(plain), EnrolAccount).holder == holder
        plain["holder"]["name"] = "Ana Silva"
        with pytest.raises(Malformed):
            decode(encode(plain), EnrolAccount)


@pytest.mark.parametrize("type_", [*get_args(Command), *get_args(Event)], ids=lambda t: t.__name__)
def test_no_free_text_but_a_practitioners_name(type_: type) -> None:
    def texts(schema: Any) -> Any:
        if isinstance(schema, dict):
            if schema.get("type") == "string" and not {"pattern", "contentEncoding"} & set(schema):
                yield schema
            for inner in schema.values():
                yield from texts(inner)
        elif isinstance(schema, list):
            for inner in schema:
                yield from texts(inner)

    found = [t for t in texts(msgspec.json.schema(type_)) if "const" not in t and "enum" not in t]
    assert found in ([], [{"type": "string", "minLength": 1, "maxLength": 64}])


def test_a_practitioner_is_public_with_roles() -> None:
    network = Network()
    network.enrol_practitioner(LAKEVIEW, DR_CHO)
    found = account(network.view, DR_CHO)
    assert found is not None
    assert (found.name, found.roles, found.ial, found.aal) == ("Dr Cho", ("clinician",), 3, 2)
    assert is_acting_practitioner(network.view, DR_CHO, LAKEVIEW)
    assert not is_acting_practitioner(network.view, DR_CHO, RIVERSIDE)
    network.do(LAKEVIEW, SetCredentialRoles(account=DR_CHO, roles=("nurse", "registrar")))
    assert practitioner_roles(network.view, DR_CHO) == ("nurse", "registrar")
    network.do(LAKEVIEW, SuspendAccount(account=DR_CHO))
    assert not is_acting_practitioner(network.view, DR_CHO, LAKEVIEW)


def test_a_device_acts_under_its_own_key() -> None:
    network = Network()
    network.do(RIVERSIDE, enrol(network, holder=DeviceHolder(), ial=1))
    network.do(ANA, SEALING, signing=key(ANA))
    assert not is_patient_of(network.view, ANA, RIVERSIDE)


def test_only_members_enrol() -> None:
    network = Network()
    network.enrol_patient(RIVERSIDE, ANA)
    theirs = enrol(network, account=BEN, key=network.new_key(BEN, key(BEN)))
    network.refuse(ANA, NotAnEnroller, theirs)


def test_an_account_id_is_taken_once() -> None:
    network = Network()
    network.do(RIVERSIDE, enrol(network))
    network.refuse(LAKEVIEW, AccountTaken, enrol(network))


def test_an_account_begins_with_a_key_that_proves_itself_and_fits() -> None:
    network = Network()
    stolen = network.new_key(BEN, key(ANA))
    network.refuse(RIVERSIDE, KeyNotProven, enrol(network, key=stolen))
    code = network.new_key(ANA, CODE, "claim")
    client = network.new_key(ANA, key(ANA), "client")
    for wrong in (
        enrol(network, key=code),
        enrol(network, key=client),
        enrol(network, claim_until=UNTIL),
        enrol(network, key=code, claim_until=UNTIL, holder=DeviceHolder()),
        enrol(
            network,
            key=code,
            claim_until=UNTIL,
            holder=PractitionerHolder(name="Dr Cho", roles=()),
        ),
    ):
        network.refuse(RIVERSIDE, WrongFirstKey, wrong)


@pytest.mark.parametrize("break_", ["\n", "\r", "\x1b[2J", "\x85", "\u2028", "\u202e", "\u2066"])
def test_no_name_writes_a_line_of_the_log(break_: str) -> None:
    network = Network()
    named = [
        PractitionerHolder(name=name, roles=()) for name in ("Dr Cho" + break_, "Dr Nguyễn 李")
    ]
    bad, good = (enrol(network, key=network.new_key(ANA, key(ANA)), holder=who) for who in named)
    network.refuse(RIVERSIDE, Malformed, bad)
    network.do(RIVERSIDE, good)


def test_a_code_has_an_end_within_180_days() -> None:
    network = Network()
    for until in (NOW, NOW + 180 * 86_400 + 1):
        network.refuse(RIVERSIDE, ClaimWindow, unclaimed(network, until))


def test_ana_claims_her_account_and_the_code_dies_with_it() -> None:
    network = Network()
    network.do(RIVERSIDE, unclaimed(network))
    before = account(network.view, ANA)
    assert before is not None
    assert not before.claimed
    receipts = network.block(
        network.signed(ANA, claim(network), signing=CODE),
        network.signed(ANA, claim(network, 1), signing=CODE),
        network.signed(ANA, SEALING, signing=key(ANA)),
    )
    assert [receipt.code for receipt in receipts] == [0, UnknownSigner.code, 0]
    assert isinstance(network.event(receipts[0].events[0]), AccountClaimed)
    after = account(network.view, ANA)
    assert after is not None
    assert after.claimed


def test_a_code_signs_nothing_but_the_claim() -> None:
    network = Network()
    network.do(RIVERSIDE, unclaimed(network))
    assert network.attempt(ANA, SEALING, signing=CODE).code == WrongKeyUse.code
    both = network.attempt(ANA, claim(network), SEALING, signing=CODE)
    assert both.code == WrongKeyUse.code


def test_a_late_code_is_refused_and_another_one_works() -> None:
    network = Network()
    network.do(RIVERSIDE, unclaimed(network))
    network.time = UNTIL + 1
    network.refuse(ANA, ClaimOver, claim(network), signing=CODE)
    again = ReissueClaim(
        account=ANA,
        key=network.new_key(ANA, OTHER_CODE, "claim"),
        claim_until=network.time + 60,
    )
    network.do(RIVERSIDE, again)
    assert network.attempt(ANA, claim(network), signing=CODE).code == UnknownSigner.code
    network.do(ANA, claim(network), signing=OTHER_CODE)


def test_a_code_is_given_again_only_by_the_enroller_for_an_unclaimed_account() -> None:
    network = Network()
    network.do(RIVERSIDE, unclaimed(network))
    again = ReissueClaim(
        account=ANA, key=network.new_key(ANA, OTHER_CODE, "claim"), claim_until=UNTIL
    )
    network.refuse(LAKEVIEW, NotYourAccount, again)
    network.refuse(RIVERSIDE, ClaimWindow, replace(again, claim_until=NOW))
    network.refuse(RIVERSIDE, WrongFirstKey, replace(again, key=network.new_key(ANA, key(ANA))))
    network.refuse(RIVERSIDE, KeyKnown, replace(again, key=network.new_key(ANA, CODE, "claim")))
    network.do(ANA, claim(network), signing=CODE)
    network.refuse(RIVERSIDE, AlreadyClaimed, again)


def test_a_claimed_account_is_not_claimed_again() -> None:
    network = claimed()
    assert network.attempt(ANA, claim(network, 1)).code == WrongKeyUse.code


def test_ana_rotates_her_key_and_the_old_one_is_dead_within_the_block() -> None:
    network = claimed()
    rotate = RotateAccountKey(old=id_of(key(ANA)), key=network.new_key(ANA, key(ANA, 1)))
    receipts = network.block(
        network.signed(ANA, rotate),
        network.signed(ANA, SEALING),
        network.signed(ANA, SEALING, signing=key(ANA, 1)),
    )
    assert [receipt.code for receipt in receipts] == [0, UnknownSigner.code, 0]
    again = RegisterAccountKey(key=network.new_key(ANA, key(ANA)))
    network.refuse(ANA, KeyKnown, again, signing=key(ANA, 1))


def test_ana_adds_a_phone_and_retires_it_but_never_her_last_key() -> None:
    network = claimed()
    network.refuse(ANA, LastKey, RetireAccountKey(key=id_of(key(ANA))))
    network.do(ANA, RegisterAccountKey(key=network.new_key(ANA, key("phone"))))
    network.do(ANA, RetireAccountKey(key=id_of(key("phone"))))
    network.refuse(ANA, KeyNotLive, RetireAccountKey(key=id_of(key("phone"))))


def test_an_account_signs_no_checkpoints() -> None:
    network = claimed()
    new = RegisterAccountKey(key=network.new_key(ANA, key("phone"), "checkpoint"))
    network.refuse(ANA, KeyNotProven, new)


def test_suspension_acts_within_the_block_and_only_the_enroller_can_do_it() -> None:
    network = claimed()
    network.refuse(LAKEVIEW, NotYourAccount, SuspendAccount(account=ANA))
    network.refuse(LAKEVIEW, NotYourAccount, SuspendAccount(account=BEN))
    receipts = network.block(
        network.signed(RIVERSIDE, SuspendAccount(account=ANA)),
        network.signed(ANA, SEALING),
        network.signed(RIVERSIDE, ReinstateAccount(account=ANA)),
        network.signed(ANA, SEALING),
    )
    assert [receipt.code for receipt in receipts] == [0, SignerSuspended.code, 0, 0]
    network.refuse(RIVERSIDE, StandingUnchanged, ReinstateAccount(account=ANA))


def test_a_suspended_account_is_not_suspended_twice() -> None:
    network = claimed()
    network.do(RIVERSIDE, SuspendAccount(account=ANA))
    network.refuse(RIVERSIDE, StandingUnchanged, SuspendAccount(account=ANA))


def test_assurance_is_raised_by_proofing_again() -> None:
    network = claimed()
    network.do(RIVERSIDE, SetAssurance(account=ANA, ial=3, aal=3))
    found = account(network.view, ANA)
    assert found is not None
    assert (found.ial, found.aal) == (3, 3)
    assert enrolled_by(network.view, ANA) == RIVERSIDE


def test_patients_have_no_roles() -> None:
    network = claimed()
    roles = SetCredentialRoles(account=ANA, roles=("clinician",))
    network.refuse(RIVERSIDE, NotAPractitioner, roles)


def test_a_member_has_no_account_keys() -> None:
    network = claimed()
    network.refuse(RIVERSIDE, NotAnAccount, SEALING)
    network.refuse(RIVERSIDE, NotAnAccount, RetireAccountKey(key=id_of(key(ANA))))


def member_commands(network: Network) -> list[Any]:
    """Everything that Riverside could try, to get hold of Ana's account."""
    mine = network.new_key(ANA, key("a key Riverside made"))
    code = network.new_key(ANA, key("a code Riverside made"), "claim")
    return [
        enrol(network, key=mine),
        enrol(network, key=code, claim_until=UNTIL),
        ReissueClaim(account=ANA, key=code, claim_until=UNTIL),
        ClaimAccount(key=mine),
        RegisterAccountKey(key=mine),
        RotateAccountKey(old=id_of(key(ANA)), key=mine),
        RetireAccountKey(key=id_of(key(ANA))),
        SuspendAccount(account=ANA),
        ReinstateAccount(account=ANA),
        SetAssurance(account=ANA, ial=1),
        SetEndpoint(gateway=None),
    ]


@given(st.lists(st.tuples(st.sampled_from([RIVERSIDE, LAKEVIEW]), st.integers(0, 10)), max_size=10))
def test_no_member_can_touch_the_keys_of_a_claimed_account(tries: list[tuple[Any, int]]) -> None:
    network = claimed()
    before = list(live_keys(network.view, ANA, "transaction"))
    for member, choice in tries:
        network.attempt(member, member_commands(network)[choice])
    assert list(live_keys(network.view, ANA, "transaction")) == before
    assert not list(live_keys(network.view, ANA, "claim"))


def test_ids_end_where_they_seem_to() -> None:
    with pytest.raises(Malformed):
        decode(encode(ANA + "\n"), AccountName)
