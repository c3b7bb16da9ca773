"""Bulk Data: many records out, patient by patient as each one's consent is at that moment."""
