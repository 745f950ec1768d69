#!/bin/sh
# Makes /rootfs, the files of an image: the folders that every image has, the files and folders that are named, and the
# libraries that these are linked with. Runs in a build stage, needs nothing but a shell, coreutils, find and sed.
set -eu
root=/rootfs

for folder in code dev etc opt/strata proc run/strata sys tmp usr/bin usr/lib usr/lib64 usr/sbin; do
  mkdir -p "$root/$folder"
done
chmod 1777 "$root/tmp"
for name in bin lib lib64 sbin; do ln -s "usr/$name" "$root/$name"; done

# A file, a folder, or a link with what it leads to, at its own place.
take() {
  set -- "$(readlink -f "$(dirname "$1")")/$(basename "$1")"
  if [ -e "$root$1" ] || [ -L "$root$1" ]; then return 0; fi
  mkdir -p "$root$(dirname "$1")"
  cp -RP "$1" "$root$1"
  if [ -L "$1" ]; then
    case "$(readlink "$1")" in
      /*) take "$(readlink "$1")" ;;
      *) take "$(dirname "$1")/$(readlink "$1")" ;;
    esac
  fi
}

for path in "$@"; do take "$path"; done

for loader in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do
  if [ -e "$loader" ]; then break; fi
done
take "$loader"

# Programs and libraries name what they need; the loader of the base finds it.
find "$root" -type f \( -perm /111 -o -name '*.so' -o -name '*.so.*' \) | while read -r file; do
  if [ "$(head -c 4 "$file" | od -An -tx1 | tr -d ' ')" != 7f454c46 ]; then continue; fi
  "$loader" --list "${file#"$root"}" | sed -n 's/.* => \(\/[^ ]*\) (0x.*/\1/p'
done | sort -u | while read -r library; do take "$library"; done

# Libraries outside of the usual folders are found by a cache, where the base has one.
if [ -d "$root/usr/local/lib" ] && [ -x /sbin/ldconfig ]; then
  echo /usr/local/lib > "$root/etc/ld.so.conf"
  /sbin/ldconfig -r "$root"
fi

find "$root" -type f -perm /6000 -exec chmod a-s {} +
