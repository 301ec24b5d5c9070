"""Priors while they train, in floats; `priors` evaluates them in integers."""
