#!/bin/sh
# Removes what no function can use from the named folder of Python's library: tests, windows, what needs a terminal. Runs
# before the libraries are looked for that only these need.
set -eu
cd "$1"
rm -rf __pycache__ config-* curses ensurepip idlelib lib2to3 pydoc_data site-packages/* test tkinter turtledemo \
  _distutils_system_mod.py sitecustomize.py turtle.py
cd lib-dynload
rm -f _ctypes_test* _curses* _dbm* _gdbm* _test* _tkinter* _xx* nis.* ossaudiodev.* readline.* xx*
