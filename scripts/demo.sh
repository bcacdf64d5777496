#!/usr/bin/env bash
# Makes a clip, downloads or fits a network, propagates the masks through the clip, scores and shows them.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

python=.venv/bin/python
out=output/demo
weights=saves/propagation_model.pth

$python -m scripts.make_demo_clip --output "$out/clip"

# The time limit is for slow connections; a partial download is kept for later.
name="the weights in $weights"
reading=()
if [ ! -f "$weights" ] && ! timeout 300 $python download_model.py --once; then
    weights=$out/one_shot_fit.pth
    name="a one-shot fit (a network trained on the first masks of this clip alone)"
    reading=(--no_previous) # small mistakes would grow from frame to frame
    if [ ! -f "$weights" ]; then
        $python -m scripts.fit_first_frame --frames "$out"/clip/trainval/JPEGImages/480p/* \
            --masks "$out"/clip/first_masks/* --size 240 --output "$weights"
    else
        echo "Using the fit of an earlier run, $weights (remove it to fit again)."
    fi
fi

echo
echo "Propagating the masks through the clip with $name ..."
$python eval_davis.py --davis "$out/clip" --late_objects --model "$weights" "${reading[@]}" --precision auto \
    --overwrite --output "$out/masks" --score --contact_sheet "$out" --overlay "$out"
echo
echo "For comparison, each first mask repeated on all later frames:"
$python -m scripts.score_static_masks --davis "$out/clip" --late_objects --overwrite \
    --output "$out/static_masks"

mean() { awk -F, '$1 == "mean" { print $3 }' "$1/results.csv"; }
video=$(cat "$out"/clip/trainval/ImageSets/2017/val.txt)
echo
echo "J&F $(mean "$out/masks") with $name,"
echo "J&F $(mean "$out/static_masks") with masks that do not move."
echo "masks    $PWD/$out/masks/$video"
echo "picture  $PWD/$out/$video.jpg"
echo "video    $PWD/$out/$video.mp4"
