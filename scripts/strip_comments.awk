# SPDX-License-Identifier: MIT
# C source without its comments and blanks at line ends; every line keeps its
# number. With -v strings=0 what stands between quotes goes as well, with
# -v where=1 every line begins with FILE:LINE: and a blank.
# usage: awk [-v strings=0] [-v where=1] -f strip_comments.awk FILE...
BEGIN {
    if (strings == "")
        strings = 1
}
FNR == 1 { inside = 0 }
{
    line = $0
    code = ""
    while (line != "") {
        if (inside) {
            at = index(line, "*/")
            if (!at)
                break
            inside = 0
            line = substr(line, at + 2)
            continue
        }
        # What comes first: a comment or something quoted?
        if (!match(line, /\/\*|\/\/|"([^"\\]|\\.)*"|'([^'\\]|\\.)*'/)) {
            code = code line
            break
        }
        token = substr(line, RSTART, RLENGTH)
        code = code substr(line, 1, RSTART - 1)
        line = substr(line, RSTART + RLENGTH)
        if (token == "//")
            break
        if (token == "/*")
            inside = 1
        else if (strings || code ~ /^ *# *include/)
            code = code token
        else
            code = code substr(token, 1, 1) substr(token, 1, 1)
    }
    sub(/[ \t]+$/, "", code)
    print (where ? FILENAME ":" FNR ": " : "") code
}
