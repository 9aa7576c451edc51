"""What a photometric distortion does to an image, drawn once, done on a CPU or on a device."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Distortion:
    """One draw of MMSegmentation's PhotoMetricDistortion; None leaves a step out.

    Steps in order: brightness, contrast if ``contrast_first``, saturation, hue, contrast if not.
    After each step values are clipped to [0, 255] and cut to whole numbers.

    Attributes:
        brightness: Added to each channel.
        contrast: Factor on each channel.
        saturation: Factor on the saturation of OpenCV's 8-bit HSV.
        hue: Added to its hue, modulo 180; a whole number, in steps of 2 degrees.
        contrast_first: Whether the contrast comes before the saturation, else after the hue.
    """

    brightness: float | None = None
    contrast: float | None = None
    saturation: float | None = None
    hue: int | None = None
    contrast_first: bool = False
