"""On what a custodian answers: the grounds of a disclosure, as the command states them."""

from careledger.ledger.record import Hash, Record
from careledger.ledger.statement import StatementBytes, check_sizes
from careledger.mechanisms.envelope import ConsentId


class GrantBasis(Record, tag="grant"):
    """The patient allowed it."""

    consent_id: ConsentId


class BreakGlassBasis(Record, tag="break-glass"):
    """A practitioner signed for an emergency; `mechanisms.emergency` has the statement."""

    statement: StatementBytes

    def __post_init__(self) -> None:
        check_sizes(self.statement)


class OwnAccessBasis(Record, tag="own-access"):
    """The patient asked for their own records."""


class NetworkPolicyBasis(Record, tag="network-policy"):
    """A voted policy; not before this network can vote on one."""

    policy: Hash


class RequiredByLawBasis(Record, tag="required-by-law"):
    """A law demands it; not before this network can record which."""

    citation: Hash


Basis = GrantBasis | BreakGlassBasis | OwnAccessBasis | NetworkPolicyBasis | RequiredByLawBasis
