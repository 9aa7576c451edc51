"""SegFormer-B0 on CamVid with the fast data pipeline.

Parent:  segformer_mit-b0_1xb16-24e_camvid-128x128.py
Change:  train_dataloader.dataset.pipeline: the fast chain: the same windows and flips, of which
             only what is kept is resized; flips are left to the data preprocessor, labels are bytes
         model.data_preprocessor.type: 'SegDataPreProcessor' -> 'mmseg_ext.SegDataPreProcessor'
Why:     images a second a core (``benchmark.py data``), with nothing else changed.
Result:  35.25 mIoU, val, epoch 24, seed 0, as its parent, 2 CPU cores, torch 2.13.0
         (``benchmark.py data-training PARENT --chains stock fast-on-device``)
Status:  baseline; v3 goes on from it
"""

_base_ = './segformer_mit-b0_1xb16-24e_camvid-128x128.py'
train_pipeline = [
    dict(type='mmseg_ext.LoadImageFromFile'),
    dict(type='mmseg_ext.LoadAnnotations'),
    dict(
        type='mmseg_ext.RandomResizeCrop',
        crop_size=(128, 128),
        scale=(240, 180),
        keep_ratio=False,
        cat_max_ratio=0.75,
    ),
    dict(type='mmseg_ext.RandomFlip', prob=0.5, on_device=True),
    dict(type='mmseg_ext.PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
model = dict(data_preprocessor=dict(type='mmseg_ext.SegDataPreProcessor'))
