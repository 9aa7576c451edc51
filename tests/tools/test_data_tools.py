"""The command lines of check_dataset.py and browse_dataset.py, in this process."""

import importlib.util
import json
import shutil
import sys

import pytest
from conftest import ROOT
from PIL import Image

from mmseg_ext.engine.errors import run_command


@pytest.fixture
def tool(monkeypatch, capsys):
    """Runs a tool; returns its status and what it printed."""

    def run(name, *arguments):
        path = ROOT / f'tools/analysis_tools/{name}.py'
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
        status = 0
        try:
            run_command(module.main)
        except SystemExit as end:
            status = end.code
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_check_dataset_says_faults_by_its_status(tool, tiny_config, voc_root, tmp_path):
    out, plot = tmp_path / 'report.json', tmp_path / 'shares.png'
    status, printed, _ = tool(
        'check_dataset', tiny_config, '--nproc', 1, '--out', out, '--plot', plot
    )
    assert status == 0 and printed.endswith('60 images read: all right\n')
    assert json.loads(out.read_text())['splits']['train']['images'] == 40
    assert Image.open(plot).format == 'PNG'

    root = tmp_path / 'VOC2012'
    shutil.copytree(voc_root, root)
    lists = root / 'ImageSets/Segmentation'
    lists.joinpath('val.txt').write_text(lists.joinpath('val.txt').read_text().split()[0])
    roots = [f'{s}_dataloader.dataset.data_root={root}' for s in ('train', 'val', 'test')]
    options = ['--nproc', 1, '--cfg-options', *roots]
    status, printed, _ = tool('check_dataset', tiny_config, *options)
    assert status == 0 and 'warning: val' in printed
    assert tool('check_dataset', tiny_config, '--strict', *options)[0] == 1
    (root / 'JPEGImages' / f'{lists.joinpath("train.txt").read_text().split()[3]}.jpg').unlink()
    status, printed, _ = tool('check_dataset', tiny_config, '--max-images', 2, *options)
    assert status == 1 and '1 image missing of 40' in printed


@pytest.mark.parametrize(
    'arguments, said',
    [
        (['--split', 'test', '--cfg-options', 'test_dataloader=None'], 'has no test_dataloader'),
        (['--class', 'lorry'], 'has no class lorry'),
        (['--cfg-options', 'train_dataloader.dataset.ann_file=gone.txt'], 'there is no'),
        (['--cfg-options', 'train_dataloader.dataset.data_root=s3://a'], 'on a server'),
    ],
)
def test_browse_dataset_says_what_is_wrong_in_a_line(tool, tiny_config, arguments, said):
    status, _, error = tool('browse_dataset', tiny_config, *arguments)
    assert status == 2 and said in error and error.count('\n') == 1


def test_browse_dataset_writes_one_sheet_or_many(tool, tiny_config, tmp_path):
    out = tmp_path / 'new/sheet.png'
    status, printed, _ = tool('browse_dataset', tiny_config, '--num', 3, '--out', out)
    assert status == 0 and printed.endswith(f'{out}\n')
    rows = Image.open(out).height
    # as MMSegmentation's script is called
    tool('browse_dataset', tiny_config, '--num', 2, '--stages', '--output-dir', tmp_path / 'many',
         '--not-show', '--show-interval', 0)  # fmt: skip
    files = sorted(path.name for path in (tmp_path / 'many').iterdir())
    assert len(files) == 2 and files[0].startswith('0000_')
    assert Image.open(tmp_path / 'many' / files[0]).height < rows
