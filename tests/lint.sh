#!/usr/bin/env bash
# `make lint`: everything that a machine can say about the sources.  Prints one
# line a check, the findings of those that failed, and the names of the failed
# ones at the end; the exit status is 0 when there are none.
#
# CPPFLAGS comes from the Makefile.  Only what git tracks is looked at.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

mapfile -t sources < <(git ls-files '*.c')
mapfile -t c_files < <(git ls-files '*.c' '*.h')
mapfile -t scripts < <(git ls-files '*.sh' 'demo/*' .ci/run | sort -u |
    xargs grep -lE '^#!.*[/ ](ba|da)?sh\b')
mapfile -t texts < <(git ls-files '*.c' '*.h' '*.md' '*.sh' '*.proto' '*.yaml' \
    Makefile demo packaging)
read -ra cpp <<<"${CPPFLAGS:?run it with: make lint}"
cpp+=('-DPODMGR_VERSION="lint"')

failed=()
findings=$(mktemp)
trap 'rm -f "$findings"' EXIT

# check NAME COMMAND...: COMMAND tells its findings on stdout or stderr.
check() {
    local name=$1 start=$SECONDS
    shift
    if "$@" >"$findings" 2>&1; then
        printf '%-14s ok      %3d s\n' "$name" $((SECONDS - start))
    else
        printf '%-14s FAILED  %3d s\n' "$name" $((SECONDS - start))
        cat "$findings"
        failed+=("$name")
    fi
}

format() {
    clang-format --dry-run -Werror "${c_files[@]}" 2>&1 |
        sed -nE 's/^([^ :]+):[0-9]+:[0-9]+: error: .*/\1: run make format/p' | uniq
}

# One file a process: clang-tidy 14 sees va_lists as uninitialized in the second.
# What it counts but does not show (findings in system headers) is noise.
tidy() {
    printf '%s\0' "${sources[@]}" |
        xargs -0 -P 2 -I {} clang-tidy --quiet {} -- -std=c17 "${cpp[@]}" 2>&1 |
        sed '/^[0-9]* warnings\{0,1\} generated\.$/d'
}

