"""PASCAL VOC 2012 and SBD: train plus aug, 10,582 images; validated on VOC val.

``aug.txt`` and ``SegmentationClassAug`` come from tools/dataset_converters/voc_aug.py. Use train
plus aug, or trainaug alone: trainaug plus aug would show the SBD images twice.
"""

_base_ = './pascal_voc12.py'
train_pipeline = [
    *_base_.train_pipeline[:-1],
    # an image smaller than the crop would not stack into a batch
    dict(type='Pad', size=_base_.crop_size),
    dict(type='PackSegInputs'),
]
dataset_train = dict(
    type=_base_.dataset_type,
    data_root=_base_.data_root,
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
    ann_file='ImageSets/Segmentation/train.txt',
    pipeline=train_pipeline,
)
dataset_aug = dict(
    type=_base_.dataset_type,
    data_root=_base_.data_root,
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
    ann_file='ImageSets/Segmentation/aug.txt',
    pipeline=train_pipeline,
)
train_dataloader = dict(
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[dataset_train, dataset_aug])
)
