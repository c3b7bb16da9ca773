"""FHIR R4 Consent, read as CareLedger consents: an envelope for the ledger and terms off it.

Reading never widens. What cannot be said here makes a permission smaller, a prohibition larger,
or the reading fail; `Draft.narrowed` lists where, for the patient to see before she signs. The
mapping is published in spec/terms.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from careledger.apps.consent.commands import DenyConsent, GrantConsent
from careledger.ledger.errors import LedgerError
from careledger.ledger.record import MemberId
from careledger.mechanisms.deadline import DAY_S, Day
from careledger.mechanisms.envelope import Kind
from careledger.mechanisms.purpose import Purpose, includes
from careledger.mechanisms.terms import Action, Effect, Provision, Terms, commit
from careledger.wallet.fhir_provision import (
    ALL_ACTIONS,
    Directory,
    Json,
    Party,
    ProvisionReader,
    actors,
    codings,
    objects,
    span_of,
)


class UnreadableConsentError(LedgerError):
    """A FHIR Consent that cannot be read without changing what it says; `element` says where."""

    def __init__(self, element: str) -> None:
        super().__init__(element)
        self.element = element


class ConsentNotActiveError(UnreadableConsentError):
    """A FHIR Consent that is not, or no longer, in force."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One consent, ready to be given an id and a salt, and to be signed by the patient."""

    kind: Kind
    party: Party | None
    """None is anyone, in a denial."""
    purposes: tuple[Purpose, ...]
    actions: tuple[Action, ...]
    valid_from: Day
    valid_until: Day | None
    terms: Terms | None
    narrowed: tuple[str, ...]

    def command(
        self, consent_id: bytes, custodian: MemberId, salt: bytes
    ) -> GrantConsent | DenyConsent:
        """The command that gives this consent at `custodian`; the terms are sealed apart."""
        type_ = GrantConsent if self.kind == "grant" else DenyConsent
        grantee = {} if self.party is None else {"grantee": self.party.member}
        return type_(
            consent_id=consent_id,
            custodian=custodian,
            practitioner=None if self.party is None else self.party.practitioner,
            role=None if self.party is None else self.party.role,
            purposes=self.purposes,
            actions=self.actions,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            terms=None if self.terms is None else commit(salt, self.terms),
            **grantee,
        )


def read_consent(resource: Json, directory: Directory) -> tuple[Draft, ...]:
    """The consents that `resource`, a valid FHIR R4 Consent, amounts to; one for each grantee.

    A prohibition with permitting exceptions is a denial and one grant for each exception.

    Raises:
        ConsentNotActiveError: draft, rejected, inactive or entered in error.
        UnreadableConsentError: a privacy consent that this network cannot hold.
    """
    _check(resource)
    [root, *_] = [*objects(resource, "provision"), {}]
    if any("provision" in nested for nested in objects(root, "provision")):
        raise UnreadableConsentError("provision.provision.provision")
    effect = _effect(resource, root)
    reading = _Reading(ProvisionReader(directory), root, _days(resource, root, effect))
    return tuple(reading.grants() if effect == "permit" else reading.dissent())


def _check(resource: Json) -> None:
    if resource.get("resourceType") != "Consent":
        raise UnreadableConsentError("resourceType")
    for element in ("modifierExtension", "implicitRules"):  # whoever ignores these errs
        if element in resource:
            raise UnreadableConsentError(element)
    if resource.get("status") != "active":
        raise ConsentNotActiveError("status")
    scopes = [*objects(resource, "scope"), *objects(resource, "category")]
    if not any(code.endswith("|patient-privacy") for one in scopes for code in codings(one)):
        raise UnreadableConsentError("scope")
    if any(one.get("verified") is False for one in objects(resource, "verification")):
        raise UnreadableConsentError("verification")


def _effect(resource: Json, root: Json) -> Effect:
    """R4 leaves the root's type to the policy rule; IHE PCF puts it on the root."""
    policies = {
        code.rpartition("|")[2] for one in objects(resource, "policyRule") for code in codings(one)
    }
    if root.get("type") == "deny" or (not root.get("type") and "OPTOUT" in policies):
        return "deny"
    if root.get("type") == "permit" or (not root.get("type") and "OPTIN" in policies):
        return "permit"
    raise UnreadableConsentError("provision.type")


