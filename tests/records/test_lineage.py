import pytest
from made_leaves import write_leaf

from mmseg_ext.engine.changes import Difference
from mmseg_ext.engine.config import find_configs
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.leaf_docstring import Declaration, read_leaf
from mmseg_ext.records.lineage import MIRRORS, check_leaf, covers, differences, undeclared

DOCSTRING = '''"""SegFormer-B2, V2: focal + dice.

A word before the keys: is free.

Parent:  ../other/v1.py
Change:  model.decode_head.loss_decode: cross-entropy -> focal 1.0 + dice 1.0,
             MMSegmentation's averages
         optim_wrapper.optimizer.lr: 6e-05 -> 3e-05; a reason
Why:     two lines
         of prose: with a colon
Reconstructed:  train_dataloader.batch_size: 6; on 3 GPUs
Option:  --cfg-options optim_wrapper.optimizer.lr=1e-5
Result:  59.33 mIoU, val, epoch 200
Status:  negative result; gradients fade
"""
'''
AUGMENTED = """
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.3), dict(type='Erase')]
dataset = dict(type='PascalVOCDataset', data_root='data', pipeline=pipeline)
train_dataloader = dict(dataset=dict(datasets=[dataset, dataset]))
"""
IN_BOTH = 'train_dataloader.dataset.datasets[*].pipeline'


def check(tmp_path, body, *change, **words):
    write_leaf(tmp_path, 'v1')
    return check_leaf(read_leaf(write_leaf(tmp_path, 'v2', 'v1.py', change, body, **words)))


def needed(tmp_path, body, *change):
    """The lines that the docstring of a child lacks."""
    problems = check(tmp_path, body, *change)
    assert all(': not declared; add to Change\n' in problem for problem in problems)
    return [line.strip() for problem in problems for line in problem.splitlines()[1:]]


def test_reads_what_a_leaf_says(tmp_path):
    file = tmp_path / 'v2.py'
    file.write_text('# a comment\n' + DOCSTRING)
    leaf = read_leaf(file)
    loss = "cross-entropy -> focal 1.0 + dice 1.0, MMSegmentation's averages"
    assert leaf.changes == (
        Declaration('model.decode_head.loss_decode', loss, 7),
        Declaration('optim_wrapper.optimizer.lr', '6e-05 -> 3e-05; a reason', 9),
    )
    assert leaf.reconstructed == (Declaration('train_dataloader.batch_size', '6; on 3 GPUs', 12),)
    assert leaf.title == 'SegFormer-B2, V2: focal + dice.' and str(leaf.parent) == '../other/v1.py'
    assert leaf.why == 'two lines of prose: with a colon'
    assert leaf.headline == '59.33 mIoU' and leaf.status == 'negative result'


@pytest.mark.parametrize(
    'old, new, said',
    [
        (DOCSTRING, 'x = 1', r'v2\.py:1: not a leaf: it has no docstring'),
        (DOCSTRING, '"""Words."""', r'v2\.py:1: not a leaf: its docstring has no `Parent:`'),
        ('Parent:', 'Parents:', r'v2\.py:5: `Parents:` is no key of a leaf; did you mean Parent'),
        ('Status:', 'Why:', r'v2\.py:14: a second `Why:`'),
        ('negative result', 'bad', r"v2\.py:14: Status is 'bad; grad.*baseline, recommended"),
        ('negative result', 'baselines', r'v2\.py:14: Status is'),
        ('59.33 mIoU, val, epoch 200', '', r'v2\.py:13: `Result:` says nothing'),
        ('         of prose', 'of prose', r"v2\.py:10: neither a key nor indented: 'of prose"),
        ('model.decode_head.loss_decode:', 'the loss:', r'v2\.py:6: "the loss.* is no `PATH: TEX'),
        ('         optim', '    optim', r'v2\.py:8: .* is indented by 4, its first line by 9'),
        ('             MMS', '         MMS', r'v2\.py:7: "MMSeg.*averages" is no `PATH'),
        ('"""SegFormer', '"""SegFormer\0', r'v2\.py:1: no Python'),
        (DOCSTRING, 'x = (', r'v2\.py:1: no Python'),
    ],
)
def test_what_is_out_of_the_grammar_is_said_with_its_line(tmp_path, old, new, said):
    assert old in DOCSTRING
    (tmp_path / 'v2.py').write_text(DOCSTRING.replace(old, new))
    with pytest.raises(UsageError, match=said):
        read_leaf(tmp_path / 'v2.py')


