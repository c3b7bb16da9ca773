"""FHIR R4 models, one module per resource; generated."""