def _days(resource: Json, root: Json, effect: Effect) -> tuple[Day, Day | None]:
    """The whole UTC days it holds: those inside the period, or for a prohibition touching it."""
    [period, *_] = [*objects(root, "period"), {}]
    start, _ = span_of(period.get("start", resource.get("dateTime", "1970")))
    _, end = span_of(period.get("end"))
    if start is None or ("end" in period and end is None):
        raise UnreadableConsentError("provision.period")
    inside = effect == "permit"
    first = -(-start // DAY_S) if inside else start // DAY_S
    if end is None:
        return max(first, 0), None
    return max(first, 0), max(end // DAY_S if inside else -(-end // DAY_S), 0)


@dataclass(frozen=True)
class _Reading:
    """One consent as it is being read."""

    reader: ProvisionReader
    root: Json
    days: tuple[Day, Day | None]

    def grants(self) -> Iterator[Draft]:
        """A permission: a grant to each actor, or to those whom the patient chose."""
        parties = self.reader.parties(self.root, "permit", "provision")
        base = self.reader.provision(self.root, "permit", "provision")
        purposes = self.reader.purposes(self.root, "permit", "provision")
        actions = self.reader.actions(self.root, "permit", "provision")
        if parties is None:
            parties = list(self.reader.directory.recipients)
        for element, said in (("actor", parties), ("purpose", purposes), ("action", actions)):
            if not said:
                raise UnreadableConsentError(f"provision.{element}")
        if base is None:
            raise UnreadableConsentError("provision")
        for party in parties:
            exceptions = list(self._exceptions(purposes, party.member))
            permitted = [one.purposes for one in exceptions if one.effect == "permit"]
            beyond = {one for some in permitted for one in some if not includes(purposes, one)}
            limited = replace(base, purposes=purposes) if beyond else base
            every = (*purposes, *sorted(beyond))
            yield self._draft("grant", party, every, actions, limited, exceptions)

    def dissent(self) -> Iterator[Draft]:
        """A prohibition; what it excepts is not forbidden, and granted by a grant of its own."""
        base = self.reader.provision(self.root, "deny", "provision")
        purposes = self.reader.purposes(self.root, "deny", "provision")
        parties = self.reader.parties(self.root, "deny", "provision")
        if base is None:
            raise UnreadableConsentError("provision")
        for party in [None] if parties is None else parties:
            exceptions = list(self._exceptions((), None if party is None else party.member))
            yield self._draft("denial", party, purposes, (), base, exceptions)
        for nested in objects(self.root, "provision"):
            if nested.get("type") == "permit":
                yield from self._excepted(nested)

    def _excepted(self, nested: Json) -> Iterator[Draft]:
        path = "provision.provision"
        provision = self.reader.provision(nested, "permit", path)
        purposes = self.reader.purposes(nested, "permit", path)
        actions = self.reader.actions(nested, "permit", path)
        parties = self.reader.parties(nested, "permit", path)
        if provision is None or not purposes or not actions or "period" in nested:
            return
        for party in self.reader.directory.recipients if parties is None else parties:
            yield self._draft("grant", party, purposes, actions, provision, [])

    def _exceptions(
        self, purposes: tuple[Purpose, ...], member: MemberId | None
    ) -> Iterator[Provision]:
        """The nested provisions as far as they concern `member`; None is every member."""
        for nested in objects(self.root, "provision"):
            effect: Effect = "deny" if nested.get("type") == "deny" else "permit"
            found = self._exception(nested, effect, purposes, member)
            if found is not None:
                yield found

    def _exception(
        self, nested: Json, effect: Effect, purposes: tuple[Purpose, ...], member: MemberId | None
    ) -> Provision | None:
        path = "provision.provision"
        provision = self.reader.provision(nested, effect, path)
        parties = self.reader.parties(nested, effect, path)
        actions = self.reader.actions(nested, effect, path)
        if "period" in nested:
            self.reader.narrowed.append(f"{path}.period")
        unsayable = provision is None or not actions or "period" in nested
        if provision is None or (effect == "permit" and unsayable):
            return None
        who = () if parties is None else tuple(actors(parties, member, effect))
        if parties is not None and not who:
            return None
        why = self.reader.purposes(nested, effect, path) if "purpose" in nested else ()
        if "purpose" in nested and not why and effect == "permit":
            return None
        return replace(
            provision,
            purposes=why or (purposes if effect == "permit" else ()),
            actors=who,
            actions=() if actions == ALL_ACTIONS else actions,
        )

    def _draft(
        self,
        kind: Kind,
        party: Party | None,
        purposes: tuple[Purpose, ...],
        actions: tuple[Action, ...],
        base: Provision,
        exceptions: Sequence[Provision],
    ) -> Draft:
        terms = Terms(base=base, exceptions=tuple(exceptions))
        whole = Provision(effect=base.effect)
        return Draft(
            kind=kind,
            party=party,
            purposes=purposes,
            actions=actions,
            valid_from=self.days[0],
            valid_until=self.days[1],
            terms=None if terms == Terms(base=whole) else terms,
            narrowed=tuple(sorted(set(self.reader.narrowed))),
        )
