"""Changing part of a resource: JSON Patch (RFC 6902) and FHIRPath Patch (FHIR R4 2.1.0.6)."""
