"""send, and the name sendmail: what programs of this machine hand over, and what they are told."""
import os
import re
import subprocess

import pytest

from imapwire import Imap
from letterlock import BINARY, DOMAIN, Appliance

EX_OK, EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL, EX_NOPERM = 0, 64, 65, 67, 69, 75, 77


@pytest.fixture(scope='module')
def sendmail(shared, tmp_path_factory):
    link = tmp_path_factory.mktemp('bin') / 'sendmail'
    link.symlink_to(BINARY)

    def run(*args, letter=b'Subject: hello\n\ntext\n'):
        return subprocess.run([str(link), *args], input=letter, capture_output=True, env=shared._environment(), timeout=60)
    return run


def letters(appliance, account):
    with Imap(appliance, *account, mailbox='INBOX') as imap:
        return [m['BODY[]'] for m in imap.fetch('1:*', '(BODY.PEEK[])')] if imap_count(imap) else []


def imap_count(imap):
    return len(imap.command('UID SEARCH ALL')[0][0][0].split()) > 2


def test_a_letter_gets_what_it_lacks(shared, account, sendmail):
    result = sendmail('-f', 'cron@elsewhere.example', '-F', 'The "Cron" \\ daemon', account[0])
    assert result.returncode == EX_OK and not result.stderr and not result.stdout
    text, = letters(shared, account)
    head, body = text.split(b'\r\n\r\n', 1)
    assert b'Return-Path: <cron@elsewhere.example>' in head
    assert b'From: "The Cron  daemon" <cron@elsewhere.example>' in head
    assert re.search(rb'\r\nDate: ', head) and re.search(rb'\r\nMessage-ID: <[0-9a-f]{32}@localhost>', head)
    assert body == b'text\r\n'


def test_what_a_letter_has_is_left_as_it_is(shared, account, sendmail):
    letter = (b'From: me@elsewhere.example\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <own@x>\nBcc: kept@x.example\n'
              b'Subject: s\n\n.dot\n..\n.\nbehind\n')
    assert sendmail('-oi', '--', account[0], letter=letter).returncode == EX_OK
    text, = letters(shared, account)
    assert text.endswith(letter.replace(b'\n', b'\r\n')) and text.count(b'From: ') == 1


def test_without_i_a_dot_ends_the_letter(shared, account, sendmail):
    assert sendmail(account[0], letter=b'Subject: s\n\none\n.\ntwo\n').returncode == EX_OK
    text, = letters(shared, account)
    assert text.endswith(b'\r\n\r\none\r\n')


def test_t_takes_recipients_from_the_header_and_removes_bcc(shared, sendmail):
    to, cc, bcc, extra = (shared.add_account() for _ in range(4))
    letter = ('To: "A, B" <%s>, group: %s;\nCc: (comment)\n %s\nBcc: %s,\n\t%s\nSubject: s\n\nx\n'
              % (to[0], cc[0], cc[0], bcc[0], bcc[0])).encode()
    assert sendmail('-t', '-i', extra[0], letter=letter).returncode == EX_OK
    for account in (to, cc, bcc, extra):
        text, = letters(shared, account)
        head = text.split(b'\r\n\r\n')[0].split(b'From: ')[1]
        assert b'Bcc' not in head and bcc[0].encode() not in head and to[0].encode() in head


def test_refusals_are_said_and_the_others_get_it(shared, account, sendmail):
    result = sendmail('nobody@' + DOMAIN, account[0])
    assert result.returncode == EX_NOUSER and b'nobody@' in result.stderr
    assert len(letters(shared, account)) == 1
    result = sendmail('someone@strange.example')
    assert result.returncode == EX_NOPERM and b'strange.example' in result.stderr
    assert sendmail('-t', letter=b'Subject: s\n\nx\n').returncode == EX_USAGE
    assert sendmail().returncode == EX_USAGE
    assert sendmail('-Z', account[0]).returncode == EX_USAGE
    assert sendmail('-f').returncode == EX_USAGE
    assert sendmail('a b\r\nRCPT TO:<%s>' % account[0]).returncode != EX_OK
    assert len(letters(shared, account)) == 1


def test_options_of_old_are_borne(shared, account, sendmail):
    result = sendmail('-odb', '-oem', '-om', '-B8BITMIME', '-N', 'never', '-v', '-ti', account[0], letter=b'To: \nSubject: s\n\nx\n')
    assert result.returncode == EX_OK, result.stderr
    assert len(letters(shared, account)) == 1


def test_bs_speaks_smtp(shared, account, tmp_path):
    link = tmp_path / 'sendmail'
    link.symlink_to(BINARY)
    with subprocess.Popen([str(link), '-bs'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env=shared._environment()) as p:
        codes = []
        # EHLO is there before the greeting, as from a program that does not read; the rest waits for its reply.
        for text in ('EHLO x', 'MAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA' % account[0], 'Subject: s\r\n\r\nx\r\n.', 'QUIT'):
            p.stdin.write(text.encode() + b'\r\n')
            p.stdin.flush()
            for _ in range({'EHLO x': 2}.get(text, text.count('\r\n') + 1 if text.startswith('MAIL') else 1)):
                line = p.stdout.readline()
                while line[3:4] == b'-':
                    line = p.stdout.readline()
                codes.append(line[:3])
        assert p.wait(30) == EX_OK
    assert codes == [b'220', b'250', b'250', b'250', b'354', b'250', b'221']
    assert len(letters(shared, account)) == 1


def test_send_does_the_same_and_many_lines_pass(shared, account):
    body = ''.join('line %d %s\n' % (n, 'x' * 60) for n in range(60000))
    result = shared.run('send', '-i', '-f', '<>', account[0], stdin='Subject: big\n\n' + body)
    assert result.returncode == 0
    text, = letters(shared, account)
    assert text.endswith(body.replace('\n', '\r\n').encode()) and b'Return-Path: <>' in text
    result = shared.run('send', check=False)
    assert result.returncode == 2


def test_without_a_server_it_is_tried_again_later(binary):
    with Appliance() as a:
        a.setup()
        result = a.run('send', a.user, stdin='x\n', check=False)
        assert result.returncode == EX_TEMPFAIL and 'no server' in result.stderr


def test_the_socket_is_for_the_owner_alone_and_for_all_in_a_run_folder(binary, tmp_path):
    with Appliance(environment={'RUNTIME_DIRECTORY': str(tmp_path)}) as a:
        a.setup()
        a.start()
        assert os.stat(tmp_path / 'send.sock').st_mode & 0o777 == 0o666
        a.environment['LETTERLOCK_SOCKET'] = str(tmp_path / 'send.sock')
        a.run('send', a.user, stdin='Subject: s\n\nx\n')
        a.restart()
        a.run('send', a.user, stdin='Subject: s\n\nx\n')
    with Appliance() as b:
        b.setup()
        b.start()
        assert os.stat(b.data / 'send.sock').st_mode & 0o777 == 0o600
