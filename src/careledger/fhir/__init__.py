"""FHIR R4 without us: models, checks, bundles, search parameters."""
