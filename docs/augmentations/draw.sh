#!/usr/bin/env bash
# Draws docs/augmentations/*.png from the configs beside them, on the demo data: make sheets
set -euo pipefail
cd "$(dirname "$0")/../.."
for config in docs/augmentations/*.py; do
    "${PYTHON:-python}" tools/analysis_tools/browse_dataset.py "$config" --num 3 --seed "${SEED:-1}" \
        --out "${config%.py}.png" "$@"
    # 128 colours are a fifth of the bytes
    "${PYTHON:-python}" -c 'import sys; from PIL import Image; path = sys.argv[1]; \
        Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)' "${config%.py}.png"
done
