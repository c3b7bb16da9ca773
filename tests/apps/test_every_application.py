"""What must hold for every application, present and future."""

import itertools
from functools import cache
from string import Formatter
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.apps import discover, pages
from careledger.display import cells, sentence
from careledger.ledger.application import Application
from careledger.ledger.errors import Refusal
from careledger.ledger.membership import NetworkParameters
from careledger.ledger.record import ACCOUNT_ID, MEMBER_ID, AccountId, Record, decode, encode
from careledger.ledger.state import MemoryReader, View
from careledger.ledger.transaction import (
    Call,
    VerifiedTransaction,
    call,
    parse_transaction,
    sign_transaction,
    verify_transaction,
)
from careledger.ledger.transition import Applied, Block, Header, apply_block
from tests.apps.network import ANA, BEN, CHAIN, DR_CHO, HILLTOP, LAKEVIEW, RIVERSIDE, Network

History = list[tuple[str, Record]]

MEMBERS = [RIVERSIDE, RIVERSIDE, RIVERSIDE, LAKEVIEW, LAKEVIEW, HILLTOP, "nowhere"]
ACCOUNTS = [ANA, BEN, DR_CHO, AccountId("@" + "n" * 26), AccountId("@" + "z" * 26)]
SIGNERS = [RIVERSIDE, RIVERSIDE, ANA, ANA, LAKEVIEW, BEN, DR_CHO]
"""Riverside and its patient Ana come up most, so that enough of what is asked is accepted."""

CORE_CODES = range(1, 100)
"""Refusals of the core, which any transaction may meet."""

every_application = pytest.mark.parametrize("app", discover().values(), ids=lambda app: app.name)


# --- values of any field, from small sets so that ids collide often ----------------------------


