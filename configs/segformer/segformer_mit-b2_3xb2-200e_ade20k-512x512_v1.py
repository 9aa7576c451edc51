"""SegFormer-B2 on ADE20K, V1: the rates of VOC's V3, focal 0.7 + dice 1.3, cut-out.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v3.py
Change:  train_dataloader.dataset: ADE20K, with RandomCutOut after PhotoMetricDistortion
         val_dataloader.dataset: ADE20K
         train_dataloader.batch_size: 6 -> 2
         model.decode_head.num_classes: 21 -> 150
         model.decode_head.loss_decode.focal_weight: 1.0 -> 0.7
         model.decode_head.loss_decode.dice_weight: 1.0 -> 1.3
         model.backbone.init_cfg: ImageNet again
         load_from:
             'work_dirs/segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2/epoch_200.pth'
             -> (not set)
Why:     150 classes. The rate is a tenth of SegFormer's, at 6 images instead of 16: a fine-tuning
         rate for a head that starts from nothing.
Reconstructed:
         train_dataloader.dataset.pipeline[6].cutout_ratio: [[0.02, 0.02], [0.05, 0.05],
             [0.1, 0.1], [0.2, 0.2]]; the notes have the first and the last
Result:  not known, the user's notes have none; V1.1 goes on from its epoch 120
Status:  baseline
"""

_base_ = [
    '../_base_/models/segformer_mit-b2_focal-dice.py',
    '../_base_/datasets/ade20k.py',
    '../_base_/random_cut_out.py',
    '../_base_/schedules/schedule_200e_adamw.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    decode_head=dict(num_classes=150, loss_decode=dict(focal_weight=0.7, dice_weight=1.3)),
)
train_pipeline = [
    *_base_.train_pipeline[:-1],
    _base_.cut_out,
    dict(type='Pad', size=_base_.crop_size),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(
    batch_size=2,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(pipeline=train_pipeline),
)
optim_wrapper = dict(optimizer=dict(lr=6e-6))
param_scheduler = [
    dict(_base_.param_scheduler[0], start_factor=1e-7),
    dict(_base_.param_scheduler[1], end=201),
]
