"""What must survive power loss: blocks, state and log, in one durable step per block."""
