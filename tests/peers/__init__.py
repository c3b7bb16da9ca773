"""FHIR servers that nobody here wrote, started on loopback for the tests."""
