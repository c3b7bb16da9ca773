"""Denials and callers, drawn for a population."""

import random

from careledger.mechanisms.purpose import Purpose
from careledger.mechanisms.terms import Actor, Link, Period, Provision, Terms
from tests.exchange.world import DR_FINN
from tests.rule.oracle import Denial, Reaching, Who, _first
from tests.rule.population import (
    CATEGORIES,
    CATEGORY,
    CLINICAL,
    CODES,
    CONFIDENTIALITY,
    DATES,
    LABELS,
    LOINC,
    SENSITIVITY,
    Population,
)

VITAL = f"{CATEGORY}|vital-signs"


def denials(chance: random.Random, population: Population, number: int) -> list[Denial]:
    """What the patients deny the organisation.

    The last of them denies it everything in one example, and something untold in the next.
    """
    unknown = Terms(base=_provision(chance, population, "deny"))
    last = population.patients[-1]
    found = [Denial(last, None) if number % 2 else Denial(last, unknown, delivered=False)]
    for local in population.patients[:-1]:
        several = range(chance.choice((1, 2)) if local == "p0" else chance.choice((0, 1, 1, 2)))
        found += [_denial(chance, population, local) for _ in several]
    return found


def _denial(chance: random.Random, population: Population, local: str) -> Denial:
    role: str | None = chance.choice((None, None, None, "clinician", "registrar"))
    purposes: tuple[Purpose, ...] = chance.choice(((), (), (), ("TREAT",), ("HOPERAT",)))
    if chance.random() < 0.15:
        return Denial(local, None, role=role, purposes=purposes)
    base = _provision(chance, population, "deny")
    exceptions = tuple(
        _provision(chance, population, chance.choice(("permit", "deny")))
        for _ in range(chance.choice((0, 0, 1, 2)))
    )
    is_delivered = chance.random() < 0.9
    return Denial(local, Terms(base=base, exceptions=exceptions), is_delivered, role, purposes)


def _provision(chance: random.Random, population: Population, effect: str) -> Provision:
    names = [name for name in population.names() if name.split("/")[0] in CLINICAL]
    encounters = [name for name in names if name.startswith("Encounter/")] or names
    parts = {
        "types": tuple(chance.sample(CLINICAL, chance.randint(1, 4))),
        "categories": (f"{CATEGORY}|{chance.choice(CATEGORIES)}",),
        "codes": (f"{LOINC}|{chance.choice(CODES)}",),
        "labels": tuple("|".join(one) for one in chance.sample(LABELS, 2)),
        "period": Period(start=_first(chance.choice(DATES)), end=None),
        "links": chance.choice(
            (
                tuple(
                    Link(meaning="instance", reference=one)
                    for one in chance.sample(names, min(len(names), 4))
                ),
                (Link(meaning="related", reference=chance.choice(encounters)),),
                (Link(meaning="authored-by", reference="Practitioner/gray"),),
            )
        ),
        "actors": (
            chance.choice(
                (
                    Actor(kind="role", id="clinician"),
                    Actor(kind="member", id="riverside"),
                    Actor(kind="practitioner", id=DR_FINN),
                )
            ),
        ),
    }
    chosen = chance.sample(sorted(parts), chance.choice((1, 1, 2)))
    return Provision(effect=effect, **{name: parts[name] for name in chosen})  # type: ignore[arg-type] # each under its own name


def _labels() -> tuple[str, ...]:
    return (f"{CONFIDENTIALITY}|R", f"{SENSITIVITY}|HIV")


def callers(chance: random.Random, population: Population, number: int) -> list[Who]:
    """One of each kind; which scopes they have is told by the example's number."""
    turn = number % 6
    everything = Reaching("system", "*", "cruds")
    some = (
        Reaching("system", "Observation", "rs", "category", VITAL),
        Reaching("system", "Patient", "rs"),
        Reaching("system", "Condition", "rs", "code", f"{LOINC}|{CODES[0]}"),
        Reaching("system", "DiagnosticReport", "s"),
        Reaching("system", "MedicationRequest", "rs"),
        Reaching("system", "Encounter", "r"),
        Reaching("system", "Practitioner", "rs"),
    )
    launched = (Reaching("patient", "*", "rs"),)
    both = (
        Reaching("patient", "*", "rs"),
        Reaching("user", "Observation", "rs", "category", VITAL),
        Reaching("user", "Appointment", "rs"),
    )
    here = chance.choice(population.patients)
    return [
        Who(
            name="clinician",
            kind="practitioner",
            purpose="TREAT",
            scopes=((everything,), some)[turn % 2],
            practitioner=DR_FINN,
            role="clinician",
        ),
        Who(
            name="registrar in an application",
            kind="staff",
            purpose=chance.choice(("TREAT", "HOPERAT", "HPAYMT")),
            scopes=(both, launched, (Reaching("user", "*", "rs"),))[turn % 3],
            role="registrar",
            patient=here,
        ),
        Who(
            name="patient",
            kind="patient",
            purpose="PATRQT",
            scopes=(launched, (Reaching("patient", "Observation", "rs"),))[turn % 2],
            own=chance.choice(population.patients),
        ),
        Who(
            name="own system",
            kind="member",
            purpose=chance.choice(("HOPERAT", "TREAT", "HPAYMT", "HRESCH")),
            scopes=(some, (everything,))[turn % 2],
        ),
    ]