def values(type_: Any) -> st.SearchStrategy[Any]:
    """Values of a field type that its bounds allow."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return records(type_)
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is Annotated:
        meta = [one for one in arguments[1:] if isinstance(one, msgspec.Meta)]
        return bounded(arguments[0], meta[0]) if meta else values(arguments[0])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is UnionType or str(origin) == "typing.Union":
        return st.one_of(*(values(one) for one in arguments))
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    return PLAIN[type_]


PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    type(None): st.none(),
    None: st.none(),
    msgspec.UnsetType: st.just(msgspec.UNSET),
    bool: st.booleans(),
    int: st.integers(0, 200),
    str: st.sampled_from(["a", "b", "c"]),
    bytes: st.sampled_from([b"", b"a" * 16, b"b" * 32]),
}


def bounded(type_: Any, meta: msgspec.Meta) -> st.SearchStrategy[Any]:
    if type_ is int:
        low = int(meta.ge) if meta.ge is not None else 0
        high = int(meta.le) if meta.le is not None else int(meta.lt or 2**53) - 1
        return st.integers(low, min(low + 3, high)) | st.integers(low, high)
    if type_ is bytes:
        size = meta.min_length or 0
        return st.sampled_from([bytes([letter]) * size for letter in b"ab"])
    if type_ is str and meta.pattern is not None:
        return named(meta.pattern)
    if type_ is str:
        return st.sampled_from([letter * (meta.min_length or 1) for letter in "ab"])
    if get_origin(type_) is tuple:
        few = st.lists(
            values(get_args(type_)[0]),
            min_size=meta.min_length or 0,
            max_size=min(meta.max_length or 3, 3),
        )
        return few.map(tuple)
    return values(type_)


def named(pattern: str) -> st.SearchStrategy[str]:
    """Members and accounts that exist, where the pattern asks for one."""
    if pattern.startswith(f"^{ACCOUNT_ID.pattern}"):
        return st.sampled_from(ACCOUNTS)
    if pattern.startswith(f"^{MEMBER_ID.pattern}"):
        return st.sampled_from(MEMBERS)
    return st.from_regex(pattern.removesuffix("$").removesuffix(r"\Z") + r"\Z").map(str)


def records(type_: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    if type_ not in _RECORDS:
        _RECORDS[type_] = _records(type_)
    return _RECORDS[type_]


_RECORDS: dict[type[msgspec.Struct], st.SearchStrategy[Any]] = {}


def _records(type_: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    fields = {field.name: values(field.type) for field in msgspec.structs.fields(type_)}
    return st.builds(type_, **fields)


def histories(app: Application[Any, Any]) -> st.SearchStrategy[History]:
    """Any signers, asking for anything, in any order."""
    commands = st.one_of(*(records(command) for command in app.commands))
    return st.lists(st.tuples(st.sampled_from(SIGNERS), commands), max_size=12)


# --- running a history -------------------------------------------------------------------------


@cache
def beginning() -> Network:
    """Three members, two patients and a practitioner; every application is active."""
    network = Network(parameters=NetworkParameters(paper_consent=True), names=tuple(discover()))
    network.enrol_patient(RIVERSIDE, ANA)
    network.enrol_patient(LAKEVIEW, BEN)
    network.enrol_practitioner(LAKEVIEW, DR_CHO)
    return network


def signed(signer: str, number: int, *calls: Call) -> VerifiedTransaction:
    network = beginning()
    key = network.keys[signer]  # type: ignore[index]  # either kind of signer
    claims = msgspec.structs.replace(
        network.claims(signer),  # type: ignore[arg-type]  # likewise
        nonce=number.to_bytes(16),
    )
    return verify_transaction(parse_transaction(sign_transaction(key, claims, *calls)), key.public)


def numbered(app: Application[Any, Any], history: History) -> list[VerifiedTransaction]:
    return [
        signed(who, number, call(app.name, command))
        for number, (who, command) in enumerate(history)
    ]


def run(transactions: list[VerifiedTransaction]) -> Applied:
    network = beginning()
    parent = Header(
        height=0,
        time=network.time,
        first=0,
        size=1,
        version=1,
        state_root=bytes(32),
        log_root=bytes(32),
        app_hash=bytes(32),
    )
    block = Block(height=1, time=network.time, transactions=tuple(transactions))
    view = View(MemoryReader(network.state.rows()))
    return apply_block(view, parent, block, CHAIN, network.applications)


# --- what must hold ----------------------------------------------------------------------------


@every_application
@given(data=st.data())
def test_whatever_is_asked_the_promises_hold(
    app: Application[Any, Any], data: st.DataObject
) -> None:
    transactions = numbered(app, data.draw(histories(app)))
    applied = run(transactions)
    assert applied.alarms == (), "no rule trips"
    check_refusals_are_declared(app, applied)
    check_writes_stay_in_own_tables(app, applied)
    check_refused_transactions_leave_no_trace(transactions, applied)


def check_refusals_are_declared(app: Application[Any, Any], applied: Applied) -> None:
    declared = {0, *CORE_CODES, *(refusal.code for refusal in app.refusals)}
    assert {receipt.code for receipt in applied.receipts} <= declared


def check_writes_stay_in_own_tables(app: Application[Any, Any], applied: Applied) -> None:
    tables = {table.name: table for table in app.tables}
    for key, value in applied.changes.items():
        table = tables[key.split(b"\0")[0].decode()]
        assert table.at(*table.parse(key)) == key
        assert value is None or encode(decode(value, table.row)) == value


def check_refused_transactions_leave_no_trace(
    transactions: list[VerifiedTransaction], applied: Applied
) -> None:
    """Without them, the same state follows."""
    outcomes = zip(transactions, applied.receipts, strict=True)
    accepted = [transaction for transaction, receipt in outcomes if not receipt.code]
    assert run(accepted).changes == applied.changes


@every_application
@given(garbage=st.binary(max_size=200))
def test_garbage_is_refused_not_fatal(app: Application[Any, Any], garbage: bytes) -> None:
    applied = run([signed(ANA, 0, Call(application=app.name, command=garbage))])
    assert applied.receipts[0].code
    assert not applied.changes
    assert not applied.alarms


@every_application
@given(data=st.data())
def test_every_event_can_be_said(app: Application[Any, Any], data: st.DataObject) -> None:
    page = pages()[app.name]
    assert set(page.says) == set(app.events)
    for event in app.events:
        asked = {name for _, name, _, _ in Formatter().parse(page.says[event]) if name is not None}
        assert asked <= set(event.__struct_fields__)
        assert len(sentence(page, data.draw(records(event)))) > len("x y")


@every_application
@given(data=st.data())
def test_every_row_can_be_shown(app: Application[Any, Any], data: st.DataObject) -> None:
    page = pages()[app.name]
    assert page.table in app.tables
    assert set(cells(page, data.draw(records(page.table.row)))) == set(page.columns)


@every_application
def test_an_application_says_what_it_has(app: Application[Any, Any]) -> None:
    assert set(pages()[app.name].actions) <= set(app.commands)
    assert {*app.protective, *app.claims} <= set(app.commands)
    assert all(one.__struct_config__.tag_field == "type" for one in app.protective)
    assert all(refusal.text() for refusal in app.refusals)
    for asked in (*app.commands, *app.events):
        assert asked.__doc__


def test_names_codes_and_tables_are_used_once() -> None:
    applications = discover()
    assert all(name == app.name for name, app in applications.items())
    codes: dict[int, type[Refusal]] = {}
    for app in applications.values():
        for refusal in app.refusals:
            assert codes.setdefault(refusal.code, refusal) is refusal
    own = [
        {table.name for table in app.tables if table.name.startswith(f"{app.name}.")}
        for app in applications.values()
    ]
    assert all(own)
    assert not any(one & other for one, other in itertools.combinations(own, 2))
