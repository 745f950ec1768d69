#!/bin/sh
# Prints which files of the named Debian packages an image takes: programs, and the libraries of Perl and Python.
set -eu
dpkg-query --listfiles "$@" \
  | grep -E '^(/usr)?/bin/[^/]+$|^/usr/lib/[^/]+/perl-base/|^/usr/lib/python3\.' \
  | grep -Ev '/(perl5|pdb3|py3|pydoc3)[^/]*$' \
  | while read -r path; do
    # Not folders, nor what was removed, nor links to either.
    if [ -f "$path" ]; then echo "$path"; fi
  done
