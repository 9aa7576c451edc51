"""SegFormer-B2 on VOC 2012 and SBD, V2: focal 1.0 + dice 1.0 and PhotoMetricDistortion.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v1.py
Change:  model.decode_head.loss_decode: cross-entropy -> focal + dice, MMSegmentation's averages
         train_dataloader.dataset.datasets[*].pipeline: + PhotoMetricDistortion
         param_scheduler[1].end: 200 -> 201
Why:     rare classes, and colours. In these averages focal is divided by the 21 classes, and dice
         is one ratio for all of them, so the pair does what cross-entropy does (docs/losses.md).
Result:  59.33 mIoU, val, the user's own log
Status:  baseline
"""

_base_ = [
    '../_base_/models/segformer_mit-b2_focal-dice.py',
    '../_base_/datasets/pascal_voc12_aug.py',
    '../_base_/schedules/schedule_200e_adamw.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=(512, 512)), decode_head=dict(num_classes=21))
train_dataloader = dict(
    batch_size=6, num_workers=8, sampler=dict(type='DefaultSampler', shuffle=True)
)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=201)]
