"""Reading images and label files whole, or naming the file that is not."""

from pathlib import Path

from PIL import Image

from mmseg_ext.engine.errors import UsageError


def read_image(file: Path) -> Image.Image:
    """Decodes an image to its last byte, as it is stored: no EXIF rotation, no colour conversion.

    Raises:
        UsageError: There is none, or it is cut off or damaged.
    """
    try:
        with Image.open(file) as image:
            image.load()
    # SyntaxError is how Pillow says that a PNG is broken
    except (OSError, SyntaxError, ValueError) as error:
        raise UsageError(f'{file} does not read: {error}; unpack or download it again') from error
    return image
