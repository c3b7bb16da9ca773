"""Auditing somebody else's node: mirror its log, check everything, shout about two histories."""