# Without build/gen: what protoc-c writes is not ours.  Null pointers are left
# to clang-tidy, which follows values; cppcheck guesses across xmalloc's family.
flow() {
    local flags=() flag
    for flag in "${cpp[@]}"; do
        [[ $flag == -[ID]* && $flag != */gen && $flag != -I/* ]] && flags+=("$flag")
    done
    cppcheck --quiet -j 2 --std=c11 --library=posix,gnu --inline-suppr --error-exitcode=1 \
        --enable=warning,performance,portability --suppress=nullPointer \
        "${flags[@]}" "${sources[@]}"
}

# ------------------------------------------------------- include rules --

# Who may include the headers of whom (CONTRIBUTING.md).  A quoted name is
# looked for as the compiler does; what is found nowhere is generated.
components() {
    printf '%s\n' "${c_files[@]}" | awk '
        function component(path) {
            if (path ~ /^libtpunet\/tpunetd\//) return "tpunetd"
            if (path ~ /^libtpunet\/tool\//) return "tool"
            sub(/\/.*/, "", path)
            return path
        }
        function target(from, name,    dir, i) {
            dir = from; sub(/[^\/]*$/, "", dir)
            if ((dir name) in tracked) return dir name
            for (i = 1; i <= n_path; i++) if ((path[i] name) in tracked) return path[i] name
            return ""
        }
        BEGIN {
            n_path = split("common/ wire/ libtpunet/ podmgr/", path, " ")
            path[++n_path] = ""
            may["common"] = " common "
            may["wire"] = " wire common "
            may["libtpunet"] = " libtpunet "
            may["tpunetd"] = " tpunetd libtpunet wire common "
            may["tool"] = " tool libtpunet common "
            may["podmgr"] = " podmgr libtpunet wire common "
            may["simulator"] = " simulator libtpunet wire common "
            may["healthd"] = " healthd wire common "
            may["podctl"] = " podctl common "
            may["tools"] = " tools common "
        }
        { tracked[$0] = 1 }
        END {
            for (from in tracked) {
                here = component(from)
                if (here == "tests") continue
                if (!(here in may)) { print from ": no include rule for " here; bad = 1; continue }
                for (line = 1; (getline text < from) > 0; line++) {
                    if (text !~ /^#[ \t]*include[ \t]*"/) continue
                    split(text, part, "\"")
                    to = target(from, part[2])
                    if (to == "") continue
                    there = component(to)
                    if (index(may[here], " " there " ") == 0)
                        bad = 1 + complain(from, line, here " may not include " there)
                    if (there == "libtpunet" && here != "libtpunet" && to != "libtpunet/tpunet.h")
                        bad = 1 + complain(from, line, "only tpunet.h is public")
                }
                close(from)
            }
            exit bad > 0
        }
        function complain(file, line, what) { print file ":" line ": " what; return 0 }'
}

# only HEADER-REGEX PLACE-REGEX: who outside PLACE (tests aside) includes it.
only() {
    local hits
    hits=$(grep -nE "^#[[:space:]]*include[[:space:]]*[<\"]($1)[>\"]" "${c_files[@]}" |
        grep -vE "^(tests/|$2)")
    [ -z "$hits" ] || printf '%s\n  (only in %s)\n' "$hits" "$2"
    [ -z "$hits" ]
}

# never WHAT CODE-REGEX PLACE-REGEX: no line of PLACE has it.
never() {
    local files hits
    mapfile -t files < <(printf '%s\n' "${c_files[@]}" | grep -E "$3")
    [ ${#files[@]} -eq 0 ] && return 0
    hits=$(grep -nE "$2" /dev/null "${files[@]}")
    [ -z "$hits" ] || printf '%s\n  (%s)\n' "$hits" "$1"
    [ -z "$hits" ]
}

libtpunet_libc='assert|ctype|errno|float|inttypes|limits|math|stdalign|stdarg|stdatomic|stdbool|stddef'
# sys/mman.h: huge pages for tables; emmintrin.h: SSE2 where the compiler has it.
libtpunet_libc+='|stdint|stdio|stdlib|string|sys/mman|emmintrin'
clocks='(clock_read|clock_gettime|gettimeofday|timespec_get|time|clock)\('
stdio='(v?f?printf|v?dprintf|f?puts|f?putc|putchar|fopen|fdopen|fread|fwrite|fgets|getline|perror)\('

libc_alone() {
    local files hits
    mapfile -t files < <(printf '%s\n' "${c_files[@]}" | grep -E '^libtpunet/[^/]+$')
    hits=$(grep -nE '^#[[:space:]]*include[[:space:]]*<' "${files[@]}" |
        grep -vE "<($libtpunet_libc)\\.h>")
    [ -z "$hits" ] || printf '%s\n  (libtpunet needs the C library alone)\n' "$hits"
    [ -z "$hits" ]
}

include_rules() {
    local bad=0
    components || bad=1
    only 'nng/[^>]*' 'tests/unit/test_sp\.c:' || bad=1
    only 'microhttpd\.h' 'podmgr/api/http\.c:' || bad=1
    only 'sqlite3\.h' 'podmgr/store/' || bad=1
    only 'curl/[^>]*' '(podmgr/hooks/(courier|url)|podctl/client)\.c:' || bad=1
    only 'yaml\.h' '(common/yconf|tools/yaml2json)' || bad=1
    never 'the core has no event loop' '^#.*include.*[<"]uv\.h' '^podmgr/core/' || bad=1
    never 'the core reads no clock: time comes in the event' "\\b$clocks" '^podmgr/core/' || bad=1
    never 'the core does no I/O' "\\b$stdio" '^podmgr/core/' || bad=1
    libc_alone || bad=1
    never 'the simulator has its own wiring and forwarding' '^#.*include.*"tpunet\.h"' \
        '^simulator/.*(wir|forward|fabric|route|table|flit)' || bad=1
    return $bad
}

spelling() {
    codespell "${texts[@]}"
}

check clang-format format
check include-rules include_rules
check shellcheck shellcheck "${scripts[@]}"
check codespell spelling
check cppcheck flow
check clang-tidy tidy

if [ ${#failed[@]} -ne 0 ]; then
    echo "lint failed: ${failed[*]}"
    exit 1
fi
