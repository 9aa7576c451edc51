import json
import runpy
import sys

import cv2
import pytest
from conftest import ROOT
from made_leaves import write_leaf

from mmseg_ext.records.lineage_table import BEGIN, END

V1 = 'segformer_mit-b2_3xb6-200e_voc12aug-512x512_v1'
V2 = V1.replace('v1', 'v2')
ERASING = f'{V2}-erasing'
ADE = 'segformer_mit-b2_3xb2-200e_ade20k-512x512_v1'


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """A folder with four generations, from which the tool is run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('COLUMNS', '200')
    folder = tmp_path / 'configs'
    write_leaf(folder, V1, result='58.6 mIoU, val')
    write_leaf(
        folder, V2, f'{V1}.py', ['train_cfg.max_epochs: 200 -> 50; shorter'],
        'train_cfg = dict(max_epochs=50)', result='29.33 mIoU, val', status='recommended',
    )  # fmt: skip
    changes = [f'train_cfg.{name}: x|<y>* -> z' for name in ('a', 'b', 'c', 'd', 'e')]
    write_leaf(folder, ERASING, f'{V2}.py', changes, status='ablation')
    write_leaf(folder, ADE, f'{V2}.py', ['load_from: x'], status='negative result')
    return folder


@pytest.fixture
def lineage(monkeypatch, capsys):
    """Runs the tool in this process; returns its status and what it said."""

    def lineage(*words):
        monkeypatch.setattr(sys, 'argv', ['lineage.py', *map(str, words)])
        status = 0
        try:
            runpy.run_path(str(ROOT / 'tools/analysis_tools/lineage.py'), run_name='__main__')
        except SystemExit as end:
            status = int(end.code or 0)
        return status, ''.join(capsys.readouterr())

    return lineage


def test_the_tree_in_the_terminal(configs, lineage):
    status, said = lineage()
    assert status == 0
    assert said.splitlines() == [
        f'{V1}  baseline  58.6 mIoU',
        '└── v2  recommended  29.33 mIoU  train_cfg.max_epochs',
        '    ├── 3xb2-200e ade20k-512x512 v1  negative result  not run yet  load_from',
        '    └── v2-erasing  ablation  not run yet  train_cfg.a, train_cfg.b, train_cfg.c, '
        'train_cfg.d, and 1 more',
    ]


def test_one_leaf_with_its_ancestors_and_beside_its_run(configs, lineage):
    run = configs.parent / 'work_dirs' / V2
    run.mkdir(parents=True)
    validations = [dict(epoch=e, iter=e, metrics=dict(mIoU=s)) for e, s in ((1, 61.5), (2, 60))]
    (run / 'metrics.json').write_text(json.dumps(dict(validations=validations)))
    _, said = lineage(configs / f'{V2}.py', '--work-dirs', 'work_dirs')
    first, second = said.splitlines()
    assert V1 in first and 'best run' not in first
    assert '29.33 mIoU  best run 61.50 (epoch 1)  train_cfg' in second
    _, table = lineage('--markdown', '--work-dirs', 'work_dirs')
    assert '| status | best run |' in table and '| recommended | 61.50 (epoch 1) |' in table


def test_a_leaf_whose_parent_is_not_shown_says_it(configs, lineage):
    other = configs.parent / 'other'
    other.mkdir()
    (configs / f'{ADE}.py').rename(other / f'{ADE}.py')
    file = other / f'{ADE}.py'
    file.write_text(file.read_text().replace(V2, f'../configs/{V2}'))
    assert f'from ../configs/{V2}.py' in lineage(other)[1]


def test_the_table_is_grouped_linked_and_safe(configs, lineage):
    _, said = lineage('--markdown')
    lines = said.splitlines()
    assert lines[0] == '| version | parent | what changed | result | status |'
    assert lines[2] == '| **segformer mit-b2, voc12aug** |  |  |  |  |'
    assert lines[3] == f'| [{V1}](configs/{V1}.py) |  |  | 58.6 mIoU | baseline |'
    assert lines[4] == (
        f'| [v2](configs/{V2}.py) | v1 | `train_cfg.max_epochs` 200 -> 50 | 29.33 mIoU | '
        'recommended |'
    )
    texts = '; '.join(rf'`train_cfg.{name}` x\|&lt;y>\* -> z' for name in 'abc')
    assert lines[5] == (
        f'| [v2-erasing](configs/{ERASING}.py) | v2 | {texts}; and 2 more | not run yet | '
        'ablation |'
    )
    assert lines[6] == '| **segformer mit-b2, ade20k** |  |  |  |  |'
    assert lines[7].split(' | ')[1] == '3xb6-200e voc12aug-512x512 v2'
    assert len(lines) == 8


def test_update_replaces_what_is_between_the_markers_and_links_from_there(configs, lineage):
    readme = configs.parent / 'docs/README.md'
    readme.parent.mkdir()
    readme.write_text(f'before\n{BEGIN}\nold\n{END}\nafter')
    assert lineage('--update', readme)[0] == 0
    text = readme.read_text()
    assert text.startswith(f'before\n{BEGIN}\n| version |') and text.endswith(f'\n{END}\nafter')
    assert 'old' not in text and f'(../configs/{V1}.py)' in text
    lineage('--update', readme)
    assert readme.read_text() == text


def test_update_keeps_the_line_ends(configs, lineage):
    readme = configs.parent / 'README.md'
    readme.write_bytes(f'\u00e4\r\n{BEGIN}\r\n{END}\r\nafter\n'.encode())
    assert lineage('--update', readme)[0] == 0
    lines = readme.read_bytes().split(b'\n')
    assert lines[0] == '\u00e4\r'.encode() and lines[-2:] == [b'after', b'']
    assert len(lines) == 8 + 5 and all(line.endswith(b'\r') for line in lines[:-2])
    for name in (ERASING, ADE):
        (configs / f'{name}.py').unlink()
    assert 'table of versions is stale' in lineage('--check')[1]
    lineage('--update', readme)
    assert lineage('--check') == (0, 'configs: 2 leaves, 0 problems\n')


def test_update_loses_no_leaf_that_is_there(configs, lineage):
    other = configs.parent / 'other'
    write_leaf(other, 'mine')
    readme = configs.parent / 'README.md'
    readme.write_text(f'{BEGIN}\n{END}\n')
    assert lineage('configs', 'other', '--update', readme)[0] == 0
    text = readme.read_text()
    for paths, lost, first in (
        (['configs'], 1, 'other/mine.py'),
        (['other'], 4, f'configs/{V1}.py'),
        ([configs / f'{V2}.py', 'other'], 2, f'configs/{ERASING}.py'),
    ):
        status, said = lineage(*paths, '--update', readme)
        assert status == 2 and readme.read_text() == text and len(said.splitlines()) == 1
        assert f'would lose {lost} leaves, {first} the first; name the folders' in said
    (other / 'mine.py').unlink()
    assert lineage('configs', '--update', readme)[0] == 0
    assert 'mine' not in readme.read_text()


def test_check_takes_folders_with_one_readme_together_and_each_leaf_once(configs, lineage):
    for name in (ERASING, ADE):
        (configs / f'{name}.py').unlink()
    write_leaf(configs.parent / 'other', 'mine')
    readme = configs.parent / 'README.md'
    readme.write_text(f'{BEGIN}\n{END}\n')
    _, said = lineage('configs', 'other', 'configs', configs / f'{V2}.py', '--check')
    assert '3 leaves, 1 problem' in said
    (command,) = (line.partition('; python ')[2] for line in said.splitlines()[1:])
    lineage(*command.split()[1:])
    assert lineage('configs', 'other', '--check') == (0, 'configs other: 3 leaves, 0 problems\n')
    (configs / f'{V2}.py').write_text('nothing')
    _, said = lineage('configs', 'configs', '--check')
    assert '2 leaves, 1 problem' in said and said.count('not a leaf') == 1


@pytest.mark.parametrize(
    'suffix, begins', [('svg', b'<?xml'), ('pdf', b'%PDF'), ('PNG', b'\x89PNG')]
)
def test_a_picture_is_what_its_name_says(configs, lineage, suffix, begins):
    assert lineage('--picture', f'tree.{suffix}') == (0, f'wrote tree.{suffix}\n')
    assert (configs.parent / f'tree.{suffix}').read_bytes().startswith(begins)


def test_check_finds_lies_and_a_stale_table_and_exits_with_1(configs, lineage):
    status, said = lineage('--check')
    assert status == 1 and '4 leaves' in said and f'{ERASING}.py:4: declared, but' in said
    for name in (ERASING, ADE):
        (configs / f'{name}.py').unlink()
    assert lineage('--check') == (0, 'configs: 2 leaves, 0 problems\n')
    readme = configs.parent / 'README.md'
    readme.write_text(f'{BEGIN}\n{END}\n')
    status, said = lineage('--check')
    assert status == 1 and 'README.md: the table of versions is stale; python ' in said
    lineage('--update', 'README.md')
    assert lineage('--check')[0] == 0
    (configs / 'broken.py').write_text('"""Nothing."""')
    status, said = lineage('--check', 'configs')
    assert status == 1 and '3 leaves, 1 problem' in said and 'broken.py:1: not a leaf' in said
    assert lineage('--check', configs / f'{V2}.py')[0] == 0


def test_the_picture_has_a_row_for_each_leaf(configs, lineage):
    assert lineage('--picture', 'all.png') == (0, 'wrote all.png\n')
    assert lineage(configs / f'{V2}.py', '--picture', 'two.png')[0] == 0
    big, small = (cv2.imread(name) for name in ('all.png', 'two.png'))
    assert big.shape[0] > small.shape[0] + 50 and big.shape[1] >= small.shape[1]
    # the bar of 29.33, in the colour of a recommended version, is the only wide thing in it
    green = (big == (44, 160, 44)).all(axis=-1).sum(axis=1).max()
    blue = (big == (180, 119, 31)).all(axis=-1).sum(axis=1).max()
    assert green / blue == pytest.approx(29.33 / 58.6, abs=0.1)


@pytest.mark.parametrize(
    'words, said',
    [
        (['gone'], 'error: there is no folder or config gone'),
        (['empty'], 'error: there is no config in empty'),
        (['empty', '--check'], 'error: there is no config in empty'),
        (['notes.md'], r'error: notes.md:1: no'),
        (['--update', 'notes.md'], f'error: notes.md has not the lines {BEGIN} and {END}'),
        (['--update', 'gone.md'], 'error: there is no file gone.md'),
        (['--picture', 'gone/x.png'], 'error: there is no folder gone; make it first'),
        (['--work-dirs', 'gone'], 'error: there is no folder gone'),
        (['--picture', 'x.jpg'], 'error: x.jpg: the name of a picture ends in .png, .svg, .pdf'),
        (['--picture', 'x'], 'error: x: the name of a picture ends in .png'),
        (['--picture', 'empty'], 'error: empty is a folder; name a file'),
        (['--update', 'old.md'], 'error: old.md is not UTF-8 ('),
        (['--update', 'old.md', '--work-dirs', '.'], 'error: --work-dirs goes with the terminal,'),
        (['--check', '--work-dirs', '.'], 'error: --work-dirs goes with the terminal,'),
        (['named'], 'error: named/a.py is a folder that is named like a config; rename it'),
        (['--check', '--markdown'], 'not allowed with argument --check'),
    ],
)
def test_misuse_is_said_in_a_line(configs, lineage, words, said):
    (configs.parent / 'empty').mkdir()
    (configs.parent / 'named/a.py').mkdir(parents=True)
    (configs.parent / 'old.md').write_bytes(f'\u00e4\n{BEGIN}\n{END}\n'.encode('latin-1'))
    (configs.parent / 'notes.md').write_text(f'some words\n{END}\n{BEGIN}\n')
    status, text = lineage(*words)
    assert status == 2 and said in text and 'Traceback' not in text
    assert text.count('error: ') == 1 and not list(configs.parent.glob('.*'))


def test_a_broken_family_is_no_tree(configs, lineage):
    (configs / f'{V1}.py').unlink()
    status, said = lineage()
    assert status == 2 and f'its parent {V1}.py does not exist' in said
