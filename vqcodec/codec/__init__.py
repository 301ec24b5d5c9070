"""The codec: signal to stream and back, and model files."""
