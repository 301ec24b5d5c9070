"""Encoders, decoders, and the training side of quantizers and priors, in torch."""
