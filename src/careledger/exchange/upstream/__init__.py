"""The organisation's existing FHIR server: bodies stay there, decisions are made here."""
