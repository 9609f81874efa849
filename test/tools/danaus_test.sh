# danaus_test.sh DANAUS MAKE_TINY: the program as users call it, beside a stand-in for danausc that
# says how often it was started and hands out a model binary made by hand.
make_tiny=$2
. "$(dirname "$0")/expect.sh"
danaus=$work/bin/danaus

mkdir "$work/bin" && cp "$1" "$danaus" && "$make_tiny" "$work" || exit 1
cd "$work" || exit 1
export DANAUS_DATA=$work/data XDG_CACHE_HOME=$work/cache HOME=$work TERM=dumb
echo "name: tiny" >spec.yaml

# Usage.
expect 2 "usage: danaus VERB"
expect 0 "exit codes:" --help
expect 2 "did you mean 'train'" trian spec.yaml
expect 2 "no verb 'levitate'" levitate
expect 2 "did you mean '--resume'" train tiny.dnb --resum
expect 2 "required" train
expect 0 "Examples:" bench --help
expect 2 "'epochs' is not key=value" summary spec.yaml epochs
expect 2 "is compiled already" summary tiny.dnb train.epochs=3
expect 2 "a folder, but not of a run" summary data
expect 2 "'gpu'" train tiny.dnb --device gpu
expect 2 "100000 threads" train tiny.dnb --threads 100000
expect 2 "holds no weights" eval tiny.dnb

