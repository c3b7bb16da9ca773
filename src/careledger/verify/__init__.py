"""The stand-alone verifier, which needs neither a node nor a network."""
