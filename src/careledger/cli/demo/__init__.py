"""`careledger demo`: four organisations on this machine, and the story of one patient's consent."""
