"""What a patient holds: keys, terms and the outbox."""
