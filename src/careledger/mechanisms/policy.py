"""Policy decision: what is asked (`Use`), and the two answers there are (`Permit`, `Denied`).

A `Permit` is the right to open data once. The vault opens with nothing else, so forgetting to
decide does not type-check. It comes out of a decision and nowhere else: `conflict.resolve` for
grants, `emergency.break_glass`, `workforce.workforce`, and `own_access` below. The constructor
asks for a token that only this module holds, and `decided`, which holds it open to those
decisions, is called by no other module (tests/mechanisms/test_policy.py looks).
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from careledger.ledger.record import AccountName, Instant, MemberName, Record
from careledger.mechanisms.purpose import Purpose
from careledger.mechanisms.terms import WHOLE_RECORD, Action, Facts, Provision, Terms

Role = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z-]{1,31}\\Z")]
"""What a person is inside the organisation that vouches: clinician, nurse, pharmacist, ..."""

Dimension = Literal[
    "custodian",
    "grantee",
    "person",
    "role",
    "purpose",
    "action",
    "validity",
    "status",
    "terms",
    "denial",
    "consent",
]
"""Where a use fell outside. The first eight are envelope dimensions, in the order in which they
are reported; "terms" is anything that is off the ledger; "denial" is a denial by the patient;
"consent" means that there is none at all."""

Rule = Literal[
    "own-access",
    "workforce",
    "break-glass",
    "grant",
    "terms-missing",
    "denial",
    "terms",
    "envelope",
    "no-consent",
]
"""Which paragraph of spec/consent-decision.md answered."""

BasisName = Literal[
    "grant", "break-glass", "network-policy", "required-by-law", "own-access", "workforce"
]

PERMIT_S: Final = 30
"""Longest life of a permit, in seconds: no gateway decides on state older than this either."""


class Use(Record):
    """What `requester` wants to do with the records that `custodian` holds of `account`."""

    custodian: MemberName
    account: AccountName
    """The patient, as the custodian's pairwise account."""
    requester: MemberName
    purpose: Purpose
    action: Action
    time: Instant
    practitioner: AccountName | None = None
    role: Role | None = None


class Basis(Record):
    """The one reason why a permit was given."""

    name: BasisName
    id: Annotated[bytes, msgspec.Meta(max_length=32)] = b""
    """The consent id (16 bytes), the emergency statement's id (32 bytes), else empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Obligation:
    """What whoever opens the data must still do, resource by resource; `Permit.covers` does it."""

    duty: Literal["withhold", "only"]
    """Withhold what `provision` describes, or release only that."""
    provision: Provision


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether one resource may be opened; if not, why, for the patient's eyes only."""

    allowed: bool
    rule: Rule


_WITHHELD_BY_DENIAL: Final = Verdict(allowed=False, rule="denial")
_WITHHELD_BY_TERMS: Final = Verdict(allowed=False, rule="terms")
_OPENED: Final[dict[Rule, Verdict]] = {
    "grant": Verdict(allowed=True, rule="grant"),
    "break-glass": Verdict(allowed=True, rule="break-glass"),
    "own-access": Verdict(allowed=True, rule="own-access"),
    "workforce": Verdict(allowed=True, rule="workforce"),
}


class ForgedPermitError(TypeError):
    """Somebody tried to make a permit without a decision."""


_TOKEN: Final = object()


class Permit(msgspec.Struct, frozen=True, kw_only=True):
    """The right to open data once, for `use`, on exactly one basis, until `expires`."""

    use: Use
    basis: Basis
    rule: Rule
    expires: Instant
    """First second at which the permit is worth nothing."""
    _grant: Terms | None
    """None opens everything: the patient's own access, and break-glass."""
    _denials: tuple[Terms, ...]
    _token: object

    def __post_init__(self) -> None:
        """Refuse to exist without a decision."""
        if self._token is not _TOKEN:
            raise ForgedPermitError

    def covers(self, facts: Facts) -> Verdict:
        """Whether this permit opens the resource that `facts` describe."""
        if self._grant is None:
            return _OPENED[self.rule]
        for denial in self._denials:
            if denial.covers(facts, self.use):
                return _WITHHELD_BY_DENIAL
        if self._grant.covers(facts, self.use):
            return _OPENED[self.rule]
        return _WITHHELD_BY_TERMS

    @property
    def is_unlimited(self) -> bool:
        """Whether it opens every resource, whatever its facts; then nobody need find them out."""
        return self._grant is None or (self._grant is WHOLE_RECORD and not self._denials)

    @property
    def obligations(self) -> tuple[Obligation, ...]:
        """What `covers` will do, for whoever wants to say it: an empty tuple is everything."""
        if self._grant is None:
            return ()
        base, *exceptions = self._grant.base, *self._grant.exceptions
        speaking = [one for one in exceptions if one.concerns(self.use)]
        only = [one for one in (base, *speaking) if one.effect == "permit"]
        if any(one.is_about_all() for one in only if one.concerns(self.use)):
            only = []
        withheld = [one for one in speaking if one.effect == "deny"]
        withheld += [denial.base for denial in self._denials]
        return (
            *(Obligation(duty="only", provision=one) for one in only if one.concerns(self.use)),
            *(Obligation(duty="withhold", provision=one) for one in withheld),
        )

    def is_live(self, time: Instant) -> bool:
        """Whether the permit may be used at `time`: not before it was decided, not after."""
        return self.use.time <= time < self.expires


@dataclass(frozen=True, kw_only=True, slots=True)
class Denied:
    """No. What the requester and the ledger may know of it; `queries.explain` tells the patient."""

    use: Use
    dimensions: tuple[Dimension, ...]
    rule: Rule


def decided(
    use: Use,
    basis: Basis,
    rule: Rule,
    *,
    until: Instant | None,
    grant: Terms | None = None,
    denials: tuple[Terms, ...] = (),
) -> Permit:
    """The permit that a decision came to; for the decisions in this room and for nobody else."""
    expires = use.time + PERMIT_S
    return Permit(
        use=use,
        basis=basis,
        rule=rule,
        expires=expires if until is None else min(expires, until),
        _grant=grant,
        _denials=denials,
        _token=_TOKEN,
    )


def own_access(use: Use, signer: str) -> Permit | Denied:
    """Decide a patient's access to her own records: `signer` is the account that signed.

    45 CFR 164.524. Every resource is covered; a request made under another account, for another
    purpose or by way of another organisation than the custodian is not hers.
    """
    failing: list[Dimension] = []
    if use.requester != use.custodian:
        failing.append("grantee")
    if signer != use.account or use.practitioner is not None:
        failing.append("person")
    if use.purpose != "PATRQT":
        failing.append("purpose")
    if failing:
        return Denied(use=use, dimensions=tuple(failing), rule="own-access")
    return decided(use, Basis(name="own-access"), "own-access", until=None)
