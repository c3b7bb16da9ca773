"""The law of identity: who may enrol, claim and change an account, and what that changes.

A member vouches for its accounts and may suspend them. It can never act as one: once an account
is claimed, nothing that a member signs touches its keys.
"""

from collections.abc import Iterator
from typing import Final, assert_never

from msgspec.structs import replace

from careledger.apps.governance.queries import is_active
from careledger.apps.identity.commands import (
    AccountClaimed,
    AccountEnrolled,
    AccountKeyRegistered,
    AccountKeyRetired,
    AccountKeyRotated,
    AccountReinstated,
    AccountSuspended,
    AssuranceSet,
    ClaimAccount,
    ClaimReissued,
    Command,
    CredentialRolesSet,
    DeviceHolder,
    EnrolAccount,
    Event,
    Holder,
    HolderCommand,
    KeyEvent,
    MemberCommand,
    PatientHolder,
    PractitionerHolder,
    RegisterAccountKey,
    ReinstateAccount,
    ReissueClaim,
    RetireAccountKey,
    RotateAccountKey,
    SetAssurance,
    SetCredentialRoles,
    StandingEvent,
    SuspendAccount,
)
from careledger.apps.identity.state import ACCOUNTS, AccountRow, HolderKind
from careledger.ledger.application import Context
from careledger.ledger.errors import Refusal, require
from careledger.ledger.keyring import (
    check_first,
    check_new,
    check_replacement,
    check_retirement,
    register,
    retire,
    retire_all,
)
from careledger.ledger.membership import SIGNERS, KeyUse, SignerRow, Status
from careledger.ledger.record import AccountId, Instant, MemberId
from careledger.ledger.state import Changes, View

LONGEST_CLAIM_S: Final = 180 * 86_400

FIRST_USES: Final[tuple[KeyUse, ...]] = ("transaction", "claim")
OWN_USES: Final[tuple[KeyUse, ...]] = ("transaction",)
CLAIM_USES: Final[tuple[KeyUse, ...]] = ("claim",)
ACCOUNT_USES: Final[tuple[KeyUse, ...]] = ("transaction", "client", "sealing")


class NotAnEnroller(Refusal):
    """Only an active member enrols and vouches for accounts."""

    code = 200


class AccountTaken(Refusal):
    """There is an account with that id already; choose fresh random bytes."""

    code = 201


class NotYourAccount(Refusal):
    """You enrolled no such account."""

    code = 202


class WrongFirstKey(Refusal):
    """An account begins with a transaction key or, if a patient's, with a claim key and its end."""

    code = 203


class ClaimWindow(Refusal):
    """A code counts for at least a second and at most 180 days."""

    code = 204


class AlreadyClaimed(Refusal):
    """The patient has claimed that account; nobody else can change its keys."""

    code = 205


class ClaimOver(Refusal):
    """The code's time is over; ask whoever gave it for another."""

    code = 206


class NotAnAccount(Refusal):
    """Only an account may do that, under its own key."""

    code = 207


class StandingUnchanged(Refusal):
    """The account is in that state already."""

    code = 208


class NotAPractitioner(Refusal):
    """Only practitioners have roles."""

    code = 209


def decide(command: Command, context: Context, view: View) -> Iterator[Event]:
    """Accept `command` as events, or refuse it."""
    match command:
        case ClaimAccount() | RegisterAccountKey() | RotateAccountKey() | RetireAccountKey():
            yield _decide_holder(command, context, view)
        case _:
            yield _decide_member(command, context, view)


def _decide_member(command: MemberCommand, context: Context, view: View) -> Event:
    me, at = MemberId(context.signer), context.time
    require(context.kind == "member" and is_active(view, me), NotAnEnroller)
    if isinstance(command, EnrolAccount):
        return _enrol(command, me, context, view)
    account = AccountId(command.account)
    row = view.find(ACCOUNTS, account, absent=NotYourAccount)
    require(row.member == me, NotYourAccount)
    match command:
        case ReissueClaim():
            return _reissue(command, row, context, view)
        case SuspendAccount():
            require(view.row(SIGNERS, account).status == "active", StandingUnchanged)
            return AccountSuspended(account=account, member=me, at=at)
        case ReinstateAccount():
            require(view.row(SIGNERS, account).status == "suspended", StandingUnchanged)
            return AccountReinstated(account=account, member=me, at=at)
        case SetAssurance(ial=ial, aal=aal):
            return AssuranceSet(account=account, member=me, ial=ial, aal=aal, at=at)
        case SetCredentialRoles(roles=roles):
            require(row.kind == "practitioner", NotAPractitioner)
            return CredentialRolesSet(account=account, member=me, roles=roles, at=at)
        case _:
            assert_never(command)


def _enrol(command: EnrolAccount, me: MemberId, context: Context, view: View) -> AccountEnrolled:
    account, until = AccountId(command.account), command.claim_until
    require(view.get(SIGNERS, account) is None, AccountTaken)
    require(command.key.use == ("transaction" if until is None else "claim"), WrongFirstKey)
    if until is not None:
        require(isinstance(command.holder, PatientHolder), WrongFirstKey)
        _check_window(until, context.time)
    return AccountEnrolled(
        account=account,
        member=me,
        holder=command.holder,
        ial=command.ial,
        aal=command.aal,
        key=check_first(view, account, command.key, context.chain, FIRST_USES),
        claim_until=until,
        at=context.time,
    )


