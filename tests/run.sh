#!/bin/sh
# All tests in one command, on a bare Debian 12 too: installs what is missing, builds three times, runs
# everything, and ends with the line "N passed, N failed, N skipped". Exit status 1 when something
# failed.
#
#     sh tests/run.sh [STAGE...]      rules unit system release fuzz by default; "system" runs the system tests on
#                                    the sanitized build, "release" on the release build
#     FUZZ_SECONDS=60 sh tests/run.sh fuzz
#
# Builds: build-asan (gcc, ASan and UBSan: unit and system tests), build-release (gcc: system tests
# again, and those of the sandbox), build-clang (clang, ASan and UBSan: fuzz targets).
set -u
cd "$(dirname "$0")/.." || exit 1
STAGES=${*:-rules unit system release fuzz}
FUZZ_SECONDS=${FUZZ_SECONDS:-5}
JOBS=$(nproc)
WORK=$(mktemp -d) || exit 1
trap 'rm -rf "$WORK"' EXIT
STARTED=$(date +%s)

say() { printf '\n== %s (%s s)\n' "$1" $(($(date +%s) - STARTED)); }
# A result that no program counts for us: count passed|failed|skipped NAME
count() { printf '%s\t%s\n' "$1" "$2" >>"$WORK/results"; [ "$1" = passed ] || echo "   $1: $2"; }
wants() { case " $STAGES " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

BUILD_PACKAGES="meson ninja-build gcc libc6-dev pkg-config libsqlite3-dev libsodium-dev libgnutls28-dev
    libevent-dev libzstd-dev zlib1g-dev libidn2-dev libunistring-dev libseccomp-dev libunbound-dev libcmocka-dev"
CLANG_PACKAGES="clang libclang-rt-14-dev"
TOOL_PACKAGES="python3 python3-pytest swaks libnet-ssleay-perl libauthen-sasl-perl curl isync fetchmail
    gnutls-bin openssl sqlite3 offlineimap3 getmail6 s-nail imapfilter mutt neomutt tmux python3-dkim opendkim
    msmtp mpop sslscan testssl.sh"

install_missing() {
    missing=
    for p in $BUILD_PACKAGES $CLANG_PACKAGES $TOOL_PACKAGES; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
    done
    [ -n "$missing" ] || return 0
    say "installing$missing"
    if [ "$(id -u)" != 0 ]; then
        echo "not root: please install the packages above" >&2
        return 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q && apt-get install -q -y --no-install-recommends $missing
}

# build FOLDER CC OPTION...: sets up once, compiles every time.
build() {
    folder=$1 compiler=$2
    shift 2
    say "building $folder"
    if [ ! -e "$folder/build.ninja" ]; then
        rm -rf "$folder"
        CC=$compiler meson setup "$folder" "$@" >"$WORK/setup.log" 2>&1 ||
            { tail -20 "$WORK/setup.log"; count failed "build: $folder"; return 1; }
    else
        meson configure "$folder" "$@" >/dev/null
    fi
    if ninja -C "$folder" -j "$JOBS" >"$WORK/ninja.log" 2>&1; then
        count passed "build: $folder"
    else
        grep -E 'error|warning|FAILED|undefined' -A4 "$WORK/ninja.log" | tail -60
        count failed "build: $folder"
        return 1
    fi
}

run_rules() {
    say "house rules"
    /usr/bin/python3 tests/check_floors.py >"$WORK/rules.tap"
    grep -E '^(not ok|#)' "$WORK/rules.tap"
    /usr/bin/python3 tests/tally.py tap "$WORK/rules.tap" >>"$WORK/results"
}

run_unit() {
    say "unit tests"
    meson test -C build-asan --no-rebuild --num-processes "$JOBS" --print-errorlogs >"$WORK/unit.log" 2>&1 ||
        tail -60 "$WORK/unit.log"
    /usr/bin/python3 tests/tally.py meson build-asan/meson-logs/testlog.json >>"$WORK/results" ||
        count failed "unit tests: no log of them"
}

# run_system BUILD
run_system() {
    say "system tests on $1"
    LETTERLOCK=$PWD/$1/admin/letterlock timeout 900 /usr/bin/python3 -B -m pytest -q -rsfE --tb=short \
        -p no:cacheprovider --durations=8 --junitxml "$WORK/system-$1.xml" tests/system
    /usr/bin/python3 tests/tally.py junit "$WORK/system-$1.xml" "$1" >>"$WORK/results" ||
        count failed "system tests on $1: no results"
}

fuzz_one() {
    name=$(basename "$1") && name=${name#fuzz_}
    mkdir -p "$WORK/fuzz/$name"
    set -- "$1" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$PWD/build-clang/tests/fuzz/$name-"
    [ -e "tests/fuzz/$name.dict" ] && set -- "$@" -dict="tests/fuzz/$name.dict"
    set -- "$@" "$WORK/fuzz/$name"
    [ -d "tests/fuzz/corpus/$name" ] && set -- "$@" "tests/fuzz/corpus/$name"
    if "$@" >"$WORK/fuzz-$name.log" 2>&1; then
        printf 'passed\tfuzz: %s\n' "$name" >"$WORK/fuzz-$name.result"
    else
        printf 'failed\tfuzz: %s\n' "$name" >"$WORK/fuzz-$name.result"
    fi
}

run_fuzz() {
    say "fuzz targets, $FUZZ_SECONDS s each"
    running=0 fuzzing=
    for target in build-clang/tests/fuzz/fuzz_*; do
        [ -f "$target" ] && [ -x "$target" ] || continue
        fuzz_one "$target" &
        fuzzing="$fuzzing $!"
        running=$((running + 1))
        if [ "$running" -ge "$JOBS" ]; then
            wait $fuzzing
            running=0 fuzzing=
        fi
    done
    [ -z "$fuzzing" ] || wait $fuzzing
    for result in "$WORK"/fuzz-*.result; do
        [ -e "$result" ] || continue
        cat "$result" >>"$WORK/results"
        log=${result%.result}.log
        if grep -q ^failed "$result"; then
            cut -f2 "$result"
            grep -E 'ERROR|SUMMARY|Test unit|invariant|ensure' -A12 "$log" | head -50
        else
            printf '   %s: %s inputs\n' "$(cut -f2 "$result")" \
                "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
        fi
    done
}

: >"$WORK/results"
install_missing || count failed "installing packages"
wants rules && run_rules
# System tests mostly wait for what they test, so those on the sanitized build run beside the rest; what
# they print comes at the end.
sanitized=
if wants unit || wants system; then
    build build-asan gcc -Dtests=true -Db_sanitize=address,undefined && {
        wants unit && run_unit
        wants system && { run_system build-asan >"$WORK/system-asan.log" 2>&1 & sanitized=$!; }
    }
fi
if wants release; then
    build build-release gcc -Dbuildtype=release && run_system build-release
fi
if wants fuzz; then
    build build-clang clang -Dtests=true -Dfuzzers=true -Db_sanitize=address,undefined -Db_lundef=false &&
        run_fuzz
fi
if [ -n "$sanitized" ]; then
    wait "$sanitized"
    cat "$WORK/system-asan.log"
fi

passed=$(grep -c ^passed "$WORK/results")
failed=$(grep -c ^failed "$WORK/results")
skipped=$(grep -c ^skipped "$WORK/results")
say "done"
grep ^failed "$WORK/results" | sed 's/^failed\t/   failed: /'
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
