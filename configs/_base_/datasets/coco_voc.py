"""COCO 2017 in VOC's classes, for pre-training: about 118,000 training images less those without.

Labels and lists come from tools/dataset_converters/coco_voc.py. Pipelines and loaders are those of
VOC 2012, so that a network trained here goes on there with ``load_from``. Images smaller than the
crop occur: the training pipeline pads.
"""

_base_ = './pascal_voc12.py'
data_root = 'data/coco'
train_pipeline = [
    *_base_.train_pipeline[:-1],
    # an image smaller than the crop would not stack into a batch
    dict(type='Pad', size=_base_.crop_size),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        data_prefix=dict(img_path='train2017', seg_map_path='voc_classes/train2017'),
        ann_file='voc_classes/train.txt',
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        data_prefix=dict(img_path='val2017', seg_map_path='voc_classes/val2017'),
        ann_file='voc_classes/val.txt',
    )
)
test_dataloader = val_dataloader
