"""One running node: configuration, composition, the commit loop and fsck."""
