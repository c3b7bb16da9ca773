"""Who orders the blocks."""
