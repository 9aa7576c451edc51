"""Leaves over one small base, for the tests of the lineage."""

BASE = """
pipeline = [dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.5)]
dataset = dict(type='PascalVOCDataset', data_root='data', pipeline=pipeline)
model = dict(
    type='EncoderDecoder',
    pretrained=None,
    decode_head=dict(type='FCNHead', loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0)))
train_dataloader = dict(
    batch_size=6, dataset=dict(type='ConcatDataset', datasets=[dataset, dataset]))
val_dataloader = dict(batch_size=1, dataset=dataset)
test_dataloader = val_dataloader
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=200, val_interval=10)
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9),
    paramwise_cfg=dict(custom_keys={'backbone.norm': dict(decay_mult=0.0)}))
param_scheduler = [dict(type='LinearLR', end=20), dict(type='PolyLR', begin=20, end=200)]
default_hooks = dict(logger=dict(type='LoggerHook', interval=50))
load_from = None
"""


def write_leaf(
    folder, name, parent=None, change=(), body='', reconstructed=(), result='not run yet',
    status='baseline',
):  # fmt: skip
    """Writes a leaf that inherits from its parent, or from the base; returns its file."""
    base = folder / '_base_/base.py'
    base.parent.mkdir(parents=True, exist_ok=True)
    base.write_text(BASE)
    lines = [f'{name}.', '', f'Parent:  {parent or "none"}']
    for key, values in (('Change', change), ('Reconstructed', reconstructed)):
        indent = ' ' * len(f'{key}:  ')
        lines += [f'{key}:  {each}' if not i else indent + each for i, each in enumerate(values)]
    lines += ['Why:     because', f'Result:  {result}', f'Status:  {status}']
    text = '\n'.join(lines)
    file = folder / f'{name}.py'
    file.write_text(f'"""{text}\n"""\n_base_ = {parent or "_base_/base.py"!r}\n{body}')
    return file
