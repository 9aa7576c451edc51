"""Any images and label files that a CSV file names, one pair a row."""

import os.path as osp
from collections.abc import Mapping

from mmengine.fileio import get_text
from mmseg.datasets import BaseSegDataset

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.csv_lists import COLUMNS, parse_rows
from mmseg_ext.registry import DATASETS


@DATASETS.register_module()
class CsvDataset(BaseSegDataset):
    """MMSegmentation's ``BaseSegDataset`` with a CSV file as its list, as WildScenes has them.

    The paths in the file are below ``data_root/data_prefix``; suffixes are added to them, so they
    are empty unless the file leaves them out. Without ``seg_map_path`` in ``data_prefix`` the
    samples have no labels, and the file needs no column for them.

    Args:
        ann_file: The CSV file, with a header; relative to ``data_root``.
        columns: Names of its columns, by ``id``, ``img_path`` and ``seg_map_path``; those that are
            left out are WildScenes' ``id``, ``im_path`` and ``label_path``. With ``id=None`` it
            needs none, and nothing tells whether an image comes twice.
        data_prefix: What comes before the paths.
        img_suffix: What is added to each image's path.
        seg_map_suffix: What is added to each label file's path.
        **kwargs: Those of ``BaseSegDataset``.

    Raises:
        UsageError: No ``ann_file``; it has no row or lacks a column, a cell is empty, or an id
            comes twice.
    """

    def __init__(
        self,
        ann_file: str = '',
        columns: Mapping[str, str | None] | None = None,
        data_prefix: Mapping[str, str] | None = None,
        img_suffix: str = '',
        seg_map_suffix: str = '',
        **kwargs,
    ) -> None:
        if not ann_file:
            raise UsageError('CsvDataset needs an ann_file, a CSV file with one pair a row')
        unknown = set(columns or ()) - set(COLUMNS)
        if unknown:
            raise UsageError(
                f'CsvDataset: columns has {", ".join(sorted(unknown))}; it takes '
                f'{", ".join(COLUMNS)}'
            )
        self.columns = {**COLUMNS, **(columns or {})}
        super().__init__(
            ann_file=ann_file,
            data_prefix=dict(img_path='', seg_map_path='') if data_prefix is None else data_prefix,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Reads the file; returns what ``BaseSegDataset`` makes of its lists, in its order."""
        wanted = {key: column for key, column in self.columns.items() if column is not None}
        suffixes = dict(img_path=self.img_suffix, seg_map_path=self.seg_map_suffix)
        places = {key: self.data_prefix.get(key) for key in suffixes}
        if places['seg_map_path'] is None:
            wanted.pop('seg_map_path', None)
            places.pop('seg_map_path')
        text = get_text(self.ann_file, backend_args=self.backend_args)
        return [
            dict(
                **{k: osp.join(places[k] or '', row[k] + suffixes[k]) for k in places},
                label_map=self.label_map,
                reduce_zero_label=self.reduce_zero_label,
                seg_fields=[],
            )
            for row in parse_rows(text, self.ann_file, wanted)
        ]
