#!/usr/bin/env bash
# What dist_train.sh and dist_test.sh share: torchrun.sh GPUS SCRIPT ARGUMENTS...
set -euo pipefail
nodes=${NNODES:-1}
# on one machine 0 means any free port; several machines must agree on one
[ "$nodes" = 1 ] && port=0 || port=29500
PYTHONPATH="$(dirname "$0")/..:${PYTHONPATH:-}" exec "${PYTHON:-python}" -m mmseg_ext.engine.launch \
    --nnodes="$nodes" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-$port}" \
    --nproc_per_node="$1" \
    "$(dirname "$0")/$2" "${@:3}"
