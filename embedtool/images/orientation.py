"""EXIF orientation: how to turn a photo upright."""

from PIL import Image

EXIF_ORIENTATION = 0x0112
UPRIGHT = {  # the transform that undoes each orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright_turn(image: Image.Image) -> Image.Transpose | None:
    """Return the transform that turns a loaded image upright, or None if it is upright.

    Call it after `load`: Pillow's TIFF plug-in turns the image there, and then clears the tag.
    """
    return UPRIGHT.get(image.getexif().get(EXIF_ORIENTATION, 1))
