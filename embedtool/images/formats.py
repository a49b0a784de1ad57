"""Detect the format of an image from its first bytes. The format names are Pillow's."""

HEAD = 16  # bytes that `sniff` looks at
_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"BM", "BMP"),
    *((b"P%d" % kind, "PPM") for kind in range(1, 7)),
)
WEAK = frozenset({"BMP", "PPM"})  # two letters, with which a text file may begin too
NOISY = frozenset({"TIFF"})  # libtiff writes on file descriptor 2; the other decoders are silent
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"mif1", b"msf1"})


def sniff(head: bytes) -> str | None:
    """Return the format of a file that begins with `head`, or None for an unknown format."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        if head[8:12] in (b"avif", b"avis"):
            return "AVIF"
        if head[8:12] in _HEIC_BRANDS:
            return "HEIC"
    return None
