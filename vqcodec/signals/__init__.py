"""Pictures and sounds: reading, writing, resampling; no networks."""
