"""Before a FHIR server of others: following it, fetching from it, moving."""
