"""One page that shows how codecs compare: figures, pictures and sounds, without a network."""
