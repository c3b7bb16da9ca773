"""Episodes: acute illness and injury, each over within weeks."""

from careledger.fhir.synthetic.content import conditions as c
from careledger.fhir.synthetic.content import measures as m
from careledger.fhir.synthetic.content import medications as d
from careledger.fhir.synthetic.content import procedures as p
from careledger.fhir.synthetic.content import specialties as s
from careledger.fhir.synthetic.content import visits as v
from careledger.fhir.synthetic.content.course import Course, Treatment
from careledger.fhir.synthetic.content.courses import PREGNANCY
from careledger.fhir.synthetic.content.sensitive import PARTNER_ABUSE

ANKLE_SPRAIN = Course(
    condition=c.ANKLE_SPRAIN,
    specialty=s.EMERGENCY,
    ages=(8, 70),
    likelihood=0.035,
    first=v.EMERGENCY_VISIT,
    lasts=24,
    complaint="twisted ankle on a kerb, swollen, can bear weight",
    plan="Rest, ice, compression, elevation; ibuprofen.",
    measures=(m.PAIN,),
    treatments=(Treatment(d.IBUPROFEN),),
    procedures=((0, p.ANKLE_XRAY),),
)
FOREARM_FRACTURE = Course(
    condition=c.FOREARM_FRACTURE,
    specialty=s.ORTHOPEDICS,
    ages=(4, 85),
    likelihood=0.02,
    first=v.EMERGENCY_VISIT,
    after=(0, 12, 42),
    lasts=62,
    complaint="fell on an outstretched hand, forearm painful and swollen",
    plan="Cast for six weeks, acetaminophen; fracture clinic.",
    measures=(m.PAIN,),
    treatments=(Treatment(d.ACETAMINOPHEN),),
    procedures=((0, p.IMMOBILIZATION), (2, p.PHYSICAL_THERAPY)),
)
LACERATION = Course(
    condition=c.LACERATION,
    specialty=s.EMERGENCY,
    ages=(3, 80),
    likelihood=0.03,
    first=v.EMERGENCY_VISIT,
    after=(0, 10),
    lasts=16,
    complaint="cut on the forearm from broken glass",
    plan="Cleaned and sutured; stitches out in ten days.",
    measures=(m.PAIN,),
    procedures=((0, p.SUTURE),),
)
CONCUSSION = Course(
    condition=c.CONCUSSION,
    specialty=s.EMERGENCY,
    ages=(8, 60),
    likelihood=0.012,
    first=v.EMERGENCY_VISIT,
    after=(0, 9),
    lasts=30,
    complaint="hit the head at sport, headache, no loss of consciousness",
    plan="Rest from sport and screens; return if drowsy or vomiting.",
    measures=(m.PAIN,),
    treatments=(Treatment(d.ACETAMINOPHEN),),
)
BRONCHITIS = Course(
    condition=c.BRONCHITIS,
    specialty=s.INTERNAL,
    ages=(3, 90),
    likelihood=0.09,
    first=v.SYMPTOM,
    lasts=15,
    complaint="cough with sputum for a week",
    plan="Fluids and rest; return if breathless.",
    treatments=(Treatment(d.ACETAMINOPHEN),),
)
SINUSITIS = Course(
    condition=c.SINUSITIS,
    specialty=s.INTERNAL,
    ages=(6, 80),
    likelihood=0.13,
    first=v.SYMPTOM,
    lasts=14,
    complaint="blocked nose and pressure over the cheeks",
    plan="Saline rinse, ibuprofen when needed.",
    measures=(m.PAIN,),
    treatments=(Treatment(d.IBUPROFEN),),
)
STREP_THROAT = Course(
    condition=c.STREP_THROAT,
    specialty=s.INTERNAL,
    ages=(4, 30),
    likelihood=0.08,
    first=v.SYMPTOM,
    lasts=10,
    complaint="sore throat and fever for two days",
    plan="Penicillin for ten days.",
    findings=((m.STREP, 1.0),),
    treatments=(Treatment(d.PENICILLIN),),
)
OTITIS_MEDIA = Course(
    condition=c.OTITIS_MEDIA,
    specialty=s.PEDIATRICS,
    ages=(0, 9),
    likelihood=0.3,
    first=v.SYMPTOM,
    lasts=12,
    complaint="ear pain and fever, pulling at the ear",
    plan="Amoxicillin for ten days; recheck if fever stays.",
    treatments=(Treatment(d.AMOXICILLIN),),
)
CYSTITIS = Course(
    condition=c.CYSTITIS,
    specialty=s.INTERNAL,
    ages=(17, 85),
    likelihood=0.08,
    sex="female",
    first=v.SYMPTOM,
    lasts=9,
    complaint="burning on passing urine and urgency since yesterday",
    plan="Nitrofurantoin for five days.",
    treatments=(Treatment(d.NITROFURANTOIN),),
)
COVID_19 = Course(
    condition=c.COVID_19,
    specialty=s.INTERNAL,
    ages=(2, 90),
    likelihood=0.08,
    first=v.SYMPTOM,
    lasts=16,
    complaint="fever, cough and loss of taste",
    plan="Isolation, fluids; watch oxygen saturation at home.",
    findings=((m.SARS_COV_2, 1.0),),
    treatments=(Treatment(d.ACETAMINOPHEN),),
)

ACUTE = (
    ANKLE_SPRAIN, FOREARM_FRACTURE, LACERATION, CONCUSSION, BRONCHITIS, SINUSITIS, STREP_THROAT,
    OTITIS_MEDIA, CYSTITIS, COVID_19, PREGNANCY, PARTNER_ABUSE,
)  # fmt: skip
