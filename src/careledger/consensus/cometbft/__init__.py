"""CometBFT, the engine by which several organisations agree on blocks."""
