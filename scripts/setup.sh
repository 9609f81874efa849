# shellcheck shell=bash disable=SC2154
# What ./train, ./check and .ci/run share: install the Debian packages of packages.txt that are
# missing, then configure and build into build/<preset>. Sourced, with `root` naming the tree.
# Progress goes to stderr, one line per thing done; the full log is build/<preset>/build.log. When
# everything is there this costs one dpkg-query and one look by ninja. test/scripts tests it.

say() { printf '%s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$@" >&2
  exit 1
}

# die_with_log LOG MESSAGE...: the log's tail, then the error.
die_with_log() {
  local log=$1
  shift
  [[ -s $log ]] && tail -n 40 "$log" >&2
  die "$@" "the full log: $log"
}

# The packages of packages.txt that dpkg does not have, one a line; those marked "# check:" only where
# purpose=check.
missing_packages() {
  local wanted=() have name marked='/#[[:space:]]*check:/d;'
  [[ ${purpose:-} == check ]] && marked=
  mapfile -t wanted < <(sed "${marked}s/#.*//" "$root/packages.txt" | tr -s ' \t' '\n' | sed '/^$/d')
  # Exit code 1 only says that one is unknown to dpkg: the list says which.
  have=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null || true)
  for name in "${wanted[@]}"; do
    [[ $'\n'$have$'\n' == *$'\n'"$name installed"$'\n'* ]] || echo "$name"
  done
}

# Sets as_root to the words that run a command as root, or fails.
find_root() {
  as_root=()
  [[ $(id -u) == 0 ]] && return 0
  command -v sudo >/dev/null || return 1
  if sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  elif [[ -t 0 && -t 2 ]]; then
    as_root=(sudo)
  else
    return 1
  fi
}

# apt LOG ARGUMENT...: apt-get without questions, waiting for another one that holds dpkg's lock, and
# for the lock of the package lists, which apt-get itself does not wait for.
apt() {
  local log=$1 try
  shift
  for ((try = 0; try < 60; ++try)); do
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
      apt-get -qq -o DPkg::Lock::Timeout=600 "$@" >"$log" 2>&1 </dev/null && return 0
    grep -q 'Could not get lock' "$log" || return 1
    ((try > 0)) || say "waiting for another package manager to finish"
    sleep 5
  done
  return 1
}

# install_packages NAME...: as root, or a message that says what to install and how.
install_packages() {
  local by_hand="sudo apt-get update && sudo apt-get install --no-install-recommends $*"
  local log=$build/packages.log lists=$build/package-lists.log system
  # shellcheck disable=SC1090
  system=$(. "${DANAUS_OS_RELEASE:-/etc/os-release}" 2>/dev/null && echo "${ID:-?} ${VERSION_ID:-?}") || true
  case $system in
  "debian 12" | "debian 13") ;;
  *) die "missing packages: $*" \
    "they are installed by themselves on Debian 12 and 13 only; this is ${system:-unknown}." \
    "With these packages installed some other way, build with: cmake --preset release && cmake --build --preset release" ;;
  esac
  find_root || die "missing packages: $*" \
    "cannot install them: not root, and sudo is not there or wants a password. Run:" "  $by_hand"
  say "installing Debian packages: $*"
  # An update that fails is no end: the lists that are here may do. (Without a network it succeeds.)
  apt "$lists" update || say "apt-get update failed; trying with the package lists that are here"
  apt "$log" install -y --no-install-recommends "$@" && return 0
  local why="apt-get could not install them. Run, and see what it says:"
  if grep -qE 'Temporary failure resolving|(Could not|Unable to) (connect|resolve)|[Uu]nreachable|timed out' "$lists" "$log"; then
    why="no connection to the package server. Check the network and proxy (/etc/apt), then run this again, or:"
  elif grep -q 'Unable to locate package' "$log"; then
    why="apt does not know them: /etc/apt needs Debian's main archive and its security updates, and apt-get update a network. Then:"
  fi
  die_with_log "$log" "missing packages: $*" "$why" "  $by_hand"
}

# Shows ninja's "[12/120] ..." as one moving line on a terminal; shows nothing elsewhere.
show_progress() {
  local line
  if [[ ! -t 2 ]]; then
    cat >/dev/null
    return
  fi
  while IFS= read -r line; do
    [[ $line == \[*/*\]* ]] && printf '\r\033[K%.*s' "$((${COLUMNS:-80} - 1))" "$line" >&2
  done
  printf '\r\033[K' >&2
}

# build_preset PRESET TARGET...: packages, configure and build; returns with the targets up to date.
build_preset() {
  local preset=$1 log
  shift
  build=$root/build/$preset
  log=$build/build.log
  { mkdir -p "$build" && : >>"$log"; } 2>/dev/null ||
    die "cannot write to $build" "make the folder writable for $(id -un), or clone the tree to a place of your own"
  if ! command -v dpkg-query >/dev/null; then
    say "warning: no dpkg here, so the packages of packages.txt are taken as installed"
  else
    local missing=()
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
  fi

  if [[ ! -f $build/CMakeCache.txt || ! -f $build/build.ninja ]]; then
    say "configuring build/$preset"
    (cd "$root" && cmake --preset "$preset") >"$log" 2>&1 </dev/null || die_with_log "$log" "cmake --preset $preset failed"
  fi
  # -n: what would be done. An up-to-date tree is built in silence.
  [[ $(ninja -C "$build" -n "$@" 2>&1) == *"no work to do"* ]] ||
    say "building ${*:-everything} in build/$preset (log: build/$preset/build.log)"
  ninja -C "$build" "$@" </dev/null 2>&1 | tee "$log" | show_progress ||
    die_with_log "$log" "the build failed"
}
