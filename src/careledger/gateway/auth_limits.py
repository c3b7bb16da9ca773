"""Which resources a token reaches, before consent is asked: scopes, restrictions, one patient.

A resource outside these limits does not exist for whoever asks, like one that consent withholds.
"""

from dataclasses import dataclass

from careledger.exchange.limits import Interaction, Limits
from careledger.fhir.index import Facts
from careledger.gateway.auth_restrictions import is_within
from careledger.gateway.auth_scopes import Scope, Scopes
from careledger.vault.deposit import DIRECTORY_TYPES


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """What one token reaches."""

    scopes: Scopes
    patient: str | None
    """Local id of the patient of the launch, to whom scopes `patient/` are confined."""
    is_own: bool = False
    """Whether the caller is a patient, whose reach is their own record in any case."""

    @property
    def confined_to(self) -> str | None:
        """The one patient whose records (and the directory) all of the scopes are about."""
        contexts = {scope.context for scope in self.scopes.granted}
        return self.patient if contexts <= {"patient"} else None

    @property
    def limits(self) -> Limits:
        """The same, as the exchange asks it."""
        return Limits(self.confined_to, self.visible)

    def visible(self, facts: Facts, interaction: Interaction) -> bool:
        """Whether this resource is within the limits for `interaction`."""
        return any(
            scope.covers(facts.type, interaction)
            and self._is_about(scope, facts)
            and is_within(facts, scope.restriction)
            for scope in self.scopes.granted
        )

    def _is_about(self, scope: Scope, facts: Facts) -> bool:
        if scope.context != "patient" or self.is_own:
            return True
        if facts.type in DIRECTORY_TYPES and not facts.patients:
            return True
        return self.patient is not None and self.patient in facts.patients
