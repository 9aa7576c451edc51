#!/usr/bin/env bash
# Tests on several GPUs of one or several machines. Without a GPU: on as many CPU processes.
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 PORT=29500 tools/dist_test.sh CONFIG CHECKPOINT GPUS_A_NODE
if [ $# -lt 3 ]; then
    sed -n '2,4s/^# *//p' "$0" >&2
    exit 2
fi
exec "$(dirname "$0")/torchrun.sh" "$3" test.py "$1" "$2" --launcher pytorch "${@:4}"
