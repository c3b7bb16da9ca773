"""How conditions move measurements: at onset, and where treatment brings them."""

from dataclasses import dataclass

from careledger.fhir.synthetic.content import conditions as c
from careledger.fhir.synthetic.content import measures as m


@dataclass(frozen=True, slots=True)
class Trend:
    """A shift that begins at `onset` and nears `treated`; half the way takes `half_days`.

    A steep one keeps an eighth where another keeps a half, as a virus does under treatment.
    """

    onset: float
    treated: float
    half_days: int = 180
    steep: bool = False

    def shift(self, days: int) -> float:
        """Return the shift so many days after the onset of the condition."""
        left = self.half_days / (self.half_days + max(days, 0))
        if self.steep:
            left = left * left * left  # not **, which the C library may round its own way
        return self.treated + (self.onset - self.treated) * left


TRENDS: dict[c.Condition, dict[m.Measure, Trend]] = {
    c.TYPE_2_DIABETES: {
        m.HBA1C: Trend(3.6, 1.3, 260),
        m.GLUCOSE: Trend(92, 34, 260),
        m.BMI: Trend(5.5, 3.4, 900),
        m.TRIGLYCERIDES: Trend(64, 30),
        m.ALBUMIN_CREATININE: Trend(14, 42, 1500),
        m.FILTRATION: Trend(0, -16, 2500),
    },
    c.HYPERTENSION: {m.SYSTOLIC: Trend(33, 11, 120), m.DIASTOLIC: Trend(17, 6, 120)},
    c.HYPERLIPIDEMIA: {m.LDL: Trend(66, -4, 90), m.TRIGLYCERIDES: Trend(48, 18, 120)},
    c.ASTHMA: {m.PEAK_FLOW: Trend(-130, -45, 120), m.OXYGEN: Trend(-2, -0.4, 60)},
    c.COPD: {
        m.PEAK_FLOW: Trend(-170, -215, 1200),
        m.OXYGEN: Trend(-3.5, -4.5, 1200),
        m.RESPIRATION: Trend(3, 4, 900),
    },
    c.HEART_FAILURE: {
        m.NATRIURETIC_PEPTIDE: Trend(2900, 850, 150),
        m.HEART_RATE: Trend(16, 3, 90),
        m.OXYGEN: Trend(-3, -1.5, 120),
        m.FILTRATION: Trend(-8, -22, 1200),
    },
    c.ATRIAL_FIBRILLATION: {m.HEART_RATE: Trend(32, 6, 60)},
    c.HYPOTHYROIDISM: {m.THYROTROPIN: Trend(9.4, 0.8, 70), m.BMI: Trend(2.4, 0.8, 300)},
    c.ANEMIA: {
        m.HEMOGLOBIN: Trend(-3.9, -0.3, 70),
        m.FERRITIN: Trend(-74, -12, 110),
        m.HEART_RATE: Trend(8, 0, 60),
    },
    c.DEPRESSION: {m.PHQ_9: Trend(15, 3.5, 130), m.GAD_7: Trend(6, 2, 130)},
    c.ANXIETY: {m.GAD_7: Trend(12, 3.5, 140), m.HEART_RATE: Trend(6, 2, 100)},
    c.OPIOID_USE: {m.PHQ_9: Trend(8, 3, 200), m.BMI: Trend(-3, -0.5, 300)},
    c.HIV_INFECTION: {m.HIV_LOAD: Trend(64000, 0, 12, steep=True), m.CD4: Trend(-560, -140, 240)},
    c.PARTNER_ABUSE: {m.PHQ_9: Trend(9, 3, 150), m.GAD_7: Trend(9, 3, 150)},
    c.PREGNANCY: {
        m.BMI: Trend(0.3, 4.6, 160),
        m.HEART_RATE: Trend(6, 12, 90),
        m.HEMOGLOBIN: Trend(-0.3, -1.5, 120),
    },
    c.OSTEOARTHRITIS: {m.PAIN: Trend(5, 3, 300), m.BMI: Trend(2, 2)},
    c.MIGRAINE: {m.PAIN: Trend(6, 2, 200)},
    c.ANKLE_SPRAIN: {m.PAIN: Trend(6, 0, 6)},
    c.FOREARM_FRACTURE: {m.PAIN: Trend(8, 0, 9), m.HEART_RATE: Trend(14, 0, 3)},
    c.LACERATION: {m.PAIN: Trend(5, 0, 3)},
    c.CONCUSSION: {m.PAIN: Trend(5, 0, 5)},
    c.BRONCHITIS: {m.TEMPERATURE: Trend(1.1, 0, 2), m.OXYGEN: Trend(-2, 0, 4)},
    c.SINUSITIS: {m.TEMPERATURE: Trend(0.7, 0, 2), m.PAIN: Trend(3, 0, 3)},
    c.STREP_THROAT: {m.TEMPERATURE: Trend(1.9, 0, 1), m.PAIN: Trend(5, 0, 2)},
    c.OTITIS_MEDIA: {m.TEMPERATURE: Trend(1.6, 0, 2), m.PAIN: Trend(5, 0, 2)},
    c.CYSTITIS: {m.PAIN: Trend(4, 0, 2), m.TEMPERATURE: Trend(0.4, 0, 2)},
    c.COVID_19: {
        m.TEMPERATURE: Trend(1.7, 0, 2),
        m.OXYGEN: Trend(-3, 0, 5),
        m.RESPIRATION: Trend(4, 0, 4),
    },
}

# Children: (age in years, value), straight lines between.
Growth = tuple[tuple[float, float], ...]
GROWTH: dict[m.Measure, Growth] = {
    m.HEIGHT: (
        (0, 50), (0.5, 67), (1, 75.5), (2, 87), (3, 95.5), (4, 102.5), (6, 115.5), (8, 128),
        (10, 138.5), (12, 149.5), (14, 161), (16, 167), (18, 169),
    ),
    m.BMI: (
        (0, 13.4), (0.5, 17.2), (1, 16.8), (2, 16.4), (4, 15.6), (6, 15.4), (8, 15.9), (10, 16.7),
        (12, 17.9), (14, 19.4), (16, 20.8), (18, 22.3), (30, 25.8),
    ),
    m.SYSTOLIC: (
        (0, 78), (1, 88), (3, 94), (6, 99), (10, 104), (14, 110), (18, 116), (40, 117), (80, 128),
    ),
    m.DIASTOLIC: (
        (0, 45), (1, 50), (3, 55), (6, 60), (10, 64), (14, 68), (18, 73), (40, 76), (80, 74),
    ),
    m.HEART_RATE: ((0, 132), (1, 116), (3, 102), (6, 92), (10, 84), (14, 77), (18, 72)),
    m.RESPIRATION: ((0, 38), (1, 28), (3, 24), (6, 21), (10, 18), (14, 16), (18, 15)),
    m.PEAK_FLOW: ((4, 110), (8, 220), (12, 320), (16, 410), (18, 450), (45, 460), (85, 330)),
    m.HEMOGLOBIN: ((0, 16), (0.3, 11.2), (2, 12), (8, 12.9), (14, 13.7), (18, 14.1)),
    m.FILTRATION: ((0, 100), (20, 122), (40, 104), (60, 88), (80, 68), (95, 55)),
    m.HBA1C: ((0, 5.1), (30, 5.2), (80, 5.6)),
}  # fmt: skip
