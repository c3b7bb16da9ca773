"""Clinical resources sealed at rest: seal, open with a permit, shred, and the search index."""
