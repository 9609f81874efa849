#!/usr/bin/env bash
# ./train and ./check on machines that this one is not: without packages, root, sudo, network. Each
# case runs the real scripts in a copy of their part of the tree, with nothing on the PATH but a few
# basic tools and stand-ins that write down how they were called (calls) and do as the case says.
set -uo pipefail
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
cases=0

# stand_in NAME <<< BODY: a program on the PATH that logs its call, then does BODY.
stand_in() {
  rm -f "$work/bin/$1"
  { printf '#!%s\necho "%s $*" >>"%s"\n' "$BASH" "$1" "$work/calls" && cat; } >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}

# A new machine: Debian 12, root, a network, two of the three packages missing, nothing built.
new_machine() {
  rm -rf "${work:?}"/*
  mkdir -p "$work/bin" "$work/tree/models"
  cp -r "$tree/train" "$tree/check" "$tree/scripts" "$tree/.ci" "$work/tree"
  printf 'cmake\n# a comment\nninja-build   # why\nyaml-22-dev\nbrowser # check: looks at pages\n' >"$work/tree/packages.txt"
  printf 'ID=debian\nVERSION_ID="12"\n' >"$work/os-release"
  echo cmake >"$work/installed"
  : >"$work/calls"
  local name
  for name in bash dirname sed tr env grep tail mkdir cat tee rm cp touch chmod true mktemp; do
    ln -s "$(type -P "$name")" "$work/bin/$name"
  done
  stand_in id <<<'[[ $* == -u ]] && echo 0 || echo user'
  stand_in sleep <<<''
  stand_in dpkg-query <<<"while read -r p; do echo \"\$p installed\"; done <$work/installed; exit 1"
  stand_in apt-get <<<"[[ \$* != *install* ]] || printf 'ninja-build\nyaml-22-dev\n' >>$work/installed"
  # shellcheck disable=SC2016
  stand_in cmake <<<'mkdir -p "build/$2" && touch "build/$2/CMakeCache.txt" "build/$2/build.ninja"'
  stand_in ninja <<<"[[ \$* != *-n* ]] || exit 0
mkdir -p $work/tree/build/release/bin && cp $work/bin/danaus $work/tree/build/release/bin/danaus"
  stand_in danaus <<<'echo "process $$"; exit 75'
  stand_in ctest <<<'exit 8'
}

# run COMMAND...: sets code, output (both streams) and calls (those of this run).
run() {
  : >"$work/calls"
  output=$(cd "$work/tree" && env -i PATH="$work/bin" DANAUS_OS_RELEASE="$work/os-release" "$@" 2>&1 </dev/null)
  code=$?
  calls=$(cat "$work/calls")
}

check() { # check WHAT CONDITION-COMMAND...
  cases=$((cases + 1))
  "${@:2}" && return
  failures=$((failures + 1))
  printf 'FAILED: %s\n  %s\n--- exit code %s, output:\n%s\n--- calls:\n%s\n' "$1" "${*:2}" "$code" "$output" "$calls"
}
has() { [[ $1 == *"$2"* ]]; }
lacks() { [[ $1 != *"$2"* ]]; }
exits() { [[ $code == "$1" ]]; }

new_machine
run ./train spec.yaml train.epochs=1 --out 'a b'
check "the lists are updated first" has "$calls" "apt-get -qq -o DPkg::Lock::Timeout=600 update"
check "exactly what is missing is installed" has "$calls" "install -y --no-install-recommends ninja-build yaml-22-dev"$'\n'
check "what only tests need is left out" lacks "$calls" "browser"
check "it says so" has "$output" "installing Debian packages: ninja-build yaml-22-dev"
check "it configures by the preset" has "$calls" "cmake --preset release"
check "only what training needs is built" has "$calls" "build/release danaus danausc"
check "the arguments reach danaus" has "$calls" "danaus train spec.yaml train.epochs=1 --out a b"
check "the exit code is that of danaus" exits 75

run ./train
check "a second call installs nothing" lacks "$calls" "apt-get"
check "a second call configures nothing" lacks "$calls" "cmake --preset"
check "no argument means the README's model" has "$calls" "danaus train models/mnist_mlp_low_rank.yaml"
run ./train train.epochs=2 --threads 1
check "settings alone are the default model's" has "$calls" "danaus train models/mnist_mlp_low_rank.yaml train.epochs=2 --threads 1"
run ./train --help
check "help needs no set-up" [ -z "$calls" ]
check "help says how to call it" has "$output" "usage: ./train [SPEC.yaml]"

# exec: the process that the shell signals is danaus.
(cd "$work/tree" && exec env -i PATH="$work/bin" ./train) >"$work/pid.txt" 2>/dev/null &
shell_pid=$!
wait $shell_pid
output=$(cat "$work/pid.txt")
check "Ctrl-C reaches danaus" has "$output" "process $shell_pid"

run ./check -R lit
check "check installs what only tests need" has "$calls" "install -y --no-install-recommends browser"$'\n'
check "check builds everything" has "$calls" "build/release"$'\n'
check "check hands its arguments to ctest" has "$calls" "ctest --preset release -R lit"
check "the exit code is that of ctest" exits 8

new_machine
stand_in id <<<'[[ $* == -u ]] && echo 1000 || echo user'
run ./train
check "no root, no sudo: it ends" exits 1
check "no root, no sudo: what is missing" has "$output" "missing packages: ninja-build yaml-22-dev"
check "no root, no sudo: what to run" has "$output" "sudo apt-get update && sudo apt-get install --no-install-recommends ninja-build yaml-22-dev"
check "no root, no sudo: nothing was tried" lacks "$calls" "apt-get"
stand_in sudo <<<'echo "sudo: a password is required" >&2; exit 1'
run ./check
check "sudo with a password, no terminal" has "$output" "not root, and sudo is not there or wants a password"
stand_in sudo <<<'shift; exec "$@"'
run ./train
check "sudo without a password" has "$calls" "sudo -n env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get"
check "sudo without a password: it goes on" exits 75

new_machine
printf 'ID=ubuntu\nVERSION_ID="24.04"\n' >"$work/os-release"
run ./train
check "another system: what it is" has "$output" "Debian 12 and 13 only; this is ubuntu 24.04."
check "another system: nothing was tried" lacks "$calls" "apt-get"
rm "$work/os-release"
run ./train
check "an unnamed system" has "$output" "this is unknown."
printf 'cmake\nninja-build\nyaml-22-dev\n' >"$work/installed"
run ./train
check "another system with the packages" exits 75
rm "$work/bin/dpkg-query"
run ./train
check "no dpkg: a warning" has "$output" "warning: no dpkg here"
check "no dpkg: it goes on" exits 75

new_machine
stand_in apt-get <<<'echo "E: Temporary failure resolving deb.example.org"; exit 100'
run ./train
check "no network: why" has "$output" "no connection to the package server"
check "no network: apt's own words" has "$output" "E: Temporary failure resolving"
check "no network: what is missing" has "$output" "missing packages: ninja-build yaml-22-dev"
check "no network: it ends" exits 1
stand_in apt-get <<<'[[ $* != *install* ]] && echo "W: Could not connect to example.org" || { echo "E: Unable to locate package x"; exit 100; }'
run ./train
check "no network and no package lists: why" has "$output" "no connection to the package server"
stand_in apt-get <<<'[[ $* != *install* ]] || { echo "E: Unable to locate package yaml-22-dev"; exit 100; }'
run ./train
check "unknown package" has "$output" "apt does not know them"

new_machine
stand_in apt-get <<<"[[ -e $work/second ]] || { touch $work/second; echo 'E: Could not get lock /x'; exit 100; }"
run ./train
check "a lock: it says so" has "$output" "waiting for another package manager"
check "a lock: it waits" exits 75

new_machine
touch "$work/tree/build"
run ./train
check "no build folder" has "$output" "cannot write to"
check "no build folder: it ends" exits 1

new_machine
stand_in cmake <<<'mkdir -p build/release && touch build/release/CMakeCache.txt; echo "CMake Error: no MLIR"; exit 1'
run ./train
check "configure fails: its words" has "$output" "CMake Error: no MLIR"
check "configure fails: the log" has "$output" "build/release/build.log"
check "configure fails: it ends" exits 1
run ./train
check "after a failed configure it configures again" has "$calls" "cmake --preset release"

new_machine
stand_in ninja <<<'echo "FAILED: a.o"; exit 2'
run ./train
check "the build fails: its words" has "$output" "FAILED: a.o"
check "the build fails: danaus does not run" lacks "$calls" "danaus train"
check "the build fails: it ends" exits 1

# CI: all of it, in this order, ending with the first failure.
new_machine
run ./.ci/run
check "CI ends with a failing test" exits 8
check "CI ends with a failing test: at once" lacks "$calls" "asan"
stand_in ctest <<<''
run ./.ci/run
check "CI runs all tests" has "$calls" "ctest --preset release"$'\n'
check "CI builds the unit tests with sanitizers" has "$calls" "build/asan danaus_unit_tests"
check "CI runs the unit tests with sanitizers" has "$calls" "ctest --preset asan --label-regex ^unit$"
check "CI trains" has "$calls" "danaus train models/mnist_mlp_low_rank.yaml train.epochs=1 --out "
check "CI fails where training fails" exits 75

echo "$((cases - failures)) of $cases checks passed"
((failures == 0))
