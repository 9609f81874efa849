# shellcheck shell=bash disable=SC2034
# What the shell tests of danaus share: a scratch folder `work`, fail, and expect, which runs "$danaus".
# Sourced; the test sets `danaus` first and ends with `exit $failures`.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
  echo "FAILED: $1"
  failures=$((failures + 1))
}

# expect CODE TEXT ARGUMENT...: runs danaus and looks for TEXT in all that it prints.
expect() {
  want_code=$1 want_text=$2
  shift 2
  output=$("$danaus" "$@" 2>&1)
  code=$?
  [ $code -eq "$want_code" ] || fail "danaus $*: code $code, not $want_code: $output"
  case $output in
  *"$want_text"*) ;;
  *) fail "danaus $*: no '$want_text' in: $output" ;;
  esac
}
