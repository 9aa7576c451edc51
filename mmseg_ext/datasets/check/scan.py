"""All files of all data sets, each looked at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmseg_ext.prepare.jobs import run_jobs

from .files import ImageJob, Look, MaskJob, look_at
from .parts import Part


@dataclass(frozen=True)
class Scan:
    """What is in the files.

    Attributes:
        images: By path.
        masks: By the dataset's path in the config and the mask's: two datasets may load one mask in
            two ways.
        partial: Whether some files were left out.
    """

    images: dict[str, Look]
    masks: dict[tuple[str, str], Look]
    partial: bool

    def pairs(self, part: Part) -> list[tuple[str, Look | None, str, Look | None]]:
        """Image and mask of each sample: path and look; None where it was not looked at."""
        found = []
        for info in part.infos:
            image, mask = info['img_path'], info.get('seg_map_path') if part.has_labels else None
            found.append((image, self.images.get(image), mask, self.masks.get((part.path, mask))))
        return found


def scan(
    parts: Sequence[Part], num_processes: int, max_images: int | None = None, pixels: bool = False
) -> Scan:
    """Looks at the files that are there.

    Args:
        parts: The datasets.
        num_processes: Processes that read.
        max_images: Take so many of each dataset, evenly spaced, since a list may be sorted by
            class.
        pixels: Sum the decoded pixels of images too.
    """
    images, masks, partial = {}, {}, False
    for part in parts:
        chosen = range(len(part.infos))
        if max_images is not None and max_images < len(chosen):
            chosen, partial = np.linspace(0, len(chosen) - 1, max_images).astype(int), True
        for index in chosen:
            info = part.infos[index]
            if Path(info['img_path']).is_file():
                images[info['img_path']] = ImageJob(info['img_path'], part.load_image, pixels)
            if part.has_labels and Path(info['seg_map_path']).is_file():
                masks[part.path, info['seg_map_path']] = MaskJob(info, part.load_label)
    jobs = [*images.values(), *masks.values()]
    looks = run_jobs(look_at, jobs, num_processes, f'reading {len(jobs):,} files')
    return Scan(
        dict(zip(images, looks[: len(images)], strict=True)),
        dict(zip(masks, looks[len(images) :], strict=True)),
        partial,
    )