def _reissue(command: ReissueClaim, row: AccountRow, context: Context, view: View) -> ClaimReissued:
    require(row.claim_until is not None, AlreadyClaimed)
    _check_window(command.claim_until, context.time)
    require(command.key.use == "claim", WrongFirstKey)
    account = AccountId(command.account)
    key = check_new(view, account, command.key, context.chain, CLAIM_USES, replaces=1)
    until, at = command.claim_until, context.time
    return ClaimReissued(account=account, member=row.member, key=key, claim_until=until, at=at)


def _check_window(until: Instant, time: Instant) -> None:
    require(time < until <= time + LONGEST_CLAIM_S, ClaimWindow)


def _decide_holder(command: HolderCommand, context: Context, view: View) -> KeyEvent:
    me, at = AccountId(context.signer), context.time
    row = view.find(ACCOUNTS, me, absent=NotAnAccount)
    if isinstance(command, ClaimAccount):
        require(context.use == "claim" and row.claim_until is not None, AlreadyClaimed)
        require(row.claim_until is None or at <= row.claim_until, ClaimOver)
        key = check_new(view, me, command.key, context.chain, OWN_USES)
        return AccountClaimed(account=me, key=key, at=at)
    require(context.use == "transaction" and row.claim_until is None, NotAnAccount)
    match command:
        case RegisterAccountKey(key=new):
            key = check_new(view, me, new, context.chain, ACCOUNT_USES)
            return AccountKeyRegistered(account=me, key=key, at=at)
        case RotateAccountKey(old=old, key=new):
            key = check_replacement(view, me, old, new, context.chain)
            return AccountKeyRotated(account=me, old=old, key=key, at=at)
        case RetireAccountKey(key=old):
            check_retirement(view, me, old)
            return AccountKeyRetired(account=me, key=old, at=at)
        case _:
            assert_never(command)


def evolve(event: Event, view: View) -> Changes:
    """Fold one event into the state; never refuses."""
    account = AccountId(event.account)
    match event:
        case AccountEnrolled():
            standing = SignerRow(kind="account", payer=event.member)
            return {
                **SIGNERS.put(standing, account),
                **ACCOUNTS.put(_first_row(event), account),
                **register(account, event.key, event.at),
            }
        case ClaimReissued(key=key, claim_until=until, at=at):
            row = replace(view.row(ACCOUNTS, account), claim_until=until)
            ended = retire_all(view, account, at, "claim")
            return {**ACCOUNTS.put(row, account), **ended, **register(account, key, at)}
        case AccountClaimed() | AccountKeyRegistered() | AccountKeyRotated() | AccountKeyRetired():
            return _evolve_keys(event, account, view)
        case _:
            return _evolve_standing(event, account, view)


def _first_row(event: AccountEnrolled) -> AccountRow:
    row = AccountRow(
        kind=_kind(event.holder),
        member=event.member,
        ial=event.ial,
        aal=event.aal,
        since=event.at,
        claim_until=event.claim_until,
    )
    if isinstance(event.holder, PractitionerHolder):
        return replace(row, name=event.holder.name, roles=event.holder.roles)
    return row


def _kind(holder: Holder) -> HolderKind:
    match holder:
        case PatientHolder():
            return "patient"
        case PractitionerHolder():
            return "practitioner"
        case DeviceHolder():
            return "device"
        case _:
            assert_never(holder)


def _evolve_keys(event: KeyEvent, account: AccountId, view: View) -> Changes:
    match event:
        case AccountClaimed(key=key, at=at):
            row = replace(view.row(ACCOUNTS, account), claim_until=None)
            ended = retire_all(view, account, at, "claim")
            return {**ACCOUNTS.put(row, account), **ended, **register(account, key, at)}
        case AccountKeyRegistered(key=key, at=at):
            return register(account, key, at)
        case AccountKeyRotated(old=old, key=key, at=at):
            return {**retire(view, account, old, at), **register(account, key, at)}
        case AccountKeyRetired(key=old, at=at):
            return retire(view, account, old, at)
        case _:
            assert_never(event)


def _evolve_standing(event: StandingEvent, account: AccountId, view: View) -> Changes:
    row = view.row(ACCOUNTS, account)
    match event:
        case AccountSuspended():
            return _set_status(view, account, "suspended")
        case AccountReinstated():
            return _set_status(view, account, "active")
        case AssuranceSet(ial=ial, aal=aal):
            return ACCOUNTS.put(replace(row, ial=ial, aal=aal), account)
        case CredentialRolesSet(roles=roles):
            return ACCOUNTS.put(replace(row, roles=roles), account)
        case _:
            assert_never(event)


def _set_status(view: View, account: AccountId, status: Status) -> Changes:
    return SIGNERS.put(replace(view.row(SIGNERS, account), status=status), account)
