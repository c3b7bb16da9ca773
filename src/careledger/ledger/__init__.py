"""The pure core: bytes in, receipts and changes out; no clock, disk, network or chance."""
