"""The rule that no peer keeps, as tests: what is denied cannot be told from what never was."""
