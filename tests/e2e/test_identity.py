"""Identities: vetted and recorded, pairwise, never replayed, gone with the block that says so."""

import base64
import secrets
from collections.abc import Iterator

from careledger.apps import discover
from careledger.apps.identity.commands import (
    DeviceHolder,
    EnrolAccount,
    RegisterAccountKey,
    RetireAccountKey,
    RotateAccountKey,
)
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId, Record, decode_trusted
from careledger.ledger.signature import SigningKey, key_id
from careledger.ledger.transaction import parse_transaction
from careledger.mechanisms.messages import Query, Refused, Rejected
from tests.e2e.asking import ask
from tests.e2e.conftest import World
from tests.e2e.network import MEMBERS, careledger
from tests.e2e.node import Node, leaves
from tests.e2e.staff import Practitioner, read_with, sign_in, token
from tests.e2e.test_consents import grant

UNKNOWN_KEY, NO_SIGNATURE = 56, 57


def fresh_key() -> SigningKey:
    return SigningKey("EdDSA", secrets.token_bytes(32))


def fresh_account() -> AccountId:
    return AccountId("@" + base64.b32encode(secrets.token_bytes(16)).decode().lower().rstrip("="))


# --- I1 -------------------------------------------------------------------------------------------


def test_i1_an_unknown_signer_is_refused_at_every_door(world: World) -> None:
    node, network, size = world.node, world.network, world.node.size()
    for signer in (fresh_account(), "nobody"):
        assert node.code(signer, fresh_key(), "consent", grant("riverside")) == UNKNOWN_KEY
    raw = bytearray(node.sign("riverside", node.member_key("riverside"), "consent", grant("x-ray")))
    raw[-1] ^= 1
    assert node.post(bytes(raw)).json()["code"] == NO_SIGNATURE

    stranger = Practitioner(
        account=fresh_account(),
        gateway=network.gateways["lakeview"],
        transaction=fresh_key(),
        client=SigningKey("ES256", secrets.token_bytes(32)),
    )
    imposter = Practitioner(
        account=world.cho.account,
        gateway=world.cho.gateway,
        transaction=fresh_key(),
        client=stranger.client,
    )
    for one in (stranger, imposter):
        client = one.signs_in()
        answer = sign_in(client.gateway, client.assertion(client.gateway + "/auth/token"))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    request = {"custodian": "riverside", "requester": "lakeview", "purpose": "TREAT"}
    unsigned = ask(
        network, node, fresh_key(), Query(type="Condition"), **request, actions=("search",)
    )
    assert unsigned.post() == (400, None, 0)
    codes = {one["code"] for one in node.transactions(size)}
    assert not codes & {UNKNOWN_KEY, NO_SIGNATURE}, "what enters no block leaves no trace"


def test_i1_everyone_s_vetting_is_on_the_ledger(world: World) -> None:
    node, network = world.node, world.network
    device, home = fresh_account(), network.home("riverside")
    enrol = EnrolAccount(
        account=device,
        holder=DeviceHolder(),
        ial=2,
        aal=1,
        key=new_key(fresh_key(), "transaction", device, node.chain),
    )
    assert node.code("riverside", node.member_key("riverside"), "identity", enrol) == 0

    def vetted(account: str) -> tuple[str, str, int, int | None]:
        row = node.row("identity.accounts", account)["row"]
        return row["kind"], row["member"], row["ial"], row["aal"]

    mori = world.mori.account
    assert vetted(device) == ("device", "riverside", 2, 1)
    assert vetted(mori)[:3] == ("practitioner", "riverside", 2)
    assert vetted(world.cho.account)[:3] == ("practitioner", "lakeview", 2)
    for patient in (world.ana, world.olga, world.oscar):
        for member, account in patient.account.items():
            kind, by, ial, _ = vetted(account)
            assert (kind, by) == ("patient", member)
            assert ial in {1, 2, 3}
    for member in network.gateways:
        assert node.row("ledger.signers", member)["row"]["kind"] == "member"
    careledger(
        *("identity", "set-assurance", "--home", home, "--account", mori),
        *("--ial", "3", "--aal", "2"),
    )
    assert vetted(mori) == ("practitioner", "riverside", 3, 2)


# --- I4 -------------------------------------------------------------------------------------------


def said_of(node: Node, account: str) -> Iterator[object]:
    """Every scalar that the chain has in one transaction or event with `account`."""
    applications = discover()
    for one in node.transactions():
        transaction = parse_transaction(node.raw(one["transaction"]))
        commands: list[Record] = [
            decode_trusted(call.command, applications[call.application].command_type)
            for call in transaction.calls
        ]
        events: list[Record] = [
            decode_trusted(
                base64.b64decode(event["event"]), applications[event["application"]].event_type
            )
            for event in one["events"]
        ]
        claims, statement = transaction.statement.claims, transaction.statement
        told = [*leaves(commands), *leaves(events), *leaves(claims)]
        if account in told:
            yield from (*told, statement.key_id, statement.id, statement.signature)


def linking(node: Node, first: str, second: str) -> set[object]:
    """What the chain says with both accounts, and is neither a time, a code nor a member's."""
    common = set(said_of(node, first)) & set(said_of(node, second))
    members = {key_id(node.member_key(member).public) for member in MEMBERS}
    return {one for one in common if isinstance(one, bytes) or str(one).startswith("@")} - members


