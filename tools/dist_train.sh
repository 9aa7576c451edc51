#!/usr/bin/env bash
# Trains on several GPUs of one or several machines. Without a GPU: on as many CPU processes.
#   tools/dist_train.sh CONFIG GPUS [options of train.py]
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 PORT=29500 tools/dist_train.sh CONFIG GPUS_A_NODE
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,4s/^# *//p' "$0" >&2
    exit 2
fi
NNODES=${NNODES:-1}
# on one machine 0 means any free port; several machines must agree on one
[ "$NNODES" -eq 1 ] && PORT=${PORT:-0}
PYTHONPATH="$(dirname "$0")/..:${PYTHONPATH:-}" exec "${PYTHON:-python}" -m mmseg_ext.engine.launch \
    --nnodes="$NNODES" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$2" \
    "$(dirname "$0")/train.py" "$1" --launcher pytorch "${@:3}"
