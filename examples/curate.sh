#!/usr/bin/env bash
# Perspective RGB-D becomes training data: render a few frames (or take your own), curate them into
# shards of panoramas, and train 50 steps on those alone. Needs pip install 'panodepth[train]'.
#   examples/curate.sh [WORK [KIND=DIR]]      e.g. examples/curate.sh work frames=my_frames
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-curate-out}
mkdir -p "$work"

if [ $# -ge 2 ]; then
  source=$2
else
  panodepth render --count "${WORLDS:-12}" --views 2 --size 240x320 --fov 90 --seed 7 \
    --out "$work/frames"
  source="frames=$work/frames"
fi

panodepth curate --source "$source" --out "$work/shards" --size 256x512 --workers 2 --chunk 8
echo "contact sheet: $work/shards/report.html"

# A tiny network on our shards alone; recipes/compact.toml explains every key.
cat > "$work/train.toml" <<TOML
[network]
preset = "tiny"

[data]
height = 56
width = 112
batch = 4
scenes_weight = 0.0
workers = 0

[[sources]]
kind = "shards"
path = "$work/shards"
weight = 1.0

[optim]
warmup = 5
ema = 0.9

[run]
out = "$work/run"
steps = ${STEPS:-50}
log_every = 10
preview_every = 0
validate_every = 0
validate_count = 0
TOML
panodepth train --recipe "$work/train.toml"
