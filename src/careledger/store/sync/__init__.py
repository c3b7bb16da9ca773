"""Snapshots of a chain at one height: taking them, checking them, beginning a store from one."""
