"""Every performance goal, one runnable file each; each prints ratios measured in one run."""