def test_the_shared_pieces_are_no_leaves(tmp_path):
    leaf = write_leaf(tmp_path / 'segformer', 'v1')
    assert find_configs(tmp_path) == [leaf]


@pytest.mark.parametrize(
    'declared, path, covered, exactly',
    [
        ('train_cfg', 'train_cfg', True, True),
        ('train_cfg', 'train_cfg.max_epochs', True, False),
        ('train_cfg.max', 'train_cfg.max_epochs', False, False),
        ('train_cfg.max_epochs', 'train_cfg', False, False),
        ('param_scheduler', 'param_scheduler[1].end', True, False),
        ('param_scheduler[*].end', 'param_scheduler[11].end', True, True),
        ('param_scheduler[0].end', 'param_scheduler[1].end', False, False),
        ('param_scheduler[1]', 'param_scheduler[11].end', False, False),
        ('a[*].b', 'a[0].b[2].c', True, False),
        ('a.b', 'aXb', False, False),
    ],
)
def test_what_a_declared_path_covers(declared, path, covered, exactly):
    assert covers(declared, path) == covered
    assert covers(declared, path, exactly=True) == exactly


@pytest.mark.parametrize(
    'body, line',
    [
        ('train_cfg = dict(max_epochs=50)', 'train_cfg.max_epochs: 200 -> 50'),
        ("load_from = 'x.pth'", "load_from: (not set) -> 'x.pth'"),
        (
            'default_hooks = dict(logger=dict(interval=10))',
            'default_hooks.logger.interval: 50 -> 10',
        ),
        ("model = dict(pretrained='a.pth')", "model.pretrained: (not set) -> 'a.pth'"),
        ('guards = dict(strict=True)', 'guards.strict: (not set) -> True'),
        (
            "custom_imports = dict(imports=['json'])",
            "custom_imports.imports: (not set) -> ['json']",
        ),
        ("strategy = dict(type='DDPStrategy')", 'strategy: (not set) -> DDPStrategy'),
        ("tta_model = dict(type='SegTTAModel')", 'tta_model: (not set) -> SegTTAModel'),
        ('env_cfg = dict(cudnn_benchmark=True)', 'env_cfg.cudnn_benchmark: (not set) -> True'),
        ("custom_hooks = [dict(type='EMAHook')]", 'custom_hooks: + EMAHook'),
        ("param_scheduler = [dict(type='PolyLR', end=9)]", None),
    ],
)
def test_names_the_line_that_the_docstring_lacks(tmp_path, body, line):
    line = line or 'param_scheduler: - LinearLR, PolyLR changed'
    assert needed(tmp_path, body) == [line]
    assert needed(tmp_path, body, line) == []
    assert needed(tmp_path, body, f'{line}; a reason') == []


def test_a_long_value_may_be_cut_or_whole(tmp_path):
    body = f"load_from = '{'a' * 70}/epoch_200.pth'"
    (line,) = needed(tmp_path, body)
    assert line.endswith("a/epoch_200.pth'")
    assert needed(tmp_path, body, line) == []
    assert needed(tmp_path, body, f"load_from: (not set) -> '{'a' * 56}...; a reason") == []
    (problem,) = check(tmp_path, body, line.replace('200', '100'))
    assert f'but it is\n    {line}\n' in problem


def test_the_arguments_of_another_class_have_to_be_declared(tmp_path):
    body = (
        "optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=0.01, betas=(0, 1)))"
    )
    assert needed(tmp_path, body) == [
        'optim_wrapper.optimizer.betas: (not set) -> [0, 1]',
        'optim_wrapper.optimizer.momentum: 0.9 -> (not set)',
        "optim_wrapper.optimizer.type: 'SGD' -> 'AdamW'",
    ]
    assert needed(tmp_path, body, 'optim_wrapper.optimizer: SGD -> AdamW') == []


def test_a_variable_that_acts_through_nothing_is_no_change(tmp_path):
    (problem,) = check(tmp_path, "crop_size = (64, 64)\nwork_dir = 'elsewhere'")
    assert problem.endswith('v2.py: does not differ from its parent v1.py')


