"""Vaccines by CVX code, and the ages at which they are due."""

from dataclasses import dataclass

from careledger.fhir.synthetic.content.code import Code, cvx


@dataclass(frozen=True, slots=True)
class Vaccine:
    code: Code
    due_months: tuple[int, ...]  # age at each dose; empty: not tied to an age
    price_cents: int = 6500
    lot_prefix: str = "L"


INFLUENZA = Vaccine(
    cvx("140", "Influenza, seasonal, injectable, preservative free"), (), 3800, "FL"
)
COVID_19 = Vaccine(cvx("309", "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose"), (), 13500, "CV")

SCHEDULE = (
    Vaccine(cvx("08", "Hep B, adolescent or pediatric"), (0, 1, 6), 2700, "HB"),
    Vaccine(cvx("119", "rotavirus, monovalent"), (2, 4), 13900, "RV"),
    Vaccine(cvx("20", "DTaP"), (2, 4, 6, 15, 48), 3400, "DT"),
    Vaccine(cvx("49", "Hib (PRP-OMP)"), (2, 4, 12), 3100, "HI"),
    Vaccine(cvx("133", "Pneumococcal conjugate PCV 13"), (2, 4, 6, 12), 21900, "PC"),
    Vaccine(cvx("10", "IPV"), (2, 4, 6, 48), 3900, "IP"),
    Vaccine(cvx("03", "MMR"), (12, 48), 8400, "MM"),
    Vaccine(cvx("21", "varicella"), (12, 48), 14700, "VA"),
    Vaccine(cvx("83", "Hep A, ped/adol, 2 dose"), (12, 18), 3600, "HA"),
    Vaccine(cvx("115", "Tdap"), (132,), 4600, "TD"),
    Vaccine(cvx("62", "HPV, quadrivalent"), (132, 144), 24900, "HP"),
    Vaccine(cvx("114", "meningococcal MCV4P"), (132, 192), 13200, "MC"),
    Vaccine(cvx("113", "Td (adult) preservative free"), (252, 372, 492, 612, 732, 852, 972)),
    Vaccine(cvx("187", "zoster recombinant"), (600, 612), 18600, "ZO"),
    Vaccine(cvx("216", "Pneumococcal conjugate vaccine 20-valent"), (780,), 26800, "PN"),
)
