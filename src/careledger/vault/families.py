"""Which patients of one vault are the same person."""

from collections.abc import Iterable

from careledger.vault.objects import PatientRef
from careledger.vault.patients import Owner, Patients
from careledger.vault.rows import Rows


def families(rows: Rows, patients: Patients) -> list[list[Owner]]:
    """Everybody, with those who are one person together: first who is merged into nobody."""
    roots = rows.read("SELECT patient FROM patients WHERE merged_into IS NULL ORDER BY patient")
    merged = rows.read("SELECT DISTINCT merged_into FROM patients WHERE merged_into IS NOT NULL")
    parents = {bytes(ref) for (ref,) in merged}
    found = list[list[Owner]]()
    for (row,) in roots:
        patient = patients.patient(PatientRef(bytes(row)))
        if patient.ref in parents:
            found.append(family(patients, patient.ref))
        else:
            found.append([Owner(patient.ref, (patient.account,))])
    return found


def family(patients: Patients, ref: PatientRef) -> list[Owner]:
    """Whose records are a patient's: their own, then those of whoever is merged into them."""
    owners: Iterable[Owner | None] = (patients.owner(one.ref) for one in patients.family(ref))
    return [owner for owner in owners if owner is not None]
