"""A chart: what one organisation holds about one person, and the ids it gives there."""

from dataclasses import dataclass

from careledger.fhir.synthetic.content.labels import Labels
from careledger.fhir.synthetic.directory import Organisation
from careledger.fhir.synthetic.identity import derived_uuid, number
from careledger.fhir.synthetic.life import Life
from careledger.fhir.synthetic.render.element import Element, meta, reference


@dataclass(frozen=True, slots=True)
class Chart:
    """Names resources by what they are about; the same person elsewhere has other ids."""

    organisation: Organisation
    life: Life

    def id(self, kind: str, *names: str | int) -> str:
        life = self.life
        return derived_uuid(life.seed, self.organisation.id, life.person.number, kind, *names)

    def url(self, kind: str, *names: str | int) -> str:
        return f"urn:uuid:{self.id(kind, *names)}"

    def record_number(self, digits: int, what: str) -> str:
        life = self.life
        return number(digits, what, life.seed, self.organisation.id, life.person.number)

    @property
    def patient(self) -> Element:
        return reference(self.url("Patient"), self.life.person.name)

    def resource(
        self, kind: str, names: tuple[str | int, ...], fields: Element, labels: Labels = ()
    ) -> Element:
        """Return a resource with its id, and its labels where it is sensitive."""
        head: Element = {"resourceType": kind, "id": self.id(kind, *names)}
        if labels:
            head["meta"] = meta(labels)
        return head | fields
