"""UPerNet with ConvNeXt-T on VOC 2012 and SBD; needs timm (``pip install -e '.[timm]'``).

Parent:  upernet_r50_2xb4-200e_voc12aug-512x512_v1.py
Change:  model.backbone: ResNetV1c-50 -> ConvNeXt-T, timm's ImageNet weights
         model.decode_head.in_channels: [256, 512, 1024, 2048] -> [96, 192, 384, 768]
         model.auxiliary_head.in_channels: 1024 -> 384
         optim_wrapper: AdamW, ConvNeXt's decay of 0.05, none in norm layers
         param_scheduler: 20 epochs of warm-up, then linear
         train_cfg.val_interval: 1 -> 10
         default_hooks.checkpoint: keeps the best
Why:     as Swin-T, by convolutions alone.
Reconstructed:
         optim_wrapper.optimizer.lr: 0.0001; MMSegmentation's for ConvNeXt and ADE20K
         optim_wrapper.optimizer.weight_decay: 0.05; likewise
         param_scheduler[0].end: 20; SegFormer's
         param_scheduler[1].end: 200
         train_dataloader.batch_size: 4; on 2 GPUs, as R50
Result:  not run yet
Status:  ablation
"""

_base_ = [
    '../_base_/models/upernet_convnext-t.py',
    '../_base_/datasets/pascal_voc12_aug.py',
    '../_base_/schedules/schedule_200e_adamw.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    decode_head=dict(num_classes=21),
    auxiliary_head=dict(num_classes=21),
)
optim_wrapper = dict(
    optimizer=dict(lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0),
)
train_dataloader = dict(sampler=dict(type='DefaultSampler', shuffle=True))
