"""Which patients of one vault are the same person."""

from collections.abc import Iterable

from careledger.vault.objects import PatientRef
from careledger.vault.patients import Owner, Patients
from careledger.vault.rows import Rows


class Families:
    """Who is one person with whom: read once, until something changes. Under the vault's lock."""

    def __init__(self, rows: Rows, patients: Patients) -> None:
        """Read `rows`, those of keys.sqlite."""
        self._rows, self._patients = rows, patients
        self._all: list[list[Owner]] | None = None

    def forget(self) -> None:
        """Read again when asked next: patients came, went, or were merged."""
        self._all = None

    def joined(self) -> frozenset[PatientRef]:
        """Whoever is merged into somebody, or somebody into them."""
        return self._patients.joined()

    def of(self, ref: PatientRef) -> list[Owner]:
        """Whose records are a patient's: their own, then those of whoever is merged into them."""
        if ref not in self.joined():
            return [Owner(ref, (self._patients.patient(ref).account,))]
        owners: Iterable[Owner | None] = map(
            self._patients.owner, (one.ref for one in self._patients.family(ref))
        )
        return [owner for owner in owners if owner is not None]

    def all(self) -> list[list[Owner]]:
        """Everybody, with those who are one person together: first who is merged into nobody."""
        if self._all is None:
            roots = self._rows.read(
                "SELECT patient FROM patients WHERE merged_into IS NULL ORDER BY patient"
            )
            self._all = [self.of(PatientRef(bytes(row))) for (row,) in roots]
        return self._all
