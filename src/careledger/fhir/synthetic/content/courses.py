"""Chronic illness and pregnancy: who has it, who sees them how often, what is done."""

from careledger.fhir.synthetic.content import conditions as c
from careledger.fhir.synthetic.content import measures as m
from careledger.fhir.synthetic.content import medications as d
from careledger.fhir.synthetic.content import procedures as p
from careledger.fhir.synthetic.content import specialties as s
from careledger.fhir.synthetic.content import visits as v
from careledger.fhir.synthetic.content.course import Course, Treatment

TYPE_2_DIABETES = Course(
    condition=c.TYPE_2_DIABETES,
    specialty=s.ENDOCRINOLOGY,
    ages=(34, 80),
    likelihood=0.13,
    complaint="thirst, tiredness and blurred vision over several weeks",
    plan="Metformin, home glucose log, diet review; HbA1c every three to six months.",
    after=(0, 30, 95),
    every=180,
    measures=(m.HBA1C, m.ALBUMIN_CREATININE),
    panels=(m.BASIC_METABOLIC, m.LIPIDS),
    treatments=(
        Treatment(d.METFORMIN_500, 0, 400),
        Treatment(d.METFORMIN_1000, 400),
        Treatment(d.EMPAGLIFLOZIN, 1100),
    ),
    procedures=((2, p.RECONCILIATION),),
)
HYPERTENSION = Course(
    condition=c.HYPERTENSION,
    specialty=s.INTERNAL,
    ages=(32, 90),
    likelihood=0.34,
    complaint="raised blood pressure found at a check-up, no chest pain",
    plan="Lisinopril, less salt, daily walking; recheck blood pressure and kidney function.",
    after=(0, 28),
    every=270,
    panels=(m.BASIC_METABOLIC,),
    treatments=(
        Treatment(d.LISINOPRIL_10, 0, 500),
        Treatment(d.LISINOPRIL_20, 500),
        Treatment(d.AMLODIPINE, 1200),
    ),
    procedures=((0, p.ELECTROCARDIOGRAM),),
)
HYPERLIPIDEMIA = Course(
    condition=c.HYPERLIPIDEMIA,
    specialty=s.INTERNAL,
    ages=(38, 85),
    likelihood=0.24,
    complaint="high cholesterol on a screening panel",
    plan="Simvastatin at night; repeat lipid panel in twelve weeks, then yearly.",
    after=(0, 84),
    every=365,
    panels=(m.LIPIDS,),
    treatments=(Treatment(d.SIMVASTATIN),),
)
ASTHMA = Course(
    condition=c.ASTHMA,
    specialty=s.PULMONOLOGY,
    ages=(4, 60),
    likelihood=0.09,
    complaint="cough at night and wheezing with exercise",
    plan="Inhaled steroid twice daily, rescue inhaler; inhaler technique checked.",
    after=(0, 42),
    every=240,
    measures=(m.PEAK_FLOW,),
    treatments=(Treatment(d.FLUTICASONE), Treatment(d.ALBUTEROL)),
    procedures=((0, p.SPIROMETRY), (3, p.SPIROMETRY)),
)
COPD = Course(
    condition=c.COPD,
    specialty=s.PULMONOLOGY,
    ages=(52, 88),
    likelihood=0.09,
    complaint="shortness of breath on stairs, productive cough in the morning",
    plan="Combination inhaler, smoking cessation, pneumococcal vaccine.",
    after=(0, 60),
    every=180,
    measures=(m.PEAK_FLOW,),
    treatments=(Treatment(d.FLUTICASONE_SALMETEROL), Treatment(d.ALBUTEROL)),
    procedures=((0, p.SPIROMETRY), (0, p.CHEST_XRAY)),
)
HEART_FAILURE = Course(
    condition=c.HEART_FAILURE,
    specialty=s.CARDIOLOGY,
    ages=(62, 92),
    likelihood=0.09,
    first=v.ADMISSION,
    complaint="swollen ankles and breathlessness lying flat",
    plan="Diuretic and beta blocker, daily weight, fluid limit; cardiology clinic.",
    after=(0, 10, 40),
    every=150,
    measures=(m.NATRIURETIC_PEPTIDE,),
    panels=(m.BASIC_METABOLIC,),
    treatments=(Treatment(d.FUROSEMIDE), Treatment(d.METOPROLOL), Treatment(d.LISINOPRIL_10, 8)),
    procedures=((0, p.ECHOCARDIOGRAPHY), (0, p.CHEST_XRAY)),
)
ATRIAL_FIBRILLATION = Course(
    condition=c.ATRIAL_FIBRILLATION,
    specialty=s.CARDIOLOGY,
    ages=(58, 92),
    likelihood=0.08,
    first=v.EMERGENCY_VISIT,
    complaint="palpitations and light-headedness since this morning",
    plan="Rate control and anticoagulation; bleeding risk discussed.",
    after=(0, 21),
    every=240,
    panels=(m.BASIC_METABOLIC,),
    treatments=(Treatment(d.APIXABAN), Treatment(d.METOPROLOL)),
    procedures=((0, p.ELECTROCARDIOGRAM), (1, p.ECHOCARDIOGRAPHY)),
)
HYPOTHYROIDISM = Course(
    condition=c.HYPOTHYROIDISM,
    specialty=s.ENDOCRINOLOGY,
    ages=(25, 80),
    likelihood=0.07,
    complaint="tiredness, feeling cold and weight gain",
    plan="Levothyroxine in the morning; repeat thyrotropin in eight weeks, then yearly.",
    after=(0, 56),
    every=365,
    measures=(m.THYROTROPIN,),
    treatments=(Treatment(d.LEVOTHYROXINE),),
)
OSTEOARTHRITIS = Course(
    condition=c.OSTEOARTHRITIS,
    specialty=s.ORTHOPEDICS,
    ages=(50, 88),
    likelihood=0.14,
    complaint="knee pain on walking and stiffness after rest",
    plan="Physical therapy, naproxen when needed; imaging if no better.",
    after=(0, 45),
    every=365,
    treatments=(Treatment(d.NAPROXEN, 0, 30),),
    procedures=((1, p.PHYSICAL_THERAPY), (2, p.PHYSICAL_THERAPY)),
)
REFLUX = Course(
    condition=c.REFLUX,
    specialty=s.INTERNAL,
    ages=(22, 80),
    likelihood=0.10,
    complaint="heartburn after meals and at night",
    plan="Omeprazole before breakfast, smaller evening meals.",
    after=(0,),
    every=365,
    treatments=(Treatment(d.OMEPRAZOLE),),
)
MIGRAINE = Course(
    condition=c.MIGRAINE,
    specialty=s.INTERNAL,
    ages=(14, 55),
    likelihood=0.08,
    complaint="one-sided throbbing headache with nausea, twice a month",
    plan="Sumatriptan at onset, headache diary.",
    after=(0, 60),
    every=365,
    treatments=(Treatment(d.SUMATRIPTAN),),
)
RHINITIS = Course(
    condition=c.RHINITIS,
    specialty=s.INTERNAL,
    ages=(6, 60),
    likelihood=0.11,
    complaint="sneezing and itching eyes every spring",
    plan="Loratadine through the season, avoid triggers.",
    after=(0,),
    every=365,
    treatments=(Treatment(d.LORATADINE),),
)
ANEMIA = Course(
    condition=c.ANEMIA,
    specialty=s.INTERNAL,
    ages=(16, 48),
    likelihood=0.10,
    sex="female",
    complaint="tiredness and shortness of breath on effort",
    plan="Oral iron for six months, repeat blood count.",
    after=(0, 60, 180),
    every=365,
    measures=(m.FERRITIN,),
    panels=(m.BLOOD_COUNT,),
    treatments=(Treatment(d.FERROUS_SULFATE, 0, 360),),
)
PREGNANCY = Course(
    condition=c.PREGNANCY,
    specialty=s.OBSTETRICS,
    ages=(20, 40),
    likelihood=0.045,
    sex="female",
    first=v.PRENATAL,
    later=v.PRENATAL,
    complaint="missed period, positive test at home",
    plan="Prenatal vitamins and iron; visits every four weeks, then every two.",
    after=(20, 56, 84, 112, 140, 168, 196, 224, 245, 266, 308),
    lasts=268,
    panels=(),
    measures=(),
    treatments=(Treatment(d.FERROUS_SULFATE, 20, 268),),
    procedures=(
        (0, p.PREGNANCY_TEST), (1, p.ULTRASOUND), (4, p.ULTRASOUND), (2, p.FETAL_HEART),
        (3, p.FETAL_HEART), (5, p.FETAL_HEART), (7, p.FETAL_HEART), (9, p.CHILDBIRTH),
    ),
)  # fmt: skip

CHRONIC = (
    HYPERTENSION, TYPE_2_DIABETES, HYPERLIPIDEMIA, ASTHMA, COPD, HEART_FAILURE,
    ATRIAL_FIBRILLATION, HYPOTHYROIDISM, OSTEOARTHRITIS, REFLUX, MIGRAINE, RHINITIS, ANEMIA,
)  # fmt: skip
