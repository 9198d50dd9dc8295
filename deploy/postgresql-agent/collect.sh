#!/bin/sh
# Collects Patroni and pgBackRest, as Debian packages them, with all that they need to run in any image of the same
# architecture, whatever its C library is: collect.sh TARGET. Runs as root in a Debian 13 that has the packages of
# packages.txt. The result may be copied to anywhere; what is in bin/ finds the rest by where it is itself.
set -eu
target=${1:?usage: collect.sh TARGET}
python=$(readlink -f /usr/bin/python3)
version=${python##*/}
modules=/usr/lib/python3/dist-packages

rm -rf "$target"
mkdir -p "$target/bin" "$target/libexec" "$target/lib/python3/dist-packages" "$target/etc"

# Programs, and what Patroni imports: https://patroni.readthedocs.io/en/latest/installation.html#required-dependencies.
# The client for the Kubernetes API is its own.
cp "$python" "$target/libexec/python3"
cp /usr/bin/pgbackrest "$target/libexec/pgbackrest"
cp -a "/usr/lib/$version" "$target/lib/$version"
for module in _yaml click dateutil patroni prettytable psutil psycopg2 urllib3 wcwidth yaml ydiff.py; do
  cp -a "$modules/$module" "$target/lib/python3/dist-packages/"
done

# What neither of them uses.
(
  cd "$target/lib/$version"
  rm -rf ./config-* ensurepip idlelib lib2to3 pydoc_data sqlite3 test tkinter turtle.py turtledemo curses
  rm -rf EXTERNALLY-MANAGED LICENSE.txt
  cd lib-dynload
  rm -f ./_curses* ./_dbm* ./_gdbm* ./_sqlite3* ./_test* ./_xx* ./_ctypes_test* ./readline* ./xx*
)
find "$target" -depth \( -name __pycache__ -o -name tests \) -exec rm -rf {} +

# The loader, and every library that a program or a module asks for. getpwnam, getaddrinfo and the like need nothing
# more: "files" and "dns" have been part of the C library since 2.34.
loader=$(ldd "$python" | sed -nE 's,^[[:space:]]*(/[^ ]*/ld-linux[^ ]*) .*,\1,p')
cp -L "$loader" "$target/lib/loader"
libraries=$(
  find "$target/libexec" "$target/lib" -type f \( -path '*/libexec/*' -o -name '*.so' \) -exec ldd {} + |
    sed -nE 's,^[[:space:]]*[^ ]+ => (/[^ ]+) .*,\1,p' | sort -u
)
# shellcheck disable=SC2086
cp -L $libraries "$target/lib/"

# Compiled at once, by content instead of by time: copies have times of their own, and nothing can be written later.
"$python" -I -m compileall -q --invalidation-mode unchecked-hash "$target/lib/$version" "$target/lib/python3"

# Authorities of the public Internet, for object stores: images of databases have none.
cp /etc/ssl/certs/ca-certificates.crt "$target/etc/"

# Nothing is exported, because the database that Patroni starts inherits the environment: the loader is told where to
# look, and Python finds its modules by the name that it is started under. -I: no PYTHONHOME or the like of an image.
launcher() {
  cat >"$target/bin/$1" <<LAUNCHER
#!/bin/sh
root=\${0%/bin/*}
exec "\$root/lib/loader" --inhibit-cache --library-path "\$root/lib" --argv0 "\$root/bin/${2}" "\$root/libexec/${2}" ${3-} "\$@"
LAUNCHER
  chmod 755 "$target/bin/$1"
}
launcher python3 python3 -I
launcher pgbackrest pgbackrest
launcher patroni python3 '-I "$root/libexec/patroni.py"'
launcher patronictl python3 '-I "$root/libexec/patronictl.py"'
printf 'from patroni.__main__ import main\n\nif __name__ == "__main__":\n    main()\n' >"$target/libexec/patroni.py"
for program in member services; do
  launcher "$program" python3 "-I \"\$root/libexec/$program.py\""
  cp "$(dirname "$0")/$program.py" "$target/libexec/$program.py"
done
printf 'from patroni.ctl import ctl\n\nif __name__ == "__main__":\n    ctl()\n' >"$target/libexec/patronictl.py"

# Exact versions and, where the file system has them, licences of the packages that something is from.
doc="$target/share/doc"
mkdir -p "$doc"
{
  printf '%s\n' patroni pgbackrest python3-psycopg2 python3-click python3-dateutil python3-prettytable python3-psutil
  printf '%s\n' python3-urllib3 python3-wcwidth python3-yaml python3-ydiff ca-certificates "lib$version-stdlib" "$version"
  # shellcheck disable=SC2086
  readlink -f $libraries "$loader" | xargs dpkg-query --search | cut -d: -f1
} | sort -u | while read -r package; do
  dpkg-query --show --showformat '${Package} ${Version} ${Source}\n' "$package" | head -n 1 >>"$doc/packages.txt"
  copyright="/usr/share/doc/$package/copyright"
  [ ! -e "$copyright" ] || install -D -m 644 "$copyright" "$doc/$package/copyright"
done
chmod -R a+rX "$target"

# That it works shall be known now.
"$target/bin/python3" -c 'import patroni.__main__, patroni.ctl, patroni.dcs.kubernetes, psycopg2, ssl, sys
assert sys.executable.endswith("/bin/python3"), sys.executable'
"$target/bin/patroni" --version
"$target/bin/patronictl" version
"$target/bin/pgbackrest" version
"$target/bin/member" --help >/dev/null
