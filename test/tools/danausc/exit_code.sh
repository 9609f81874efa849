# exit_code.sh CODE COMMAND...: runs the command and fails unless it ends with CODE.
want=$1
shift
"$@"
got=$?
test "$got" = "$want" || {
  echo "expected exit code $want, got $got: $*" >&2
  exit 1
}
