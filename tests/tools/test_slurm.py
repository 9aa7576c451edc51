"""slurm_train.sh, under stand-ins for srun and scontrol that start the tasks on this machine."""

import json
import os

import pytest
import torch

SRUN = r"""#!/usr/bin/env bash
echo "$*" > "$SRUN_CALL"
while [[ $1 == -* ]]; do
    case $1 in
        -p) shift ;;
        --ntasks=*) export SLURM_NTASKS=${1#*=} ;;
        --ntasks-per-node=*) export SLURM_NTASKS_PER_NODE=${1#*=} ;;
    esac
    shift
done
export SLURM_NODELIST=node[1-1]
pids=()
for ((task = 0; task < SLURM_NTASKS; task++)); do
    SLURM_PROCID=$task SLURM_LOCALID=$task "$@" &
    pids+=($!)
done
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
exit $status
"""


@pytest.fixture
def slurm(tmp_path):
    for name, text in (('srun', SRUN), ('scontrol', '#!/bin/sh\necho 127.0.0.1\n')):
        file = tmp_path / 'bin' / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    path = f'{tmp_path / "bin"}:{os.environ["PATH"]}'
    return dict(PATH=path, SRUN_CALL=str(tmp_path / 'call'), GPUS='2', GPUS_PER_NODE='2')


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason='the stand-in hands out no GPUs')
def test_two_tasks_train_and_options_pass_through_whole(slurm, tiny_config, run, tmp_path):
    run(
        'tools/slurm_train.sh', 'gpu', 'my job', tiny_config, '--work-dir', tmp_path / 'a run',
        '--cfg-options', 'train_cfg.max_epochs=1', 'train_dataloader.batch_size=4',
        MASTER_PORT='29871', SRUN_ARGS='--quiet --exclusive', **slurm,
    )  # fmt: skip
    call = (tmp_path / 'call').read_text()
    assert '-p gpu' in call and '--job-name=my job' in call and '--gres=gpu:2' in call
    assert '--quiet --exclusive' in call
    (entry,) = json.loads((tmp_path / 'a run/metrics.json').read_text())['validations']
    assert entry['iter'] == 5  # 40 images over 2 tasks of 4
