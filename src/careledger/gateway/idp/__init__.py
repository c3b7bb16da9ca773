"""A small OpenID Connect provider for trying CareLedger out; an organisation has one of its own."""
