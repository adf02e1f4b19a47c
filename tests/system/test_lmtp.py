"""LMTP on the local socket (RFC 2033): a reply for each recipient, the same letters, and never a relay."""
import os
import shutil
import smtplib
import socket
import subprocess

import pytest

from imapwire import Imap
from test_send import letters


class Lmtp:
    """Lines over the socket."""

    def __init__(self, appliance):
        # A path may be longer than a socket's name can be.
        self.folder = os.open(appliance.data, os.O_PATH)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect('/proc/self/fd/%d/send.sock' % self.folder)
        self.file = self.sock.makefile('rb')
        assert self.reply()[0].startswith('220 ')

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.file.close()
        self.sock.close()
        os.close(self.folder)

    def reply(self):
        lines = []
        while True:
            line = self.file.readline().decode().rstrip('\r\n')
            lines.append(line)
            if line[3:4] != '-':
                return lines

    def say(self, line, *wanted):
        """The replies, which begin as `wanted`."""
        self.sock.sendall(line.encode() + b'\r\n')
        got = [self.reply()[-1] for _ in wanted]
        assert all(g.startswith(w) for g, w in zip(got, wanted)), (line, got)
        return got


def envelope(lmtp, recipients, sender='list@elsewhere.example'):
    lmtp.say('MAIL FROM:<%s>' % sender, '250 2.1.0')
    for address, wanted in recipients:
        lmtp.say('RCPT TO:<%s>' % address, wanted)


def test_each_recipient_gets_a_reply(shared):
    one, two = shared.add_account(), shared.add_account()
    with Lmtp(shared) as lmtp:
        lmtp.sock.sendall(b'LHLO list.example\r\n')
        offered = {x[4:].split()[0] for x in lmtp.reply()[1:]}
        assert {'PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME', 'SIZE', 'CHUNKING'} <= offered
        assert not offered & {'STARTTLS', 'AUTH'}
        # Two accepted, one of them twice, one refused: three replies.
        envelope(lmtp, [(one[0], '250 2.1.5'), ('nobody@example.test', '550 5.1.1'), (two[0], '250 2.1.5'), (one[0], '250 2.1.5')])
        lmtp.say('DATA', '354')
        lmtp.say('Subject: lmtp\r\n\r\n..dot\r\n.', '250 2.0.0', '250 2.0.0', '250 2.0.0')
        # The same by chunks; a chunk that is not the last gets one.
        envelope(lmtp, [(one[0], '250'), (two[0], '250')])
        lmtp.say('BDAT 15\r\nSubject: bdat', '250 2.0.0')
        lmtp.say('BDAT 6 LAST\r\n\r\n.x', '250 2.0.0', '250 2.0.0')
        lmtp.say('QUIT', '221')
    for account in (one, two):
        first, second = letters(shared, account)
        assert b'Return-Path: <list@elsewhere.example>\r\nReceived: from list.example' in first
        assert b' with LMTP id ' in first and first.endswith(b'\r\n\r\n.dot\r\n')
        assert second.endswith(b'Subject: bdat\r\n\r\n.x\r\n')


def test_a_refused_letter_is_refused_for_each(shared):
    one, two = shared.add_account(), shared.add_account()
    with Lmtp(shared) as lmtp:
        lmtp.say('LHLO list.example', '250')
        envelope(lmtp, [(one[0], '250'), (two[0], '250')])
        lmtp.say('DATA', '354')
        lmtp.say('Subject: x\r\n\r\nbare\rCR\r\n.', '550 5.6.11', '550 5.6.11')
        # and the session goes on in step
        lmtp.say('NOOP', '250 2.0.0')
        envelope(lmtp, [('nobody@example.test', '550 5.1.1')])
        lmtp.say('DATA', '503 5.5.1')
        lmtp.say('RSET', '250')
        # EHLO makes it SMTP: one reply.
        lmtp.say('EHLO list.example', '250')
        envelope(lmtp, [(one[0], '250'), (two[0], '250')])
        lmtp.say('DATA', '354')
        lmtp.say('Subject: smtp\r\n\r\n\r\n.', '250 2.0.0')
        lmtp.say('QUIT', '221')
    for account in (one, two):
        text, = letters(shared, account)
        assert b' with ESMTP id ' in text and b'Subject: smtp' in text


def test_lmtp_relays_nothing_and_logs_nobody_in(shared):
    with Lmtp(shared) as lmtp:
        lmtp.say('LHLO list.example', '250')
        lmtp.say('AUTH PLAIN AGEAYg==', '502')
        lmtp.say('STARTTLS', '454')
        lmtp.say('MAIL FROM:<%s>' % shared.user, '250')
        for address in ('anna@elsewhere.example', 'anna%elsewhere.example@example.test', '@example.test:anna@elsewhere.example'):
            assert lmtp.say('RCPT TO:<%s>' % address, '5')[0].startswith('55')
        lmtp.say('LHLO', '501')


def test_lhlo_is_unknown_on_tcp(shared):
    for listener in ('smtp', 'submission'):
        client = shared.line_client(listener)
        client.greet()
        client.send_line('LHLO list.example')
        assert client.reply()[0] in (500, 530)
        client.close()


def test_python_delivers_by_lmtp(shared, account):
    folder = os.open(shared.data, os.O_PATH)
    try:
        with smtplib.LMTP('/proc/self/fd/%d/send.sock' % folder, local_hostname='list.example') as client:
            refused = client.sendmail('list@elsewhere.example', [account[0], 'nobody@example.test'], b'Subject: py\r\n\r\nhello\r\n')
            assert list(refused) == ['nobody@example.test']
    finally:
        os.close(folder)
    text, = letters(shared, account)
    assert text.endswith(b'Subject: py\r\n\r\nhello\r\n')


def test_fetchmail_fetches_by_pop3_and_delivers_by_lmtp(fresh):
    if not shutil.which('fetchmail'):
        pytest.skip('fetchmail is not installed')
    source, target = fresh.add_account(), fresh.add_account()
    for n in range(3):
        fresh.deliver(b'From: a@elsewhere.example\r\nSubject: f%d\r\n\r\nhello\r\n' % n, to=source[0])
    # A name that is short and absolute.
    path = '/tmp/ll-%d.sock' % fresh.process.pid
    os.symlink(fresh.data / 'send.sock', path)
    try:
        rc = fresh.top / 'fetchmailrc'
        rc.write_text('set no bouncemail\npoll localhost protocol pop3 service %d user "%s" password "%s" is "%s" here ssl '
                      'sslcertck sslcertfile "%s" smtphost "%s" lmtp smtpname "%s" keep fetchall\n'
                      % (fresh.ports['pop3s'], *source, target[0], fresh.certificate_path, path, target[0]))
        rc.chmod(0o600)
        done = subprocess.run(['fetchmail', '-v', '-f', rc, '--pidfile', fresh.top / 'pid'], capture_output=True, text=True,
                              timeout=60, env={**os.environ, 'HOME': str(fresh.top), 'FETCHMAILHOME': str(fresh.top)})
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        os.unlink(path)
    with Imap(fresh, *target, mailbox='INBOX') as imap:
        got = [m['BODY[]'] for m in imap.fetch('1:*', '(BODY.PEEK[])')]
    assert len(got) == 3 and all(b' with LMTP id ' in x for x in got)