def test_what_several_data_sets_share_is_one_line(tmp_path):
    line = f'{IN_BOTH}: RandomFlip changed, + Erase'
    assert needed(tmp_path, AUGMENTED) == [line]
    assert needed(tmp_path, AUGMENTED, line) == []
    assert needed(tmp_path, AUGMENTED, f'{IN_BOTH}: stronger') == []
    assert needed(tmp_path, AUGMENTED, line.replace('[*]', '[0]')) == [line.replace('[*]', '[1]')]


def test_an_index_that_all_share_stays(tmp_path):
    found = [Difference(f'a[{i}].p[2].prob', 1, 2) for i in (0, 1)]
    found += [Difference('a[0].p[3].prob', 1, 3)]
    assert undeclared(found, ()) == ['a[*].p[2].prob: 1 -> 2', 'a[0].p[3].prob: 1 -> 3']


def test_a_data_root_is_that_of_the_datasets_as_in_a_run(tmp_path):
    write_leaf(tmp_path, 'v1')
    child = write_leaf(tmp_path, 'v2', 'v1.py', body="data_root = 'mine'")
    base = tmp_path / '_base_/base.py'
    base.write_text(f"data_root = 'data'\n{base.read_text()}")
    paths = [difference.path for difference in differences(read_leaf(child))]
    assert paths == [
        'train_dataloader.dataset.datasets[0].data_root',
        'train_dataloader.dataset.datasets[1].data_root',
        'val_dataloader.dataset.data_root',
        'test_dataloader.dataset.data_root',
    ]


@pytest.mark.parametrize(
    'text', ['0.01 -> .005', '0.01 -> 0.005, halved', '1e-2 -> 0.005', '0.01 -> 0.005 (halved)']
)
def test_a_value_in_other_words_is_told_how_to_write_it(tmp_path, text):
    path = 'optim_wrapper.optimizer.lr'
    body = 'optim_wrapper = dict(optimizer=dict(lr=0.005))'
    (problem,) = check(tmp_path, body, f'{path}: {text}')
    assert problem.endswith(
        f'but it is\n    {path}: 0.01 -> 0.005\n(write it so; a reason goes after a semicolon)'
    )
    leaf = write_leaf(tmp_path, 'v3', reconstructed=[f'{path}: 0.01, by guess'])
    (problem,) = check_leaf(read_leaf(leaf))
    assert 'a reason goes after a semicolon' in problem


@pytest.mark.parametrize('mirror, section', MIRRORS.items())
def test_what_follows_from_another_section_needs_no_line(mirror, section):
    followed = [Difference(f'{part}.size', 1, 2) for part in (section, mirror)]
    assert undeclared(followed, ()) == [f'{section}.size: 1 -> 2']
    own = [followed[0], followed[1]._replace(new=3)]
    assert undeclared(own, ()) == [f'{section}.size: 1 -> 2', f'{mirror}.size: 1 -> 3']


def test_what_the_test_set_alone_changes_needs_a_line(tmp_path):
    both = 'val_dataloader = dict(batch_size=4)\ntest_dataloader = val_dataloader'
    assert needed(tmp_path, both) == ['val_dataloader.batch_size: 1 -> 4']
    assert needed(tmp_path, both, 'val_dataloader.batch_size: 1 -> 4') == []
    alone = 'test_dataloader = dict(batch_size=4)'
    (tmp_path / 'alone').mkdir()
    assert needed(tmp_path / 'alone', alone) == ['test_dataloader.batch_size: 1 -> 4']


@pytest.mark.parametrize(
    'change, said',
    [
        ('train_cfg.max_epochs: 200 -> 60', 'but it is\n    train_cfg.max_epochs: 200 -> 50'),
        ('train_cfg.max_epochs: 200 -> 5', 'but it is\n    train_cfg.max_epochs: 200 -> 50'),
        ('train_cfg.max_epochs: 200 -> 500', 'but it is\n    train_cfg.max_epochs: 200 -> 50'),
        ('train_cfg.max_epochs: fewer', 'but it is\n    train_cfg.max_epochs: 200 -> 50'),
        ('train_cfg.val_interval: 10 -> 5', ':4: declared, but there nothing differs'),
        (f'{IN_BOTH}: + Erase, - RandomFlip', f'but it is\n    {IN_BOTH}: RandomFlip changed, + '),
        (f'{IN_BOTH}: - Erase', f'but it is\n    {IN_BOTH}: RandomFlip changed, + Erase'),
    ],
)
def test_a_line_that_is_not_so_is_said_once_with_what_is(tmp_path, change, said):
    body = f'{AUGMENTED}\ntrain_cfg = dict(max_epochs=50)'
    rest = ['train_cfg: shorter', f'{IN_BOTH}: stronger']
    (problem,) = check(tmp_path, body, change, *rest)
    assert 'v2.py:4: declared' in problem and said in problem and change in problem
    assert check(tmp_path, body, *rest) == []


