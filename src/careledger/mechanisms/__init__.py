"""The shapes that applications share: policy decision, anchored batch, deadline."""
