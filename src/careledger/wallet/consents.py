"""Consents: given, denied and ended by the patient's own key, and their terms put on the way."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from careledger.apps.consent import APPLICATION
from careledger.apps.consent.commands import ConsentDenied, ConsentGranted, RevokeConsent
from careledger.apps.consent.queries import consent, history
from careledger.consensus.intake import Ordered
from careledger.ledger.record import AccountId, MemberId, decode_trusted, encode
from careledger.mechanisms.delivery import TermsPackage
from careledger.mechanisms.envelope import Envelope
from careledger.wallet.contents import Delivery, HeldAccount, HeldConsent
from careledger.wallet.errors import NoConsent, NotAccepted
from careledger.wallet.fhir_consent import Draft
from careledger.wallet.outbox import deliver
from careledger.wallet.wallet import Wallet


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One consent as the ledger has it, and what the wallet holds of it."""

    account: HeldAccount
    consent_id: bytes
    envelope: Envelope
    held: HeldConsent | None
    """None if it was given on paper, or from another copy of the seed."""


async def give(wallet: Wallet, custodian: MemberId, draft: Draft, label: str = "") -> HeldConsent:
    """Grant or deny, and deliver the terms; terms and salt are kept before anything is sent.

    Raises:
        NoAccount: the patient has none at the custodian.
        NotAccepted: the ledger's rules said no; nothing is kept.
        Unavailable: not decided yet; `resume` goes on.
    """
    held = _prepare(wallet, custodian, draft, label)
    wallet.keep(wallet.contents.with_consent(held))
    return await _send(wallet, held)


async def resume(wallet: Wallet) -> list[HeldConsent]:
    """Go on with whatever is not sent or not delivered; those consents as they are afterwards."""
    known = [_introduced(wallet, one) for one in wallet.contents.consents]
    return [await _send(wallet, one) for one in known if not _is_settled(wallet, one)]


async def revoke(wallet: Wallet, consent_id: bytes) -> Ordered:
    """End a consent or a denial, at once; on paper ones too.

    Raises:
        NoConsent: there is none of that id under any of the patient's accounts.
    """
    found = standing_of(wallet, consent_id)
    command = RevokeConsent(consent_id=consent_id)
    ordered = await wallet.submit(found.account, APPLICATION.name, command)
    await wallet.refresh()
    return ordered


def standings(wallet: Wallet) -> list[Standing]:
    """Every consent of the patient, oldest first; ended ones too."""
    held = {one.consent_id: one for one in wallet.contents.consents}
    found = [
        Standing(
            account=account,
            consent_id=consent_id,
            envelope=envelope,
            held=held.get(consent_id),
        )
        for account in wallet.contents.accounts
        for consent_id, envelope in history(wallet.view, account.account)
    ]
    return sorted(found, key=lambda one: (one.envelope.given, one.consent_id))


def standing_of(wallet: Wallet, consent_id: bytes) -> Standing:
    """One consent.

    Raises:
        NoConsent: there is none of that id under any of the patient's accounts.
    """
    for one in standings(wallet):
        if one.consent_id == consent_id:
            return one
    raise NoConsent(f"there is no consent {consent_id.hex()} on the ledger")


def find(wallet: Wallet, text: str) -> Standing:
    """The consent whose id in hex begins with `text`, which must fit only one.

    Raises:
        NoConsent: none, or several.
    """
    fitting = [one for one in standings(wallet) if one.consent_id.hex().startswith(text.lower())]
    if not text or len(fitting) != 1:
        how_many = "several consents begin" if len(fitting) > 1 else "no consent begins"
        raise NoConsent(f"{how_many} with {text!r}: see `careledger consent list`")
    return fitting[0]


def _prepare(wallet: Wallet, custodian: MemberId, draft: Draft, label: str) -> HeldConsent:
    contents = wallet.contents
    account = contents.account_at(custodian)
    consent_id, salt = secrets.token_bytes(16), secrets.token_bytes(32)
    grantee = None if draft.party is None else draft.party.member
    shared = draft.kind == "grant" and grantee is not None and grantee != custodian
    known = shared and grantee is not None and contents.has_account_at(grantee)
    package = TermsPackage(
        consent_id=consent_id,
        custodian=custodian,
        custodian_account=account.account,
        grantee=grantee,
        grantee_account=contents.account_at(str(grantee)).account if known else None,
        terms=None if draft.terms is None else encode(draft.terms),
        salt=None if draft.terms is None else salt,
    )
    # Whom a denial names need not learn of it, nor of the patient's other account.
    receivers = (custodian, str(grantee)) if shared else (custodian,)
    return HeldConsent(
        consent_id=consent_id,
        kind=draft.kind,
        label=label,
        package=package,
        deliveries=tuple(Delivery(member=member) for member in receivers),
        command=encode(draft.command(consent_id, custodian, salt)),
    )


def is_nameless(held: HeldConsent) -> bool:
    """Whether the grantee cannot tell whom the grant is about: the patient is not known there."""
    package = held.package
    shared = held.kind == "grant" and package.grantee not in {None, package.custodian}
    return shared and package.grantee_account is None


def _introduced(wallet: Wallet, held: HeldConsent) -> HeldConsent:
    """A grant whose grantee came to know the patient since, to be delivered again."""
    member = held.package.grantee
    if member is None or not is_nameless(held) or not wallet.contents.has_account_at(member):
        return held
    account = wallet.contents.account_at(member).account
    return replace(
        held,
        package=replace(held.package, grantee_account=account),
        deliveries=tuple(Delivery(member=one.member) for one in held.deliveries),
    )


async def _send(wallet: Wallet, held: HeldConsent) -> HeldConsent:
    """Put the consent on the ledger if it is not there, then deliver what is not delivered."""
    if held.transaction is None:
        held = replace(held, transaction=await _order(wallet, held))
        wallet.keep(wallet.contents.with_consent(held))
        await wallet.refresh()
    return await deliver(wallet, held)


async def _order(wallet: Wallet, held: HeldConsent) -> bytes:
    """The transaction that put it on the ledger, now or at an earlier try."""
    before = _given_in(wallet, held.consent_id)
    if before is not None:
        return before
    account = wallet.contents.account_at(held.package.custodian)
    command = decode_trusted(held.command, APPLICATION.command_type)
    try:
        ordered = await wallet.submit(account, APPLICATION.name, command)
    except NotAccepted:
        await wallet.refresh()
        before = _given_in(wallet, held.consent_id)  # an earlier try, whose answer was lost
        if before is None:
            wallet.keep(wallet.contents.without_consent(held.consent_id))
            raise
        return before
    return ordered.receipt.id


def _given_in(wallet: Wallet, consent_id: bytes) -> bytes | None:
    """The transaction in which the consent was given, if the ledger has it."""
    for seen in wallet.copy.seen:
        event = wallet.copy.event_of(seen)
        if isinstance(event, ConsentGranted | ConsentDenied) and event.consent_id == consent_id:
            return seen.transaction
    return None


def _is_settled(wallet: Wallet, held: HeldConsent) -> bool:
    """Whether nothing remains to be done: delivered, or ended in the meantime."""
    if held.transaction is None:
        return False
    account = held.package.custodian_account
    envelope = consent(wallet.view, AccountId(account), held.consent_id)
    return held.is_delivered() or (envelope is not None and envelope.ended is not None)


def undelivered(consents: Iterable[HeldConsent]) -> list[tuple[HeldConsent, Delivery]]:
    """What is not in force yet where it should be."""
    return [
        (held, one) for held in consents for one in held.deliveries if one.standing != "delivered"
    ]
