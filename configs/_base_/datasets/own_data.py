"""Data of your own: images in one folder, label files in another, split by lists. Copy and change.

docs/own-data.md leads here. Label files hold one byte a pixel: 0 to N-1 in the order of
``classes``, 255 where nothing counts. Change what is marked (1) to (5); a leaf over the copy sets
``num_classes`` in each head and ``model.data_preprocessor.size`` to ``crop_size``.
"""

# (1) the folder that everything below lies in
data_root = 'data/own'
# (2) your classes; the colours, red, green and blue, are those of the pictures that runs draw
metainfo = dict(classes=('crop', 'weed', 'soil'), palette=[[0, 128, 0], [200, 0, 0], [120, 80, 40]])
# (3) folders, suffixes and lists, as tools/dataset_converters/split.py prints them. With --csv:
#     dict(type='mmseg_ext.CsvDataset', data_root=data_root, metainfo=metainfo), and
#     ann_file='splits/train.csv' below
own_data = dict(
    type='BaseSegDataset',
    data_root=data_root,
    metainfo=metainfo,
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    img_suffix='.jpg',
    seg_map_suffix='.png',
    # True if 0 means "nothing": 0 is ignored then, 1 is the first class. LoadAnnotations reads it
    # here
    reduce_zero_label=False,
)
# (4) sizes, (width, height): images are scaled so that they fit into `scale`, times 0.5 to 2 for
# training. Large images and small objects need a large scale, or no Resize in test_pipeline
scale = (2048, 512)
crop_size = (512, 512)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    # leave it out where left and right differ in meaning (text, organs)
    dict(type='RandomFlip', prob=0.5),
    # leave it out where colour itself tells the classes apart
    dict(type='PhotoMetricDistortion'),
    # an image smaller than the crop would not stack into a batch
    dict(type='Pad', size=crop_size),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=scale, keep_ratio=True),
    # after Resize: the metric compares at the size of the ground truth
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
img_ratios = [0.75, 1.0, 1.25]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=r, keep_ratio=True) for r in img_ratios],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
# (5) batch per GPU, and the processes that load it
train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(own_data, ann_file='splits/train.txt', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(own_data, ann_file='splits/val.txt', pipeline=test_pipeline),
)
# with a test set: the same with ann_file='splits/test.txt'
test_dataloader = val_dataloader

val_evaluator = dict(type='mmseg_ext.SegMetrics', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
