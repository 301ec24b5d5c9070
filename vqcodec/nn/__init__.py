"""Building blocks of networks, without a modality."""
