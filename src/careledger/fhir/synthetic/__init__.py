"""A seeded synthetic population in FHIR R4: realistic records of people who do not exist."""
