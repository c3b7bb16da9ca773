"""The mailbox: terms of consents as patients deliver them, checked, kept sealed, looked up fast.

A package may come before its consent is in a block. It then waits, and is looked at again whenever
somebody asks. What decides is never whether it waited: a decision compares the commitment of what
is kept here with the envelope on the ledger, each time.
"""

from collections.abc import Sequence
from typing import Final

from careledger.apps.consent.queries import consent
from careledger.exchange.cabinet import Cabinet, Thing
from careledger.exchange.errors import DeliveryRefused
from careledger.exchange.organisation import Moment, Organisation
from careledger.exchange.wire import open_own
from careledger.ledger.errors import Malformed, UnknownSigner
from careledger.ledger.record import AccountId, MemberId, decode, decode_trusted, digest, encode
from careledger.mechanisms.conflict import TermsOf
from careledger.mechanisms.delivery import (
    SignedTerms,
    TermsAcknowledged,
    TermsPackage,
    acknowledge,
    verify_delivery,
)
from careledger.mechanisms.envelope import Envelope
from careledger.mechanisms.messages import MAX_ASK_BYTES, TERMS, Presented
from careledger.mechanisms.terms import OpenedTerms, commit_encoded, stored_terms
from careledger.vault.bounded import Bounded

_CACHED: Final = 100_000


class Mailbox:
    """The terms that one organisation holds, as custodian and as grantee."""

    def __init__(self, organisation: Organisation, cabinet: Cabinet) -> None:
        """Keep what is delivered in `cabinet`."""
        self._organisation, self._cabinet = organisation, cabinet
        self._opened = Bounded[str, OpenedTerms](_CACHED)
        self.letters = 0
        """Grows with everything that changes what `terms_of` finds."""

    # --- in ----------------------------------------------------------------------------------

    async def receive(self, sealed: bytes) -> bytes:
        """Take in a sealed `SignedTerms`; the signed acknowledgement, once it is durable here.

        Raises:
            Tampered: not sealed to this organisation.
            Malformed: not a delivery.
            DeliveryRefused: not signed by whom it must be, or not of the consent it names.
            Stale: nothing was decided.
        """
        signed = decode(open_own(self._organisation, TERMS, sealed, MAX_ASK_BYTES), SignedTerms)
        with self._organisation.now() as now:
            standing = self._check(signed, now)
        self._keep(signed, done=standing == "delivered")
        return self._acknowledgement(signed.package, standing)

    def _check(self, signed: SignedTerms, now: Moment) -> str:
        package = signed.package
        if self._organisation.member not in {package.custodian, package.grantee}:
            raise DeliveryRefused("the terms concern others")
        try:
            verify_delivery(signed, now.view, self._organisation.chain, now.time)
        except UnknownSigner as error:
            raise DeliveryRefused("an account that must sign has not") from error
        self._check_own_patient(package)
        return self._standing(package, now)

    def _check_own_patient(self, package: TermsPackage) -> None:
        """A grantee takes terms for a patient of its own only if that account has signed."""
        account = package.grantee_account
        if package.grantee != self._organisation.member or account is None:
            return
        if self._organisation.vault.patient_of(AccountId(account)) is None:
            raise DeliveryRefused("the grantee has no such patient")

    def _standing(self, package: TermsPackage, now: Moment) -> str:
        envelope = consent(now.view, package.custodian_account, package.consent_id)
        if envelope is None:
            return "waiting"
        if not _belongs(package, envelope):
            raise DeliveryRefused("the terms are not those of the consent")
        return "delivered"

    def _keep(self, signed: SignedTerms, *, done: bool) -> None:
        package = signed.package
        name = _name(package.custodian_account, package.consent_id)
        thing = Thing(
            name=name,
            owner=package.custodian_account,
            about=package.grantee_account or "",
            content=encode(signed),
            done=done,
            key=self._cabinet.new_key(),
        )
        self._cabinet.put([thing])
        self._opened.drop(name)
        self.letters += 1

    def _acknowledgement(self, package: TermsPackage, standing: str) -> bytes:
        mine = self._organisation
        said = TermsAcknowledged(
            consent_id=package.consent_id,
            member=mine.member,
            package=digest(encode(package)),
            standing="delivered" if standing == "delivered" else "waiting",
        )
        return acknowledge(mine.key, mine.claims("terms"), said)

    def settle(self) -> int:
        """Look again at what waits; how many still do. What proves wrong is dropped."""
        waiting, delivered = 0, list[int]()
        with self._organisation.now() as now:
            for kept in self._cabinet.undone():
                package = decode_trusted(kept.content, SignedTerms).package
                try:
                    standing = self._standing(package, now)
                except (DeliveryRefused, Malformed):
                    standing = "delivered"  # never looked at again; its commitment never matches
                if standing == "waiting":
                    waiting += 1
                else:
                    delivered.append(kept.number)
        if delivered:
            self._cabinet.finish(delivered)
        return waiting

    # --- out ---------------------------------------------------------------------------------

    def terms_of(self, account: str, presented: Sequence[Presented] = ()) -> TermsOf:
        """The terms held under `account`, the custodian's; else those the requester presents.

        Their commitment is computed, so that a decision can hold it against the envelope.
        """
        shown = {one.consent_id: one for one in presented}

        def find(consent_id: bytes) -> OpenedTerms | None:
            held = self._held(account, consent_id)
            one = shown.get(consent_id)
            if held is not None or one is None:
                return held
            return _opened(one.terms, one.salt)

        return find

    def _held(self, account: str, consent_id: bytes) -> OpenedTerms | None:
        name = _name(account, consent_id)
        known = self._opened.get(name)
        if known is None:
            kept = self._cabinet.get(name)
            if kept is None:
                return None
            package = decode_trusted(kept.content, SignedTerms).package
            if package.terms is None or package.salt is None:
                return None
            known = _opened(package.terms, package.salt)
            if known is not None:
                self._opened.put(name, known)
        return known

    def grants_for(self, local: AccountId, custodian: MemberId | None = None) -> list[TermsPackage]:
        """What lets this organisation ask `custodian`, or anyone, about its own patient.

        `local` is the patient's account here, which has signed each of them. Oldest first.
        """
        found = (
            decode_trusted(kept.content, SignedTerms).package
            for kept in self._cabinet.by_about(local)
        )
        return [
            package
            for package in found
            if custodian in {None, package.custodian}
            and package.grantee == self._organisation.member
        ]

    def package(self, account: str, consent_id: bytes) -> SignedTerms | None:
        """A package as it was signed, for the patient's copy and for evidence."""
        kept = self._cabinet.get(_name(account, consent_id))
        return None if kept is None else decode_trusted(kept.content, SignedTerms)

    def shred(self, account: AccountId) -> None:
        """Erase every term held under a patient account of this custodian."""
        self._cabinet.forget(account)
        self._opened.clear()
        self.letters += 1


def _name(account: str, consent_id: bytes) -> str:
    return f"{account} {consent_id.hex()}"


def _belongs(package: TermsPackage, envelope: Envelope) -> bool:
    return (
        package.custodian == envelope.custodian
        and package.grantee == envelope.grantee
        and package.commitment() == envelope.terms
    )


def _opened(terms: bytes, salt: bytes) -> OpenedTerms | None:
    """Terms with the commitment they answer to; None if they are not the encoding of any."""
    try:
        return stored_terms(commit_encoded(salt, terms), terms)
    except Malformed:
        return None
