#!/usr/bin/env bash
# Tests on several GPUs of one or several machines. Without a GPU: on as many CPU processes.
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 PORT=29500 tools/dist_test.sh CONFIG CHECKPOINT GPUS_A_NODE
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,4s/^# *//p' "$0" >&2
    exit 2
fi
NNODES=${NNODES:-1}
[ "$NNODES" -eq 1 ] && PORT=${PORT:-0}
PYTHONPATH="$(dirname "$0")/..:${PYTHONPATH:-}" exec "${PYTHON:-python}" -m mmseg_ext.engine.launch \
    --nnodes="$NNODES" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$3" \
    "$(dirname "$0")/test.py" "$1" "$2" --launcher pytorch "${@:4}"
