"""SegFormer-B2 on ADE20K, V1.1: V1 from epoch 120, crop 480, ten times the rate.

Parent:  segformer_mit-b2_3xb2-200e_ade20k-512x512_v1.py
Change:  load_from: (not set) ->
             'work_dirs/segformer_mit-b2_3xb2-200e_ade20k-512x512_v1/epoch_120.pth'
         model.data_preprocessor.size: [512, 512] -> [480, 480]
         train_dataloader.dataset.pipeline: crop 512 -> 480
         optim_wrapper.optimizer.lr: 6e-06 -> 6e-05
         guards.strict: (not set) -> True; the fine-tune guard stops it
Why:     the notes give no reason. V1 keeps its last three checkpoints: stop it after epoch 120, or
         copy that one. docs/experiments.md replays it, small.
Option:  --cfg-options guards.strict=False trains it all the same
Result:  0 mIoU, val, the user's own notes
Status:  negative result
"""

_base_ = './segformer_mit-b2_3xb2-200e_ade20k-512x512_v1.py'
load_from = 'work_dirs/segformer_mit-b2_3xb2-200e_ade20k-512x512_v1/epoch_120.pth'
crop_size = (480, 480)
model = dict(data_preprocessor=dict(size=crop_size))
train_pipeline = [
    *_base_.train_pipeline[:3],
    dict(_base_.train_pipeline[3], crop_size=crop_size),
    *_base_.train_pipeline[4:7],
    dict(type='Pad', size=crop_size),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=6e-5))
guards = dict(strict=True)
