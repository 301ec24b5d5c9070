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
# Files in folders that are read; files with other suffixes are left out. Some need an optional
# package, and fail with a hint without it. Left out are suffixes that mostly name something else:
# films (.mp4, .mkv, .mov, .webm), which would lose their picture, plug-ins (.vst) and data (.raw).
PICTURE_SUFFIXES = (
    *PICTURE_FORMATS,
    *(".gif", ".jfif", ".jpe", ".jif", ".jfi", ".mpo", ".apng", ".avifs", ".dib", ".pbm", ".pnm"),
    *(".pfm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".ico", ".icns", ".pcx", ".qoi"),
    *(".sgi", ".rgb", ".rgba", ".bw", ".dds", ".psd", ".tga"),
    *(".heic", ".heif", ".heics", ".heifs", ".hif"),  # by pillow-heif
)
SOUND_SUFFIXES = (
    *SOUND_FORMATS,
    *(".wave", ".bwf", ".rf64", ".bw64", ".w64", ".aifc", ".aiffc", ".caf", ".au", ".snd", ".voc"),
    *(".sph", ".nist", ".avr", ".paf", ".pvf", ".sf", ".ircam", ".svx", ".8svx", ".16sv", ".sds"),
    *(".xi", ".wve", ".oga", ".opus", ".mp1", ".mp2", ".mpa", ".mpga"),
    *(".m4a", ".m4b", ".m4r", ".aac", ".adts", ".3ga", ".wma", ".mka", ".weba", ".spx"),  # by PyAV
    *(".wv", ".tta", ".ape", ".ac3", ".eac3", ".ec3", ".amr", ".awb", ".sox"),  # by PyAV, too
)
_USUAL = (*PICTURE_FORMATS, *SOUND_FORMATS)  # first, so that messages name them
SIGNAL_SUFFIXES = tuple(dict.fromkeys((*_USUAL, *PICTURE_SUFFIXES, *SOUND_SUFFIXES)))
