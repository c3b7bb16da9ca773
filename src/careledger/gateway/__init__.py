"""The HTTP front door of one organisation: FHIR R4, sign-in, ledger and proofs."""
