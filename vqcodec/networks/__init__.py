"""What trains: encoders, decoders, quantizers and priors in torch."""
