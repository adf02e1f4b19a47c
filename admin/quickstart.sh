#!/bin/sh
# Letterlock in one command, on a bare Debian 12 too: installs what is missing, builds, makes a throw-away
# mail server on this machine's loopback with one account and a self-signed certificate, sends it a
# letter, reads it back by IMAP and by POP3, tells how to connect a mail program, and serves until
# Ctrl-C.
#
#     sh admin/quickstart.sh            try it out
#     sh admin/quickstart.sh --check    only the round trip; exit status 0 when it worked
#
# Everything it makes (but the installed packages and build-release/) lies in one temporary folder, which
# it removes at the end.
set -u
cd "$(dirname "$0")/.." || exit 1
CHECK=
case "${1:-}" in
"") ;;
--check) CHECK=1 ;;
*) echo "usage: sh admin/quickstart.sh [--check]" >&2; exit 2 ;;
esac

PACKAGES="meson ninja-build gcc libc6-dev pkg-config libsqlite3-dev libsodium-dev libgnutls28-dev
    libevent-dev libzstd-dev zlib1g-dev libidn2-dev libunistring-dev libseccomp-dev libunbound-dev python3"

install_missing() {
    missing=
    for p in $PACKAGES; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
    done
    [ -n "$missing" ] || return 0
    echo "Installing what is missing:$missing"
    if [ "$(id -u)" != 0 ]; then
        echo "Please run this once as root, or install these packages yourself." >&2
        return 1
    fi
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get update -q >/dev/null && apt-get install -q -y --no-install-recommends $missing >/dev/null
}

build() {
    echo "Building (the first time takes about a minute) ..."
    if [ ! -e build-release/build.ninja ]; then
        CC=gcc meson setup build-release --buildtype=release >"$WORK/build.log" 2>&1 ||
            { tail -20 "$WORK/build.log"; return 1; }
    fi
    ninja -C build-release >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; return 1; }
}

WORK=$(mktemp -d) || exit 1
SERVER=
finish() {
    trap - EXIT INT TERM
    [ -n "$SERVER" ] && kill "$SERVER" 2>/dev/null && wait "$SERVER" 2>/dev/null
    rm -rf "$WORK"
}
trap finish EXIT
trap 'finish; exit 130' INT
trap 'finish; exit 143' TERM

install_missing && build || { echo "The set-up did not work; see above." >&2; exit 1; }

LETTERLOCK=$PWD/build-release/admin/letterlock
DATA=$WORK/data
ADDRESS=you@letterlock.example
PASSWORD=$(/usr/bin/python3 -c 'import secrets; print("try-" + secrets.token_hex(6))')
ll() { "$LETTERLOCK" --data "$DATA" "$@"; }

printf '%s\n' "$PASSWORD" | ll setup --hostname localhost --domain letterlock.example --account "$ADDRESS" \
    --password-stdin --yes >"$WORK/setup.txt" 2>&1 || { cat "$WORK/setup.txt"; exit 1; }

# Ports that are free now; should another program take one meanwhile, serve says so.
PORTS=$(/usr/bin/python3 - <<'P'
import socket
socks = [socket.socket() for _ in range(7)]
for s in socks:
    s.bind(('127.0.0.1', 0))
print(*[s.getsockname()[1] for s in socks])
P
)
set -- $PORTS
SMTP=$1 SUBMISSION=$2 SUBMISSIONS=$3 IMAP=$4 IMAPS=$5 POP3=$6 POP3S=$7
# Not by ll: a function in the background is a shell of its own, and ending that one leaves the server.
"$LETTERLOCK" --data "$DATA" serve --listen smtp=127.0.0.1:"$SMTP" --listen submission=127.0.0.1:"$SUBMISSION" \
    --listen submissions=127.0.0.1:"$SUBMISSIONS" --listen imap=127.0.0.1:"$IMAP" \
    --listen imaps=127.0.0.1:"$IMAPS" --listen pop3=127.0.0.1:"$POP3" --listen pop3s=127.0.0.1:"$POP3S" \
    >"$WORK/out.txt" 2>"$WORK/log.txt" &
SERVER=$!
tries=0
until grep -q '^ready' "$WORK/out.txt"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 200 ] || ! kill -0 "$SERVER" 2>/dev/null; then
        echo "The server did not start:" >&2
        tail -20 "$WORK/log.txt" >&2
        exit 1
    fi
    sleep 0.05
done

ll cert show --json >"$WORK/cert.json" || exit 1
ADDRESS=$ADDRESS PASSWORD=$PASSWORD SUBMISSIONS=$SUBMISSIONS IMAPS=$IMAPS POP3S=$POP3S CERT=$WORK/cert.json \
    /usr/bin/python3 - <<'P' || { echo "The round trip did not work; the log's end:" >&2; tail -20 "$WORK/log.txt" >&2; exit 1; }
import imaplib, json, os, poplib, smtplib, ssl
from email.message import EmailMessage

address, password = os.environ['ADDRESS'], os.environ['PASSWORD']
# The server's own certificate is the only one that is trusted here.
chain = json.load(open(os.environ['CERT']))[0]['chain']
trust = ssl.create_default_context(cadata=chain)

letter = EmailMessage()
letter['From'] = letter['To'] = address
letter['Subject'] = 'A first letter'
letter.set_content('Sealed when it arrived, and opened for its owner alone.\n')
with smtplib.SMTP_SSL('localhost', int(os.environ['SUBMISSIONS']), context=trust) as smtp:
    smtp.login(address, password)
    smtp.send_message(letter)
print('A letter was sent by submission over TLS, with the password of', address + '.')

imap = imaplib.IMAP4_SSL('localhost', int(os.environ['IMAPS']), ssl_context=trust)
imap.login(address, password)
assert imap.select()[1] == [b'1'], 'the inbox should hold one letter'
by_imap = imap.fetch('1', '(BODY.PEEK[])')[1][0][1]
imap.logout()
assert b'opened for its owner alone' in by_imap
print('It was read back by IMAP: %d bytes.' % len(by_imap))

pop = poplib.POP3_SSL('localhost', int(os.environ['POP3S']), context=trust)
pop.user(address)
pop.pass_(password)
by_pop = b'\r\n'.join(pop.retr(1)[1]) + b'\r\n'
pop.quit()
assert by_pop == by_imap, 'POP3 should give the same bytes as IMAP'
print('It was read back by POP3: the same bytes.')
P

if grep -aqs 'opened for its owner alone' "$DATA"/*; then
    echo "The letter stands readable in the data folder: this is a defect." >&2
    exit 1
fi
echo "In the data folder there is nothing of it to be read: it is sealed to the account's key."
ll verify || exit 1
[ -n "$CHECK" ] && { echo "The round trip worked."; exit 0; }

cat <<TXT

To connect Thunderbird: Account settings, "Add mail account", your name, $ADDRESS and the
password $PASSWORD, then "Configure manually":

    incoming   IMAP   localhost   port $IMAPS         SSL/TLS   normal password   $ADDRESS
    outgoing   SMTP   localhost   port $SUBMISSIONS         SSL/TLS   normal password   $ADDRESS

It will warn once that the certificate is self-signed: that is expected here. Write to $ADDRESS
itself. Letters to others would really be sent, and refused: the domain is made up.

Serving now; Ctrl-C ends it and removes everything.
TXT
wait "$SERVER"
