"""UPerNet-R50 on VOC 2012 and SBD, 10,582 images.

Parent:  upernet_r50_2xb4-200e_voc12-512x512_v1.py
Change:  train_dataloader.dataset: VOC 2012 -> VOC 2012 and SBD, padded to the crop
         optim_wrapper.optimizer.lr: 0.01 -> 0.005; 0.01 x (2x4) / 16
         model.pretrained: 'open-mmlab://resnet50_v1c' -> (not set)
         model.backbone.init_cfg: torchvision's ResNet-50
         train_cfg.val_interval: 10 -> 1
         default_hooks.checkpoint.save_best: 'mIoU' -> (not set)
         default_hooks.checkpoint.rule: 'greater' -> (not set)
Why:     seven times the data. ResNetV1c begins with three convolutions where torchvision's file has
         one, so these stay random: the load report says so.
Result:  75.24 mIoU, 84.21 mAcc, val, the user's own log; published with 40k iterations: 75.92
Status:  baseline
"""

_base_ = [
    '../_base_/models/upernet_r50.py',
    '../_base_/datasets/pascal_voc12_aug.py',
    '../_base_/schedules/schedule_200e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    pretrained=None,
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
    decode_head=dict(num_classes=21),
    auxiliary_head=dict(num_classes=21),
)
optim_wrapper = dict(optimizer=dict(lr=0.005))
train_dataloader = dict(
    batch_size=4, num_workers=4, sampler=dict(type='DefaultSampler', shuffle=True)
)
train_cfg = dict(val_interval=1)
default_hooks = dict(checkpoint=dict(save_best=None, rule=None))
