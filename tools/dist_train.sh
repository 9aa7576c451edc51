#!/usr/bin/env bash
# Trains on several GPUs of one or several machines. Without a GPU: on as many CPU processes.
#   tools/dist_train.sh CONFIG GPUS [options of train.py]
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 PORT=29500 tools/dist_train.sh CONFIG GPUS_A_NODE
if [ $# -lt 2 ]; then
    sed -n '2,4s/^# *//p' "$0" >&2
    exit 2
fi
exec "$(dirname "$0")/torchrun.sh" "$2" train.py "$1" --launcher pytorch "${@:3}"
