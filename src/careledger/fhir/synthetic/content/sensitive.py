"""Courses that carry sensitivity labels: psychiatry, substance use, HIV, abuse at home."""

from careledger.fhir.synthetic.content import conditions as c
from careledger.fhir.synthetic.content import measures as m
from careledger.fhir.synthetic.content import medications as d
from careledger.fhir.synthetic.content import procedures as p
from careledger.fhir.synthetic.content import specialties as s
from careledger.fhir.synthetic.content import visits as v
from careledger.fhir.synthetic.content.course import Course, Treatment

DEPRESSION = Course(
    condition=c.DEPRESSION,
    specialty=s.PSYCHIATRY,
    ages=(16, 70),
    likelihood=0.12,
    complaint="low mood, poor sleep and loss of interest for two months",
    plan="Sertraline and weekly therapy; safety plan agreed; PHQ-9 at each visit.",
    later=v.TELEHEALTH,
    after=(0, 21, 60),
    every=120,
    measures=(m.PHQ_9, m.GAD_7),
    treatments=(Treatment(d.SERTRALINE_50, 0, 300), Treatment(d.SERTRALINE_100, 300)),
    procedures=((0, p.PSYCHIATRIC_INTERVIEW), (1, p.COUNSELLING), (2, p.COUNSELLING)),
)


ANXIETY = Course(
    condition=c.ANXIETY,
    specialty=s.PSYCHIATRY,
    ages=(18, 65),
    likelihood=0.08,
    complaint="constant worry, restlessness and poor sleep",
    plan="Escitalopram, cognitive behavioral therapy; GAD-7 at each visit.",
    later=v.TELEHEALTH,
    after=(0, 30),
    every=180,
    measures=(m.GAD_7,),
    treatments=(Treatment(d.ESCITALOPRAM),),
    procedures=((0, p.PSYCHIATRIC_INTERVIEW), (1, p.COUNSELLING)),
)


OPIOID_USE = Course(
    condition=c.OPIOID_USE,
    specialty=s.ADDICTION,
    ages=(22, 60),
    likelihood=0.01,
    complaint="asks for help to stop using opioids after a back injury years ago",
    plan="Buprenorphine with naloxone, take-home naloxone, counselling; urine screen each visit.",
    after=(0, 7, 28),
    every=112,
    measures=(m.PHQ_9,),
    findings=((m.OPIATES, 0.95),),
    treatments=(Treatment(d.BUPRENORPHINE), Treatment(d.NALOXONE)),
    procedures=((0, p.REHABILITATION), (1, p.COUNSELLING), (2, p.COUNSELLING)),
)


HIV_INFECTION = Course(
    condition=c.HIV_INFECTION,
    specialty=s.INFECTIOUS,
    ages=(22, 70),
    likelihood=0.008,
    complaint="new diagnosis after routine screening, no symptoms",
    plan="Single-tablet antiretroviral therapy; viral load and CD4 count every six months.",
    after=(0, 30, 90),
    every=180,
    measures=(m.HIV_LOAD, m.CD4),
    panels=(m.BLOOD_COUNT, m.BASIC_METABOLIC),
    treatments=(Treatment(d.BICTEGRAVIR),),
)


PARTNER_ABUSE = Course(
    condition=c.PARTNER_ABUSE,
    specialty=s.EMERGENCY,
    ages=(20, 60),
    likelihood=0.004,
    sex="female",
    first=v.EMERGENCY_VISIT,
    complaint="bruises; in private, tells of violence at home",
    plan="Safety plan and shelter contact given; social work follow-up; do not call at home.",
    after=(0, 14, 60),
    lasts=240,
    measures=(m.PHQ_9, m.GAD_7),
    procedures=((0, p.PSYCHOSOCIAL), (1, p.PSYCHOSOCIAL), (2, p.PSYCHOSOCIAL)),
)

CHRONIC = (DEPRESSION, ANXIETY, OPIOID_USE, HIV_INFECTION)
