# danaus_plot_test.sh DANAUS: danaus plot on runs written here by hand.
. "$(dirname "$0")/expect.sh"
danaus=$1
cd "$work" || exit 1

mkdir -p runs/a runs/b 'runs/<c>' empty
cat >runs/a/metrics.jsonl <<'END'
{"step": 1, "loss": 2.5}
{"step": 2, "loss": 1.5}
{"epoch": 1, "step": 2, "train_loss": 2.0, "val_loss": 1.75, "val_accuracy": 0.5, "lr": 0.001, "seconds": 0.25}
{"step": 3, "loss": 0.5}
{"epoch": 2, "step": 3, "train_loss": 1.0, "val_loss": null, "val_accuracy": 0.75, "lr": 0.0005, "seconds": 0.5}
END
echo '{"epoch": 1, "step": 2, "train_loss": 3, "lr": 0.1, "seconds": 4}' >runs/b/metrics.jsonl
# A row that is being written is left out.
printf '{"epoch": 2, "st' >>runs/b/metrics.jsonl
cp runs/b/metrics.jsonl 'runs/<c>'

# has FILE TEXT: fixed text in an XML file that is well formed.
has() {
  python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$1" ||
    fail "$1 is not well formed"
  grep -qF -- "$2" "$1" || fail "no '$2' in $1"
}

expect 0 "" plot runs/a -o a.svg
has a.svg "runs/a: train_loss 2: 1<"
has a.svg "runs/a: val_loss 1: 1.75<"
has a.svg "prefers-color-scheme:dark"
grep -q "nan" a.svg && fail "a value that is not finite is drawn"
expect 0 "" plot runs/a runs/b "runs/<c>" -o all.svg
has all.svg "runs/b: train_loss 1: 3<"
has all.svg "runs/&lt;c&gt;: train_loss"
grep -qF "runs/b: val_loss" all.svg && fail "a run without validation has a curve of it"
expect 0 "" plot runs/a --metric val_accuracy --x seconds -o s.svg
has s.svg "runs/a 0.75: 0.75<"
has s.svg ">seconds<"
expect 0 "" plot runs/a --metric lr --x step --log -o lr.svg
has lr.svg "runs/a 3: 0.0005<"
expect 0 "" plot runs/a --metric loss --smooth 2 -o loss.svg
has loss.svg "runs/a 1: 2.5<"
has loss.svg "runs/a 3: 1<"
expect 0 "<svg xmlns" plot runs/a

# Files are kept unless --force.
expect 2 "--force overwrites it" plot runs/b -o a.svg
has a.svg "runs/a: train_loss 2: 1<"
expect 0 "" plot runs/b -o a.svg --force
has a.svg "runs/b"
expect 9 "no/x.svg" plot runs/b -o no/x.svg

expect 2 "RUN is required" plot
expect 2 "'nowhere' is no folder" plot nowhere
expect 2 "holds no metrics.jsonl" plot empty
expect 2 "it has loss, lr, seconds, train_loss, val_accuracy, val_loss" plot runs/a --metric accuracy
expect 2 "no metric 'val_loss'" plot runs/b --metric val_loss
expect 2 "use --x step" plot runs/a --metric loss --x epoch
expect 2 "epoch,step,seconds" plot runs/a --x hours
expect 2 "--smooth 0" plot runs/a --smooth 0
echo '{"epoch": 1, "step": 2, "train_loss": null}' >runs/b/metrics.jsonl
expect 2 "no finite" plot runs/b
echo 'loss' >>runs/b/metrics.jsonl
expect 9 "metrics.jsonl':2 is not a row" plot runs/b
exit $failures
