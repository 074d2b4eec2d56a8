#!/bin/sh
# SPDX-License-Identifier: MIT
# The first C block of README.md ($1) is the program that is compiled ($2).
sed -n '/^```c$/,/^```$/p' "$1" | sed '1d;$d' | diff - "$2"
