"""Questions others may ask of identity: what an account is, who enrolled it, whether it acts."""

from dataclasses import dataclass

from careledger.apps.identity.state import ACCOUNTS, HolderKind
from careledger.ledger.membership import SIGNERS, Status, may_act_in_emergency
from careledger.ledger.record import AccountId, Instant, MemberId
from careledger.ledger.state import View


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person or device as the ledger knows it now."""

    id: AccountId
    kind: HolderKind
    member: MemberId
    """Who enrolled it."""
    status: Status
    ial: int
    aal: int | None
    since: Instant
    claimed: bool
    """Whether its holder has a key of their own; before that, nobody can act as them."""
    name: str | None
    roles: tuple[str, ...]


def account(view: View, id_: AccountId) -> Account | None:
    """The account `id_`, if it was ever enrolled."""
    row = view.get(ACCOUNTS, id_)
    if row is None:
        return None
    return Account(
        id=id_,
        kind=row.kind,
        member=MemberId(row.member),
        status=view.row(SIGNERS, id_).status,
        ial=row.ial,
        aal=row.aal,
        since=row.since,
        claimed=row.claim_until is None,
        name=row.name,
        roles=row.roles,
    )


def enrolled_by(view: View, id_: AccountId) -> MemberId | None:
    """The member that enrolled `id_`."""
    row = view.get(ACCOUNTS, id_)
    return None if row is None else MemberId(row.member)


def is_patient_of(view: View, id_: AccountId, member: MemberId) -> bool:
    """Whether `id_` is a patient that `member` enrolled, whatever its status."""
    row = view.get(ACCOUNTS, id_)
    return row is not None and row.kind == "patient" and row.member == member


def practitioner_roles(view: View, id_: AccountId) -> tuple[str, ...]:
    """What `id_` is licensed or appointed as; nothing unless it is a practitioner."""
    row = view.get(ACCOUNTS, id_)
    return () if row is None else row.roles


def is_acting_practitioner(
    view: View, id_: AccountId, member: MemberId, emergency_at: Instant | None = None
) -> bool:
    """Whether `id_` is an active practitioner of `member`, and `member` is active itself.

    In an emergency at `emergency_at`, a member that was suspended not long before will do.
    """
    row, signer, payer = view.get(ACCOUNTS, id_), view.get(SIGNERS, id_), view.get(SIGNERS, member)
    return (
        row is not None
        and signer is not None
        and payer is not None
        and row.kind == "practitioner"
        and row.member == member
        and signer.status == "active"
        and (
            payer.status == "active"
            if emergency_at is None
            else may_act_in_emergency(payer, emergency_at)
        )
    )