# Files that are not there or not what they seem.
expect 5 "absent.dnb" summary absent.dnb
expect 3 "absent.yaml" summary absent.yaml
head -c 1000 tiny.dnb >short.dnb
expect 5 "short.dnb" summary short.dnb
expect 9 "which is not at" summary spec.yaml
head -c 5000 data/fashion_mnist/train-images-idx3-ubyte >cut
mkdir -p broken/fashion_mnist
cp data/fashion_mnist/* broken/fashion_mnist/ && cp cut broken/fashion_mnist/train-images-idx3-ubyte
DANAUS_DATA=$work/broken expect 4 "train-images-idx3-ubyte" train tiny.dnb
[ -e runs ] && fail "broken data left a run behind"

# The compiler's stand-in: OUT is the word after -o; a spec that says "bad" is an error in it.
cat >bin/danausc <<'END'
#!/bin/sh
echo "$@" >>"$XDG_CACHE_HOME.log"
if grep -q bad "$1"; then
  echo "$1:1:1: error: bad" >&2
  exit 3
fi
for word; do out=$word; done
cp tiny.dnb "$out"
END
chmod +x bin/danausc

# expect_compilations COUNT
expect_compilations() {
  count=$(wc -l <cache.log)
  [ "$count" -eq "$1" ] || fail "$count compilations, not $1"
}

expect 0 "7,850" summary spec.yaml
expect 0 "7,850" summary spec.yaml
expect_compilations 1
grep -q "^spec.yaml --target cpu --ranks 1 -o $work/cache/danaus/" cache.log || fail "arguments: $(cat cache.log)"
[ "$(ls cache/danaus | grep -c tmp)" -eq 0 ] || fail "unfinished files in the cache"
expect 0 "7,850" summary spec.yaml train.epochs=2
expect_compilations 2
grep -q "^spec.yaml train.epochs=2 --target" cache.log || fail "overrides: $(cat cache.log)"
echo "# changed" >>spec.yaml
expect 0 "7,850" summary spec.yaml
expect_compilations 3
for file in cache/danaus/*.dnb; do head -c 500 tiny.dnb >"$file"; done
expect 0 "7,850" summary spec.yaml
expect_compilations 4
echo "bad" >bad.yaml
expect 3 "bad.yaml:1:1: error: bad" summary bad.yaml
expect_compilations 5
"$work/bin/danaus" summary bad.yaml 2>&1 | grep -q "danaus: error" && fail "said twice"

# The size of a batch is a value of the spec.
expect 0 "*predicted   cpu " summary spec.yaml
expect 0 '"predicted_ms": {"cpu": ' summary spec.yaml --json
expect 0 '"ms_per_step": ' bench spec.yaml --batch 8 --repeats 3 --json
tail -n 1 cache.log | grep -q "train.batch_size=8" || fail "--batch: $(tail -n 1 cache.log)"
expect 0 "GFLOP/s" bench tiny.dnb --repeats 3 --per-kernel --forward --threads 1
expect 0 '"launches": [{"label": ' bench tiny.dnb --repeats 3 --per-kernel --json --threads 1
expect 2 "--seconds" bench tiny.dnb --seconds soon
expect 0 "times as long as tiny.dnb" bench tiny.dnb --compare tiny.dnb --repeats 3 --rounds 2 --threads 1
expect 0 '"rounds": 2, "models": [{"name": "tiny.dnb", ' bench tiny.dnb --compare spec.yaml --repeats 3 --rounds 2 --json
expect 2 "choose one" bench tiny.dnb --compare tiny.dnb --per-kernel
expect 2 "at least 1" bench tiny.dnb --compare tiny.dnb --rounds 0
expect 5 "absent.dnb" bench tiny.dnb --compare absent.dnb

# Other structures.
expect 2 "-o FILE is required" convert w.safetensors tiny.dnb
expect 2 "'tiny.dnb' exists" convert w.safetensors tiny.dnb -o tiny.dnb
expect 5 "w.safetensors" convert w.safetensors tiny.dnb -o new.safetensors
expect 0 "Examples:" convert --help

# Kernel by kernel.
expect 0 "thread us" profile tiny.dnb --steps 3 --threads 1
expect 0 '"steps": 3, "kernels": [' profile tiny.dnb --steps 3 --json --threads 1
expect 0 "kernel,kind,layers,lines,launches,ms,flops,bytes" profile tiny.dnb --steps 2 --csv --forward --threads 1
expect 2 "choose one" profile tiny.dnb --json --csv
expect 0 '], "times_by": "clock", "counters": null, "no_counters": null' profile tiny.dnb --steps 3 --json --counters none
expect 2 "'cycles' is none of hardware, software, none" profile tiny.dnb --counters cycles
expect 0 "idle_ms" profile tiny.dnb --steps 2 --csv --threads 1
expect 0 "threads without work" profile tiny.dnb --steps 2 --threads 1
expect 0 "on its training images" profile tiny.dnb --steps 2 --threads 1 --data
DANAUS_DATA=$work/broken expect 4 "train-images-idx3-ubyte" profile tiny.dnb --data
expect 0 "Examples:" profile --help

# A cache that cannot be written costs time only.
touch plain
XDG_CACHE_HOME=$work/plain
expect 0 "7,850" summary spec.yaml
XDG_CACHE_HOME=$work/cache

# Many at once: each sees a whole binary.
rm -rf cache
for i in 1 2 3 4 5 6; do
  "$work/bin/danaus" summary spec.yaml >"out.$i" 2>&1 &
done
wait
for i in 1 2 3 4 5 6; do grep -q "7,850" "out.$i" || fail "one of many: $(cat "out.$i")"; done

# Training and what stands in a run's folder.
expect 0 "test accuracy" train tiny.dnb --threads 1 --log-every 10
expect 0 "test accuracy" train tiny.dnb --threads 1 --log-every 0 --out unlogged
grep -q '"loss"' unlogged/metrics.jsonl && fail "--log-every 0 writes steps"
expect 2 "from 0 to" train tiny.dnb --log-every 2000000000000
expect 2 "log-every" train tiny.dnb --log-every -1
expect 2 "log-every" train tiny.dnb --log-every often
expect 0 "runs/tiny-2/report.html" train tiny.dnb --threads 1
[ "$(grep -c '"step": *30' runs/tiny/metrics.jsonl)" -ge 1 ] || fail "no step 30 in metrics.jsonl"
expect 2 "runs/tiny" train tiny.dnb --out runs/tiny
expect 0 "name: tiny" train tiny.dnb --print-config
expect 0 '"test_accuracy"' train tiny.dnb --json --quiet --threads 1
expect 0 "test accuracy" eval runs/tiny
expect 0 '"images": 16' eval runs/tiny --split validation --json
expect 0 "29 images" eval tiny.dnb --weights runs/tiny/checkpoints/last
expect 0 "29 images" eval tiny.dnb --weights runs/tiny/checkpoints/best/model.safetensors
head -c 100 runs/tiny/checkpoints/best/model.safetensors >short.safetensors
expect 5 "short.safetensors" eval tiny.dnb --weights short.safetensors
expect 0 "test accuracy" train runs/tiny --resume

# SIGTERM: the step is finished, `last` is saved; resuming goes on from there.
# stop_and_expect_75 ARGUMENT...: signals once, as soon as ten more steps than before are logged.
stop_and_expect_75() {
  before=$(cat long/metrics.jsonl 2>/dev/null | wc -l)
  "$work/bin/danaus" train "$@" --log-every 1 --threads 1 >log 2>&1 &
  pid=$!
  until [ "$(cat long/metrics.jsonl 2>/dev/null | wc -l)" -ge $((before + 10)) ]; do
    kill -0 $pid 2>/dev/null || break
  done
  kill -TERM $pid
  wait $pid
  code=$?
  [ $code -eq 75 ] || fail "SIGTERM: code $code, not 75: $(tail -n 3 log)"
  grep -q "stopped on request after step" log || fail "SIGTERM: $(tail -n 3 log)"
}
stop_and_expect_75 long.dnb --out long
stop_and_expect_75 long --resume

[ $failures -eq 0 ] && echo "all passed"
exit $failures
