"""The command line: node commands by hand, application commands derived from their records."""
