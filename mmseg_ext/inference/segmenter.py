"""A trained network that takes images and gives labels."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from PIL import Image as PILImage

from mmseg_ext.engine.config import complete_config, load_config
from mmseg_ext.engine.errors import UsageError, one_line
from mmseg_ext.engine.tested_pipelines import find_tta_pipeline, without_truth

from .arrays import to_bgr
from .names import find_metainfo
from .network import check_device, count_classes, load_network
from .pipeline import find_pipeline, for_arrays, refuse_torn_images
from .run_folder import find_run_files

Image = str | Path | np.ndarray | PILImage.Image
# in what torch says of images that are too small
OF_SIZES = re.compile(r'\b(size|shape|dimension)s?\b', re.IGNORECASE)


class Prepared(NamedTuple):
    """An image as the network takes it.

    Attributes:
        sample: What the test pipeline made of it.
        size: What has to be equal in a batch.
        image: As it was loaded, (H, W, 3) in BGR or what else the pipeline's loader gives; None
            where another transform loads it.
    """

    sample: dict
    size: Any
    image: np.ndarray | None


class Segmenter:
    """Predicts the classes of new images, as ``tools/test.py`` does those of a test set.

    The images go through the config's own test pipeline without its annotations, and the network is
    the one that tests use.

    Args:
        cfg: The config; it is left as it is.
        checkpoint: File or address.
        device: Of torch; None: a GPU if there is one.
        tta: Average over the scales and flips of the config's ``tta_pipeline``, else of a made one.
        class_names: One name a class; None: the checkpoint's, else those of the config's data set.

    Attributes:
        metainfo: ``classes``, ``palette`` (RGB triples) and what the checkpoint says of labels.
        warnings: What the user should know of weights and pipeline.

    Raises:
        UsageError: The checkpoint does not read or does not fill the network, there are no class
            names or not as many as classes, or the device cannot be used.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: str | Path,
        device: str | None = None,
        tta: bool = False,
        class_names: Sequence[str] | None = None,
    ) -> None:
        cfg = copy.deepcopy(cfg)
        complete_config(cfg)
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        self.device = device or get_device()
        check_device(self.device)
        self.model, meta, self.warnings = load_network(cfg, checkpoint, self.device, tta)
        self.checkpoint = str(checkpoint)
        channels = count_classes(self.model)
        self.metainfo = find_metainfo(class_names, meta, cfg, channels, self.checkpoint)
        steps = find_pipeline(cfg)
        if tta:
            steps, note = find_tta_pipeline(cfg, steps)
            self.warnings += [note] if note else []
        self._steps = refuse_torn_images(without_truth(steps))
        self._from_file, self._from_array = Compose(self._steps), None

    @classmethod
    def from_run(cls, run: str | Path, **options) -> Segmenter:
        """Takes the config and the best checkpoint, else the newest whole one, of a run's folder.

        Args:
            run: The run's folder.
            **options: ``device``, ``tta``, ``class_names``.
        """
        return cls.from_files(*find_run_files(Path(run)), **options)

    @classmethod
    def from_files(cls, config: str | Path, checkpoint: str | Path, **options) -> Segmenter:
        """Takes a config file and a checkpoint.

        Args:
            config: Config file.
            checkpoint: File or address.
            **options: As for ``from_run``.
        """
        return cls(load_config(str(config)), checkpoint, **options)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.metainfo['classes']

    @property
    def palette(self) -> list[list[int]]:
        """RGB triples of the classes."""
        return self.metainfo['palette']

    def predict(self, image: Image) -> np.ndarray:
        """Predicts the class of every pixel.

        Args:
            image: A file; an image of Pillow's; or an array of uint8 or uint16 as OpenCV reads it:
                (H, W, 3) in BGR, (H, W, 4) in BGRA, or (H, W) in grey.

        Returns:
            (H, W), integer, in [0, classes). An image that EXIF says is turned gives the labels of
            the upright one.

        Raises:
            UsageError: The file does not read, or the array is no image.
        """
        return self.predict_batch([image])[0]

    def predict_batch(self, images: Sequence[Image]) -> list[np.ndarray]:
        """Predicts several images, those of one size in one batch."""
        prepared = [self.prepare(image) for image in images]
        groups: dict[Any, list[int]] = {}
        for index, item in enumerate(prepared):
            groups.setdefault(item.size, []).append(index)
        labels: list[np.ndarray] = [None] * len(images)
        for indices in groups.values():
            for index, label in zip(
                indices, self.segment([prepared[index] for index in indices]), strict=True
            ):
                labels[index] = label
        return labels

    def prepare(self, image: Image) -> Prepared:
        """Runs the test pipeline on one image; threads may do so at the same time."""
        if not isinstance(image, (str, Path)):
            if self._from_array is None:
                self._from_array = Compose(for_arrays(self._steps))
            sample, loaded = _run(self._from_array, dict(img=to_bgr(image)))
        else:
            sample, loaded = _run(self._from_file, dict(img_path=str(image)))
        if sample is None:
            raise UsageError(f'{image}: the test pipeline gives nothing for it')
        inputs = sample['inputs']
        views = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        return Prepared(sample, tuple(tuple(view.shape) for view in views), loaded)

    @torch.no_grad()
    def segment(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Predicts a batch of prepared images of one size.

        Raises:
            UsageError: The device has too little memory, or images are too small for the network.
        """
        try:
            results = self.model.test_step(pseudo_collate([item.sample for item in batch]))
        except torch.OutOfMemoryError as error:
            raise UsageError(
                f'{self.device} has too little memory for {_describe(batch)}; take a smaller '
                '--batch-size, smaller images or --device cpu'
            ) from error
        except RuntimeError as error:
            if not OF_SIZES.search(str(error)) or 'CUDA error' in str(error):
                raise
            raise UsageError(
                f'the network does not take {_describe(batch)}: {one_line(error)}'
            ) from error
        dtype = np.uint8 if len(self.classes) <= 256 else np.int64
        labels = [sample.pred_sem_seg.data for sample in results]
        return [label.reshape(label.shape[-2:]).cpu().numpy().astype(dtype) for label in labels]


def _describe(batch: Sequence[Prepared]) -> str:
    height, width = batch[0].size[0][-2:]
    said = f'{len(batch)} images of {width} x {height} pixels'
    if batch[0].image is None or batch[0].image.shape[:2] == (height, width):
        return said
    height, width = batch[0].image.shape[:2]
    return f'{said}, which the test pipeline makes of {width} x {height}'


def _run(pipeline: Compose, results: dict) -> tuple[dict | None, np.ndarray | None]:
    """Runs a pipeline, and keeps the image as its loader gave it."""
    image = None
    for transform in pipeline.transforms:
        results = transform(results)
        if results is None:
            break
        if isinstance(transform, LoadImageFromFile):
            image = results['img']
    return results, image
