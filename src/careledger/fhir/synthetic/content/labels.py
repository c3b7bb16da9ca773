"""Security labels: which sensitivities a resource may carry, as HL7 v3 ActCode names them."""

from careledger.fhir.synthetic.content.code import ACT_CODE, Code, hl7

RESTRICTED = hl7("v3-Confidentiality", "R", "restricted")

ETH = Code(ACT_CODE, "ETH", "substance abuse information sensitivity")
SUD = Code(ACT_CODE, "SUD", "substance use disorder information sensitivity")
PSY = Code(ACT_CODE, "PSY", "psychiatry disorder information sensitivity")
HIV = Code(ACT_CODE, "HIV", "HIV/AIDS information sensitivity")
SDV = Code(ACT_CODE, "SDV", "sexual assault, abuse, or domestic violence information sensitivity")

Labels = tuple[Code, ...]

SUBSTANCE_USE = (ETH, SUD)
PSYCHIATRY = (PSY,)
HIV_CARE = (HIV,)
ABUSE = (SDV,)