def test_i4_what_the_chain_says_of_one_account_is_nowhere_with_the_other(world: World) -> None:
    """Ana says the very same to both hospitals, and each asks the other for her records."""
    node, ana, cho, mori = world.node, world.ana, world.cho, world.mori
    ways = {"riverside": ("lakeview", cho), "lakeview": ("riverside", mori)}
    given = {}
    for custodian, (other, who) in ways.items():
        options = "--to", other, "--for", "coc", "--what", "immunizations", "--days", "20"
        given[custodian] = ana.consents("grant", custodian, *options)
        assert who.reads(custodian, ana.local[other], "Immunization", purpose="COC").resources
    said = {one["consent"]: one for one in ana.knows("consent", "list")}
    terms = {said[consent]["terms"] for consent in given.values()}
    assert len(terms) == 2, "equal terms, unequal salts"

    first, second = ana.account["riverside"], ana.account["lakeview"]
    assert first != second
    assert set(said_of(node, first)), "the control: there is something to compare"
    assert linking(node, first, second) == set()
    # What both share, but for times, they share with strangers: members, purposes, actions, roles.
    strangers = {one for patient in (world.olga, world.oscar) for one in patient.account.values()}
    public = {leaf for one in strangers for leaf in said_of(node, one)} | {"COC", "clinician"}
    common = set(said_of(node, first)) & set(said_of(node, second))
    assert {one for one in common if isinstance(one, str)} <= public
    for custodian, consent in given.items():
        assert ana.revokes(consent), custodian


def test_i4_the_comparison_would_see_a_link(world: World) -> None:
    """The control: two events about one account share its id, keys and consent ids."""
    account = world.ana.account["riverside"]
    assert account in linking(world.node, account, account)
    assert any(isinstance(one, bytes) for one in linking(world.node, account, account))


# --- I5 -------------------------------------------------------------------------------------------


def test_i5_a_transaction_counts_once(world: World) -> None:
    node, oscar = world.node, world.oscar
    key, account = node.patient_key(oscar, "riverside"), oscar.account["riverside"]
    raw = node.sign(account, key, "consent", grant("riverside", purposes=("HTEST",)))
    first = node.post(raw)
    assert first.json()["code"] == 0
    seen = [one["transaction"] for one in node.transactions()]
    again = node.post(raw)
    assert again.status_code == 409 or again.json() == first.json(), "the first receipt, no second"
    assert [one["transaction"] for one in node.transactions()][: len(seen)] == seen
    assert sum(one["transaction"] == first.json()["id"] for one in node.transactions()) == 1


def test_i5_a_sign_in_counts_once(world: World) -> None:
    client = world.cho.signs_in()
    assertion = client.assertion(client.gateway + "/auth/token")
    assert sign_in(client.gateway, assertion).status_code == 200
    again = sign_in(client.gateway, assertion)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert "used before" in again.json()["error_description"]


def test_i5_an_access_request_is_answered_once(world: World) -> None:
    network, node = world.network, world.node
    sealed = ask(
        *(network, node, node.member_key("lakeview"), Query(type="Condition")),
        custodian="riverside",
        requester="lakeview",
        account=world.oscar.account["riverside"],
        purpose="HMARKT",
        actions=("search",),
    )
    _, first, _ = sealed.post()
    assert isinstance(first, Refused)
    _, again, came = sealed.post()
    assert isinstance(again, Rejected)
    assert (again.code, came) == (404, 0)


def test_i5_a_patient_s_old_key_dies_with_the_block_that_rotates_it(world: World) -> None:
    node, oscar = world.node, world.oscar
    account = oscar.account["lakeview"]
    old, new = (node.patient_key(oscar, "lakeview", generation) for generation in (0, 1))
    assert node.code(account, old, "consent", grant("lakeview", grantee="unity-health")) == 0
    oscar.says("wallet", "rotate", "lakeview")
    assert (
        node.code(account, old, "consent", grant("lakeview", grantee="unity-health")) == UNKNOWN_KEY
    )
    assert node.code(account, new, "consent", grant("lakeview", grantee="unity-health")) == 0
    back = RotateAccountKey(
        old=key_id(new.public), key=new_key(old, "transaction", AccountId(account), node.chain)
    )
    assert node.code(account, old, "identity", back) == UNKNOWN_KEY


def test_i5_a_token_dies_with_the_block_that_retires_its_key(world: World) -> None:
    node, wren, oscar = world.node, world.wren, world.oscar
    account = AccountId(wren.account)
    bearer, client = token(wren.signs_in()), wren.signs_in()

    def tries() -> int:
        local = oscar.local["lakeview"]
        return read_with(bearer, wren.gateway, "riverside", local, "Condition").status

    assert tries() == 403, "signed in, and refused for want of consent"
    another = SigningKey("ES256", secrets.token_bytes(32))
    key = new_key(another, "client", account, node.chain)
    register = RegisterAccountKey(key=key)
    assert node.code(account, wren.transaction, "identity", register) == 0
    retire = RetireAccountKey(key=key_id(wren.client.public))
    assert node.code(account, wren.transaction, "identity", retire) == 0
    assert tries() == 401
    answer = sign_in(client.gateway, client.assertion(client.gateway + "/auth/token"))
    assert answer.status_code == 401
    moved = Practitioner(
        account=account, gateway=wren.gateway, transaction=wren.transaction, client=another
    )
    assert token(moved.signs_in()), "under another key of her own she still signs in"


def test_i5_suspending_a_practitioner_stops_the_next_read(world: World) -> None:
    network, diaz, oscar = world.network, world.diaz, world.oscar
    home = "--home", network.home("lakeview")
    bearer, local = token(diaz.signs_in()), oscar.local["lakeview"]
    assert read_with(bearer, diaz.gateway, "riverside", local, "Condition").status == 403
    careledger("identity", "suspend", *home, "--account", diaz.account)
    stopped = read_with(bearer, diaz.gateway, "riverside", local, "Condition").status
    careledger("identity", "reinstate", *home, "--account", diaz.account)
    assert stopped == 401
    assert read_with(bearer, diaz.gateway, "riverside", local, "Condition").status == 403
