"""CareLedger: a health information exchange that no single organisation owns."""
