# deb_test.sh CPACK BUILD: makes the .deb, unpacks it into a folder of its own and works from there: compiles,
# trains, plots. Skipped (77) where dpkg's tools are missing.
for tool in dpkg-deb dpkg-shlibdeps readelf file; do
  command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
grep -q '^DANAUS_SANITIZE:BOOL=ON' "$2/CMakeCache.txt" && { echo "skipped: a build with sanitizers"; exit 77; }
. "$(dirname "$0")/../tools/expect.sh"
cpack=$1 build=$2
cd "$work" || exit 1

"$cpack" --config "$build/CPackConfig.cmake" -B "$work/package" >cpack.log 2>&1 || {
  cat cpack.log
  exit 1
}
deb=$(echo package/danaus_*_*.deb)
dpkg-deb -x "$deb" root || exit 1

# Every library that a file is linked with belongs to a package of Depends; CPack does not insist on it.
depends=$(dpkg-deb -f "$deb" Depends)
depends_on() {
  case ", $depends," in
  *", $1,"* | *", $1 "*) ;;
  *) fail "Depends has no $1${2:+, for $2}: $depends" ;;
  esac
}
depends_on lld-22
libraries=0
for file in root/usr/lib/danaus/*; do
  for library in $(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    path=$(ldd "$file" | sed -n "s|^[[:space:]]*$library => \([^ ]*\) .*|\1|p")
    [ -n "$path" ] || path=$(ldconfig -p | sed -n "s|^[[:space:]]*$library .* => ||p" | head -n 1)
    [ -n "$path" ] || { fail "$library of $file is not found"; continue; }
    package=$(dpkg -S "*/$(basename "$(readlink -f "$path")")" | grep -F "$(readlink -f "$path" | sed 's|^/usr||')" |
      head -n 1 | cut -d: -f1)
    depends_on "$package" "$library"
    libraries=$((libraries + 1))
  done
done
[ $libraries -ge 10 ] || fail "only $libraries libraries were looked at"
case $depends in *openblas*) fail "what is opened by name is no dependency: $depends" ;; esac
[ "$(dpkg-deb -f "$deb" Recommends)" = libopenblas0-pthread ] || fail "Recommends"

# The tree: nothing outside /usr, nothing that knows the build folder.
[ "$(ls root)" = usr ] || fail "outside /usr: $(ls root)"
for file in bin/danaus bin/danausc lib/danaus/libdanaus_gloo.so lib/danaus/libdanaus_nccl.so \
  lib/danaus/libdanaus_vgpu.so lib/danaus/libdanaus_vgpu_v3.so share/man/man1/danaus.1.gz \
  share/man/man1/danausc.1.gz \
  share/bash-completion/completions/danaus share/bash-completion/completions/danausc share/zsh/vendor-completions/_danaus \
  share/fish/vendor_completions.d/danaus.fish share/danaus/models/mnist_mlp.yaml \
  share/doc/danaus/copyright share/doc/danaus/docs/Spec.md; do
  [ -s "root/usr/$file" ] || fail "no $file"
done
for file in root/usr/lib/danaus/*; do
  readelf -d "$file" | grep RUNPATH | grep -qF "$build" && fail "$file looks for libraries in the build folder"
done
for program in danaus danausc; do
  gzip -dc root/usr/share/man/man1/$program.1.gz | grep -q '^\.SH NAME' || fail "the man page of $program"
done

# Work, with nothing of the build.
danaus=$work/root/usr/bin/danaus
export HOME="$work" XDG_CACHE_HOME="$work/cache" TERM=dumb
"$build/test/bin/danaus-make-tiny" "$work" || exit 1
export DANAUS_DATA="$work/data"
models=root/usr/share/danaus/models
root/usr/bin/danausc $models/mnist_mlp_monarch.yaml -o m.dnb >danausc.log 2>&1 || fail "$(cat danausc.log)"
[ -s m.dnb ] || fail "danausc wrote nothing"
expect 0 "167,818" summary $models/mnist_mlp.yaml
expect 0 "cpu" devices
expect 0 "test accuracy" train tiny.dnb --threads 1
expect 0 "" plot runs/tiny -o tiny.svg
[ -s tiny.svg ] || fail "no plot"
# From a spec: its own compiler, the linker, the data.
cp $models/mnist_mlp_low_rank.yaml small.yaml
expect 0 "test accuracy" train small.yaml train.epochs=1 train.batch_size=8 data.validation=16 --threads 1
exit $failures
