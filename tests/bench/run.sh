#!/bin/bash
# Letterlock beside Postfix and Dovecot in one run of the harness, then the figures that are ours alone.
# Only on a machine that does nothing else. Results as JSON lines in $B_ROOT/results.
#
#     tests/bench/run.sh [PEER...]        letterlock postfix-dovecot-maildir by default
#     STEPS='w1:reps=3' BENCH=/folder/of/the/harness tests/bench/run.sh
#
# The harness (../shared/bench beside the project) writes beside itself, so a copy of it runs.
set -u
here=$(cd "$(dirname "$0")" && pwd) root=$(cd "$(dirname "$0")/../.." && pwd)
BENCH=${BENCH:-$root/../shared/bench}
[ -d "$BENCH" ] || BENCH=/work/shared/bench
export B_ROOT=${B_ROOT:-/var/tmp/letterlock-bench} B_USERS=${B_USERS:-20}
export LETTERLOCK=${LETTERLOCK:-$root/build-release/admin/letterlock}
STEPS=${STEPS:-w1:reps=3}
[ -x "$LETTERLOCK" ] || { echo "no binary at $LETTERLOCK" >&2; exit 1; }
[ -d "$BENCH" ] || { echo "no harness at $BENCH: set BENCH" >&2; exit 1; }

install_peers() {
    local missing=
    for p in postfix dovecot-imapd dovecot-pop3d dovecot-lmtpd openssl; do
        dpkg-query -W -f '${Status}' $p 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
    done
    [ -n "$missing" ] || return 0
    # The harness runs private instances; the packages' own services are not to start.
    local policy=
    [ -e /usr/sbin/policy-rc.d ] || { policy=1; printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; }
    echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
    [ -z "$policy" ] || rm -f /usr/sbin/policy-rc.d
}

install_peers >"/tmp/bench-install.$$" 2>&1 || { tail -5 "/tmp/bench-install.$$"; exit 1; }
rm -f "/tmp/bench-install.$$"
mkdir -p "$B_ROOT/results"
rm -rf "$B_ROOT/harness"
cp -r --no-preserve=mode "$BENCH" "$B_ROOT/harness"
chmod +x "$B_ROOT/harness/run.sh"
cp "$here/letterlock-peer.sh" "$B_ROOT/harness/peers/letterlock.sh"
/usr/bin/python3 "$here/fsync.py" "$B_ROOT" | tee -a "$B_ROOT/results/own.jsonl"
for peer in ${*:-letterlock postfix-dovecot-maildir}; do
    echo "== $peer: $STEPS"
    B_RESULTS=$B_ROOT/results/$peer.jsonl bash "$B_ROOT/harness/run.sh" "$peer" wipe init start $STEPS stop
    /usr/bin/python3 "$here/fsync.py" "$B_ROOT" | tee -a "$B_ROOT/results/own.jsonl"
done
[ $# -eq 0 ] || exit 0
for figure in start.py idle_memory.py smtp_memory.py listing.py mailbox.py long_session.py logins.py; do
    echo "== $figure"
    /usr/bin/python3 "$here/$figure" | tee -a "$B_ROOT/results/own.jsonl"
done
