"""Latents to indices and back, in NumPy; `networks.quantizers` trains them."""
