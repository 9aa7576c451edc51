"""CamVid, driving scenes with 11 classes."""

from collections.abc import Sequence

from mmseg.datasets import BaseSegDataset

from mmseg_ext.registry import DATASETS


@DATASETS.register_module()
class CamVidDataset(BaseSegDataset):
    """CamVid as the SegNet tutorial spread it: 480x360 frames, 11 classes, 11 = void.

    Void becomes 255, the label that every loss and metric ignores by default.

    Source: Brostow et al., Semantic object classes in video, 2008; classes and colours as in
    Badrinarayanan et al., SegNet, 2015.
    """

    METAINFO = dict(
        classes=(
            'sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence', 'car',
            'pedestrian', 'bicyclist',
        ),
        palette=[
            [128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128], [60, 40, 222],
            [128, 128, 0], [192, 128, 128], [64, 64, 128], [64, 0, 128], [64, 64, 0], [0, 128, 192],
        ],
    )  # fmt: skip

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Maps labels of the files to those of the network; void and omitted classes to 255."""
        label_map = super().get_label_map(new_classes) or {}
        return {**label_map, 11: 255}
