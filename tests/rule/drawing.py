"""Denials and callers, drawn for a population."""

import random
from dataclasses import replace

from careledger.mechanisms.purpose import Purpose
from careledger.mechanisms.terms import Action, Actor, Effect, Link, Period, Provision, Terms
from tests.exchange.world import DR_CHO, DR_FINN, LAKEVIEW
from tests.rule.oracle import ACTIONS, Denial, Grant, Reaching, Who, first_second
from tests.rule.population import (
    CATEGORIES,
    CATEGORY,
    CLINICAL,
    CODES,
    DATES,
    LABELS,
    LOINC,
    Population,
)

VITAL = f"{CATEGORY}|vital-signs"


def denials(chance: random.Random, population: Population, number: int) -> list[Denial]:
    """What the patients deny the organisation, and another one.

    The last of them denies it everything in one example, and something untold in the next; who is
    merged into somebody mostly denies something, and so does the other.
    """
    unknown = Terms(base=_provision(chance, population, "deny"))
    last = population.patients[-1]
    found = [Denial(last, None) if number % 2 else Denial(last, unknown, delivered=False)]
    joined = {*population.merged, *population.merged.values()}
    for local in population.patients:
        if local == last and local not in joined:
            continue
        several = chance.choice((1, 2) if local in joined else (0, 1, 1, 2))
        found += [_denial(chance, population, local) for _ in range(several)]
    if last in joined:
        found.pop(0)
    for local in population.patients:
        if chance.random() < 0.4:
            one = _denial(chance, population, local)
            found.append(replace(one, grantee=chance.choice((LAKEVIEW, None))))
    return found


def _denial(chance: random.Random, population: Population, local: str) -> Denial:
    role: str | None = chance.choice((None, None, None, "clinician", "registrar"))
    purposes: tuple[Purpose, ...] = chance.choice(((), (), (), ("TREAT",), ("HOPERAT",)))
    actions = _actions(chance) if chance.random() < 0.15 else ()
    if chance.random() < 0.15:
        return Denial(local, None, role=role, purposes=purposes, actions=actions)
    terms = _terms(chance, population, "deny")
    is_delivered = chance.random() < 0.9
    return Denial(local, terms, is_delivered, role, purposes, actions)


def _terms(chance: random.Random, population: Population, effect: Effect) -> Terms:
    base = _provision(chance, population, effect)
    exceptions = tuple(
        _provision(chance, population, chance.choice(("permit", "deny")))
        for _ in range(chance.choice((0, 0, 1, 2)))
    )
    return Terms(base=base, exceptions=exceptions)


def grants(chance: random.Random, population: Population) -> list[Grant]:
    """What one patient grants another organisation: one of them has it all but for exceptions."""
    whose = chance.choice((population.patients[0], chance.choice(population.patients)))
    some = Provision(effect="deny", types=tuple(chance.sample(CLINICAL, 2)))
    several = (
        None,
        Terms(base=Provision(effect="permit"), exceptions=(some,)),
        Terms(base=Provision(effect="permit", types=tuple(chance.sample(CLINICAL, 8)))),
        _terms(chance, population, "permit"),
    )
    actions = _actions(chance) if chance.random() < 0.25 else ACTIONS
    return [Grant(whose, LAKEVIEW, chance.choice(several), ("TREAT",), actions)]


def _actions(chance: random.Random) -> tuple[Action, ...]:
    return tuple(sorted(chance.sample(ACTIONS, chance.choice((1, 2))), key=ACTIONS.index))


def _provision(chance: random.Random, population: Population, effect: Effect) -> Provision:
    names = [name for name in population.names() if name.split("/")[0] in CLINICAL]
    encounters = [name for name in names if name.startswith("Encounter/")] or names
    parts = {
        "types": tuple(chance.sample(CLINICAL, chance.randint(1, 4))),
        "categories": (f"{CATEGORY}|{chance.choice(CATEGORIES)}",),
        "codes": (f"{LOINC}|{chance.choice(CODES)}",),
        "labels": tuple("|".join(one) for one in chance.sample(LABELS, 2)),
        "period": Period(start=first_second(chance.choice(DATES)), end=None),
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
        "actions": _actions(chance),
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


def callers(
    chance: random.Random, population: Population, granted: list[Grant], number: int
) -> list[Who]:
    """One of each kind, last the one who writes; the example's number says with which scopes."""
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
            name="registrar in an application",
            kind="staff",
            purpose=chance.choice(("TREAT", "HOPERAT", "HPAYMT")),
            scopes=(launched, both, launched, (Reaching("user", "*", "rs"),))[number % 4],
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
        _partner(chance, granted[0], number),
        Who(
            name="clinician",
            kind="practitioner",
            purpose="TREAT",
            scopes=((everything,), some)[turn % 2],
            practitioner=DR_FINN,
            role="clinician",
        ),
    ]


def _partner(chance: random.Random, granted: Grant, number: int) -> Who:
    scopes = (
        (Reaching("system", "*", "rs"),),
        (
            Reaching("system", "Patient", "rs"),
            Reaching("system", "Observation", "rs", "category", VITAL),
            Reaching("system", "Binary", "r"),
            Reaching("system", "DocumentReference", "s"),
        ),
    )
    is_named = chance.random() < 0.7
    return Who(
        name="partner",
        kind="partner",
        purpose=chance.choice(("TREAT", "TREAT", "COC")),
        scopes=scopes[number % 2],
        practitioner=DR_CHO if is_named else None,
        role="clinician" if is_named else None,
        requester=LAKEVIEW,
        grant=granted,
        actions=chance.choice((ACTIONS, ACTIONS, granted.actions)),
    )
