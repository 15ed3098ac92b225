"""Background pictures: what they are is read from their bytes, never from what the sender says."""

import hashlib
import io
from dataclasses import dataclass
from typing import Final

from PIL import Image, UnidentifiedImageError

from services.reporting.looks.schemas import ThemePicture
from shared.refusals import Refused

MAX_BYTES: Final = 200_000
"""A page with its picture is to stay below 300 KB; under its veil a picture needs no more."""
MAX_WIDTH: Final = 3840
MAX_HEIGHT: Final = 2160
FORMATS: Final = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


class PictureUnusable(Refused):
    """Bytes that are no picture a screen can have."""

    code = "picture-unusable"
    title = "This picture can't be used"
    status = 422


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was checked."""

    content: bytes
    told: ThemePicture


def read_picture(content: bytes) -> Picture:
    """Decode it once, whole. Raises PictureUnusable. Takes a tenth of a second: call it in a thread."""
    try:
        with Image.open(io.BytesIO(content), formats=list(FORMATS)) as image:
            _require_usable(image)
            image.load()
            media_type, (width, height) = FORMATS[str(image.format)], image.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureUnusable("Send a whole PNG, JPEG or WebP file.", fields=["body"]) from error
    digest = hashlib.sha256(content).hexdigest()
    told = ThemePicture(digest=digest, media_type=media_type, width=width, height=height, bytes=len(content))
    return Picture(content, told)


def _require_usable(image: Image.Image) -> None:
    if image.width > MAX_WIDTH or image.height > MAX_HEIGHT:
        raise PictureUnusable(f"{MAX_WIDTH} × {MAX_HEIGHT} pixels at most.", fields=["body"])
    if getattr(image, "n_frames", 1) != 1:
        raise PictureUnusable("A moving picture would take the eyes off the number.", fields=["body"])
    if image.getexif():
        raise PictureUnusable(
            "It carries EXIF data, which may say where and by whom it was taken. Save it without.",
            fields=["body"],
        )
