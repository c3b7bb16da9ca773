"""Lives written as FHIR R4 resources, one module for each kind of record."""
