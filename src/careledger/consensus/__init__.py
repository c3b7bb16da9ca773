"""Who orders the transactions, and how an order becomes history: `solo` is the embedded engine."""
