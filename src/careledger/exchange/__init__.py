"""From organisation to organisation: ask, decide, record, release, acknowledge."""