@pytest.mark.parametrize(
    'declared, said',
    [
        ('train_dataloader.batch_size: 4', 'but it is\n    train_dataloader.batch_size: 6'),
        ('train_dataloader.batch: 6', 'the config has no train_dataloader.batch'),
        ('param_scheduler[*].end: 200', 'but it is\n    param_scheduler[*].end: 20'),
        ('param_scheduler[7].end: 200', 'the config has no param_scheduler[7].end'),
        ('train_cfg.type.name: x', 'the config has no'),
    ],
)
def test_a_reconstructed_value_that_is_not_the_resolved_one(tmp_path, declared, said):
    (problem,) = check_leaf(read_leaf(write_leaf(tmp_path, 'v1', reconstructed=[declared])))
    assert 'v1.py:4: ' in problem and said in problem


def test_reconstructed_values_that_are(tmp_path):
    values = [
        'train_dataloader.batch_size: 6; on 3 GPUs',
        'param_scheduler[1].end: 200',
        'train_dataloader.dataset.datasets[*].pipeline: [LoadImageFromFile, RandomFlip]',
        'model.decode_head.loss_decode: CrossEntropyLoss',
        "model.decode_head.type: 'FCNHead'",
        'optim_wrapper.paramwise_cfg.custom_keys.backbone.norm.decay_mult: 0.0',
        'load_from: (not set)',
    ]
    assert check_leaf(read_leaf(write_leaf(tmp_path, 'v1', reconstructed=values))) == []


def test_a_change_from_no_parent(tmp_path):
    leaf = read_leaf(write_leaf(tmp_path, 'v1', change=['train_cfg: new']))
    (problem,) = check_leaf(leaf)
    assert problem.endswith('v1.py:4: declared, but there is no parent: train_cfg: new')


def test_a_parent_that_is_none(tmp_path):
    change = ['train_cfg.max_epochs: 200 -> 50']
    leaf = write_leaf(tmp_path, 'v2', 'v1.py', change, 'train_cfg = dict(max_epochs=50)')
    assert check_leaf(read_leaf(leaf)) == [
        f'{leaf}: its parent v1.py does not exist; Parent is a file name relative to the leaf, or '
        'none'
    ]
    (tmp_path / 'v1.py').write_text('lr = 1')
    (problem,) = check_leaf(read_leaf(leaf))
    assert 'its parent v1.py cannot be read' in problem and 'v1.py:1: not a leaf' in problem
    write_leaf(tmp_path, 'v1', 'v2.py')
    (problem,) = check_leaf(read_leaf(leaf))
    assert problem == f'{tmp_path / "v1.py"}: its parent v2.py descends from it'
    (problem,) = check_leaf(read_leaf(write_leaf(tmp_path, 'v3', 'v2.py')))
    assert problem == f'{tmp_path / "v1.py"}: its parent v2.py descends from it'


def test_the_parent_need_not_be_what_a_leaf_inherits_from(tmp_path):
    write_leaf(tmp_path, 'v1')
    child = write_leaf(tmp_path, 'v2', change=['train_cfg: x'], body='train_cfg = dict(end=1)')
    child.write_text(child.read_text().replace('Parent:  none', 'Parent:  v1.py'))
    assert check_leaf(read_leaf(child)) == []
    assert differences(read_leaf(child)) == [Difference('train_cfg.end', None, 1)]


def test_a_config_that_does_not_load_is_an_error_of_its_own(tmp_path):
    write_leaf(tmp_path, 'v1')
    leaf = read_leaf(write_leaf(tmp_path, 'v2', 'v1.py', body='x = 1 / 0'))
    with pytest.raises(UsageError, match=r'v2\.py does not load: ZeroDivisionError'):
        check_leaf(leaf)
