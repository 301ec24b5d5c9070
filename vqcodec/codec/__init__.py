"""Where the parts meet: signal to stream and back."""
