"""SegFormer-B2 on COCO in VOC's classes, V2's recipe: pre-training for V3-coco.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py
Change:  train_dataloader.dataset: COCO
         val_dataloader.dataset: COCO
         train_cfg: 20 epochs, each validated
         default_hooks.checkpoint.interval: 10 -> 1
         param_scheduler: 2 epochs of warm-up, then decay
Why:     up to eleven times the images of VOC and SBD.
Reconstructed:
         train_cfg.max_epochs: 20; about as many iterations as 200 epochs of VOC and SBD
         train_cfg.val_interval: 1
         default_hooks.checkpoint.interval: 1
         param_scheduler[0].end: 2
         param_scheduler[1].end: 21
Result:  not run yet
Status:  ablation
"""

_base_ = [
    '../_base_/models/segformer_mit-b2_focal-dice.py',
    '../_base_/datasets/coco_voc.py',
    '../_base_/schedules/schedule_200e_adamw.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=(512, 512)), decode_head=dict(num_classes=21))
train_dataloader = dict(
    batch_size=6, num_workers=8, sampler=dict(type='DefaultSampler', shuffle=True)
)
train_cfg = dict(max_epochs=20, val_interval=1)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=2),
    dict(_base_.param_scheduler[1], begin=2, end=21),
]
default_hooks = dict(checkpoint=dict(interval=1))
