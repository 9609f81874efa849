# danaus_completion_test.sh DANAUS DANAUSC: the man page and the completions, made from the verbs' options.
. "$(dirname "$0")/expect.sh"
danaus=$1 danausc=$2
cd "$work" || exit 1

verbs=$("$danaus" --help | sed -n 's/^  \([a-z][a-z]*\)  *[a-z].*/\1/p')
[ "$(echo "$verbs" | wc -l)" -ge 14 ] || fail "verbs are missing in --help: $verbs"

# The man page has every verb and every option of its --help, and no warnings.
"$danaus" help --man >danaus.1 || fail "help --man"
for verb in $verbs; do
  grep -qxF ".SS danaus $verb" danaus.1 || fail "no section of $verb"
  page=$(sed -n "/^\.SS danaus $verb\$/,/^\.S[SH] /p" danaus.1 | sed '1!{/^\.S[SH] /d}' | sed 's/\\-/-/g')
  for option in $("$danaus" "$verb" --help | sed -n 's/^  .*\(--[a-z-]*\).*/\1/p'); do
    case $page in
    *"\\fB$option\\fR"*) ;;
    *) case $("$danaus" "$verb" --help) in
      *"Examples:"*"$option"*) ;; # of an example's line
      *) fail "the man page of $verb has no $option" ;;
      esac ;;
    esac
  done
done
# So has that of danausc.
"$danausc" --man >danausc.1 || fail "danausc --man"
options=$("$danausc" --help | sed -n '/^danausc options:/,/^Generic Options:/s/^  \(--*[a-z-]*\).*/\1/p')
[ "$(echo "$options" | wc -l)" -ge 12 ] || fail "options are missing in danausc --help: $options"
for option in $options; do
  sed 's/\\-/-/g' danausc.1 | grep -qF "\\fB$option\\fR" || fail "the man page of danausc has no $option"
done
for page in danaus.1 danausc.1; do
  if command -v groff >/dev/null; then
    warnings=$(groff -man -Tutf8 -ww -z $page 2>&1)
    [ -z "$warnings" ] || fail "groff: $warnings"
  fi
  if command -v mandoc >/dev/null; then
    warnings=$(mandoc -Tlint -Wwarning $page 2>&1)
    [ -z "$warnings" ] || fail "mandoc: $warnings"
  fi
done

# complete WORD...: what bash proposes for the last of the words.
"$danaus" completion bash >danaus.bash || fail "completion bash"
complete() {
  bash -c '. ./danaus.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _danaus; echo "${COMPREPLY[*]}"' \
    bash danaus "$@"
}
# proposes "WANTED" WORD...
proposes() {
  wanted=$1
  shift
  found=$(complete "$@" | tr '\n' ' ' | sed 's/ *$//')
  [ "$found" = "$wanted" ] || fail "completing '$*': '$found', not '$wanted'"
}
touch "my spec.yaml" other.txt
mkdir runs
proposes "train" tr
proposes "--log-every" train --log
proposes "--resume" train my.yaml --res
proposes "epoch step seconds" plot --x ""
proposes "test validation train" eval x --split ""
proposes "my spec.yaml" train my
proposes "runs" train --out r
proposes "" train --threads r
proposes "zsh" completion z
proposes "--man" help --
proposes "" levitate --x
# danausc's options come from its --help.
found=$(bash -c '. ./danaus.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _danausc; echo "${COMPREPLY[*]}"' \
  bash "$danausc" --print- | tr '\n' ' ' | sed 's/ *$//')
[ "$found" = "--print-config --print-schema" ] || fail "completing danausc --print-: '$found'"
if command -v zsh >/dev/null; then
  "$danaus" completion zsh >_danaus && zsh -n _danaus || fail "completion zsh"
fi
if command -v fish >/dev/null; then
  "$danaus" completion fish >danaus.fish && fish -n danaus.fish || fail "completion fish"
fi
expect 0 "#compdef danaus" completion zsh
expect 0 "-l log-every" completion fish

expect 2 "required" completion
expect 2 "give bash, zsh or fish" completion tcsh
expect 0 "--resume" help train
expect 2 "did you mean 'train'" help trian
expect 2 "takes one verb" help train eval
exit $failures
