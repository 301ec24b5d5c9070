"""What names of pictures and sounds end in; nothing here needs a library."""

# Formats to write, by suffix. Reading decides by content: see `picture_opening`, `sound_formats`.
PICTURE_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".ppm": "PPM",
    ".pgm": "PPM",
}
SOUND_FORMATS = {
    ".wav": "WAV",
    ".flac": "FLAC",
    ".ogg": "OGG",
    ".mp3": "MP3",
    ".aif": "AIFF",
    ".aiff": "AIFF",
}
# Files in folders that are read; files with other suffixes are left out.
PICTURE_SUFFIXES = (*PICTURE_FORMATS, ".gif", ".jfif", ".jp2")
SOUND_SUFFIXES = (*SOUND_FORMATS, ".opus", ".oga", ".au", ".caf", ".aifc")
SIGNAL_SUFFIXES = (*PICTURE_SUFFIXES, *SOUND_SUFFIXES)
