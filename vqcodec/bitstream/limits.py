"""The largest sizes in the format; they are checked before memory is allocated."""

MAX_IMAGE_SIDE = 65_535  # pixels
MAX_IMAGE_PIXELS = 1 << 28

MAX_NUM_SAMPLES = 1 << 36  # per channel: four days at 192 kHz
MAX_NUM_CHANNELS = 8
MIN_SAMPLE_RATE = 1_000  # Hz
MAX_SAMPLE_RATE = 768_000  # Hz

MAX_SECTION_BYTES = 1 << 30
MAX_NUM_TAGS = 1 << 16  # of a sound
MAX_NUM_SECTIONS = 1 << 20

MAX_HELD_VALUES = 1 << 31  # samples or indices of a stream in memory at a time
