# danaus_data_test.sh DANAUS MAKE_TINY MAKE_DATA: `danaus data check` as users call it, on data made
# here.
danaus=$1 make_tiny=$2 make_data=$3
. "$(dirname "$0")/expect.sh"

cd "$work" || exit 1
"$make_tiny" "$work" || exit 1
export DANAUS_DATA=$work/data XDG_CACHE_HOME=$work/cache HOME=$work XDG_DATA_HOME='' TERM=dumb

# Usage.
expect 0 "data check: says which dataset" data --help
expect 0 "data check: which dataset" --help
expect 2 "danaus data can check, not 'chekc'" data chekc data
expect 2 "required" data
expect 2 "give the PATH of a folder" data check
expect 2 "one PATH at a time" data check a b
expect 2 "there are: fashion_mnist, mnist, cifar10" data check data --name cifar

# Every format, recognised or named.
"$make_data" mnist digits 40 20 || fail "make_data mnist"
"$make_data" cifar10 photos/cifar-10-batches-bin 4 30 || fail "make_data cifar10"
"$make_data" image_folder animals 10 2 || fail "make_data image_folder"
"$make_data" npy arrays 8 4 || fail "make_data npy"
expect 0 "all of it can be read" data check digits
expect 0 "mnist   digits" data check digits
expect 0 "not the published set: other images and labels" data check digits
expect 0 "fashion_mnist   digits" data check digits --name fashion_mnist
expect 0 "cifar10   photos/cifar-10-batches-bin" data check photos
expect 0 "truck            2      3" data check photos
expect 0 "train         30         3          10   24 x 20 to 30 x 24" data check animals
expect 0 "npy   arrays" data check arrays
expect 0 "fashion_mnist   $work/data/fashion_mnist" data check --name fashion_mnist
expect 0 "fashion_mnist   $work/data/fashion_mnist" data check tiny.dnb
expect 2 "leave out --name" data check tiny.dnb --name mnist

# JSON is one object and says the same.
"$danaus" data check animals --json >animals.json || fail "--json"
python3 - <<'PY' || fail "JSON: $(cat animals.json)"
import json
check = json.load(open("animals.json"))
train, test = check["portions"]
assert check["name"] == "image_folder" and check["intact"] is True
assert check["class_names"] == ["ant", "bee", "cat"]
assert train["per_class"] == [10, 10, 10] and test["images"] == 6
assert (train["min_width"], train["max_height"]) == (24, 24)
assert train["published"] is None and train["damaged"] == [] and train["problem"] is None
PY

# Something is wrong: code 4, the first 20 files and a count, all in JSON.
for class in ant bee cat; do
  for index in 0 1 2 3 4 5 6 7; do
    for file in animals/train/$class/$index.*; do echo broken >"$file"; done
  done
done
expect 4 "train: 24 of 30 images are damaged" data check animals
expect 4 "'animals/train/ant/0.png' is neither a JPEG nor a PNG image" data check animals
expect 4 "and 4 more (--json lists all)" data check animals --threads 3
expect 4 "image_folder in 'animals' cannot be used as it is" data check animals
[ "$("$danaus" data check animals --json 2>/dev/null | grep -o "neither" | wc -l)" -eq 24 ] ||
  fail "JSON does not list all damaged files"
rm photos/cifar-10-batches-bin/data_batch_2.bin
expect 4 "train: 'photos/cifar-10-batches-bin/data_batch_2.bin' is missing" data check photos

# Nothing there: where was looked, and how to get it.
mkdir empty
expect 4 "no dataset is recognised in 'empty'" data check empty
expect 4 "apt-get install dataset-fashion-mnist" data check empty
expect 4 "'absent' is no folder" data check absent
expect 4 "$work/data/cifar10/cifar-10-batches-bin" data check --name cifar10
expect 4 "unpack cifar-10-binary.tar.gz" data check --name cifar10
expect 3 "absent.yaml" data check absent.yaml

[ $failures -eq 0 ] && echo "all passed"
exit $failures
