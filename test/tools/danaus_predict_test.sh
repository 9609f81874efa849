# danaus_predict_test.sh DANAUS MAKE_TINY MAKE_DATA: `danaus predict` as users call it, with a model
# made by hand and images made here.
danaus=$1 make_tiny=$2 make_data=$3
. "$(dirname "$0")/expect.sh"

cd "$work" || exit 1
"$make_tiny" "$work" || exit 1
export DANAUS_DATA=$work/data XDG_CACHE_HOME=$work/cache HOME=$work TERM=dumb
"$make_data" png grey.png 1 28 28 && "$make_data" jpeg colour.jpg 3 28 28 &&
  "$make_data" png large.png 3 40 30 || exit 1
"$danaus" train tiny.dnb --out run --quiet --threads 1 >/dev/null || exit 1

expect 0 "Examples:" predict --help
expect 2 "give the images" predict run
expect 2 "--top 0 leaves nothing" predict run grey.png --top 0
expect 2 "holds no weights" predict tiny.dnb grey.png
expect 2 "a folder, but not of a run" predict data grey.png

# Five classes by default, named as the dataset names them; a colour image is turned grey.
expect 0 "colour.jpg" predict run grey.png colour.jpg
[ "$(echo "$output" | grep -c '^  ')" -eq 10 ] || fail "not five classes each: $output"
expect 0 "grey.png" predict run grey.png --top 100 --threads 1
[ "$(echo "$output" | grep -c '^  ')" -eq 10 ] || fail "not ten classes: $output"
case $output in *"  Ankle boot "*) ;; *) fail "no names: $output" ;; esac
expect 0 "grey.png" predict tiny.dnb grey.png --weights run/checkpoints/best

"$danaus" predict run grey.png colour.jpg --json --top 10 >predict.json || fail "--json"
python3 - <<'PY' || fail "JSON: $(cat predict.json)"
import json
images = json.load(open("predict.json"))["images"]
assert [image["image"] for image in images] == ["grey.png", "colour.jpg"]
for image in images:
    probabilities = [entry["probability"] for entry in image["classes"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert abs(sum(probabilities) - 1) <= 1e-7
    assert sorted(entry["class"] for entry in image["classes"]) == list(range(10))
    assert {entry["class"]: entry["name"] for entry in image["classes"]}[9] == "Ankle boot"
PY

# Images that cannot be used.
expect 4 "'large.png' has 30 x 40 pixels (width x height); the model takes 28 x 28" predict run large.png
head -c 60 grey.png >cut.png
expect 4 "'cut.png' is damaged" predict run grey.png cut.png
expect 9 "absent.png" predict run absent.png
head -c 100 run/checkpoints/best/model.safetensors >short.safetensors
expect 5 "short.safetensors" predict run grey.png --weights short.safetensors

[ $failures -eq 0 ] && echo "all passed"
exit $failures
