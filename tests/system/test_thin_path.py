"""One letter on each way in, byte for byte on each way out."""
import pytest

from collections_of_mail import check_stored
from imapwire import Imap

LETTER = (b'From: Anna <anna@elsewhere.example>\r\nTo: owner@example.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n'
          b'Message-ID: <%s@elsewhere.example>\r\n\r\nHello,\r\n.\r\n..\r\n. dot\r\n\xff\xfe 8 bit \xc3\xbc\r\n'
          + b'long ' * 3000 + b'\r\n\r\n\r\nend\r\n')


def read_by_both(appliance, user):
    with Imap(appliance, user, mailbox='INBOX') as imap:
        messages = imap.fetch('1:*', '(UID BODY.PEEK[])')
        assert len(messages) == 1
        by_imap = messages[0]['BODY[]']
    pop3 = appliance.pop3(user)
    by_pop3 = b''.join(line + b'\r\n' for line in pop3.retr(1)[1])
    pop3.quit()
    assert by_imap == by_pop3
    return by_imap


@pytest.mark.parametrize('tls', [False, True], ids=['clear', 'starttls'])
def test_a_stranger_delivers_on_25(shared, account, tls):
    user, _ = account
    letter = LETTER % (b'port25-%d' % tls)
    with shared.smtp() as client:
        if tls:
            client.starttls(context=shared.tls_context())
        client.sendmail('anna@elsewhere.example', [user], letter)
    stored = read_by_both(shared, user)
    check_stored(stored, letter)
    assert stored.startswith(b'Return-Path: <anna@elsewhere.example>\r\n') or \
        b'\r\nReturn-Path: <anna@elsewhere.example>\r\n' in stored
    received = stored[:len(stored) - len(letter)]
    assert (b'with ESMTPS' in received) == tls
    assert (b'with ESMTP' in received)


@pytest.mark.parametrize('listener', ['submission', 'submissions', 'submission-alt'])
def test_an_owner_submits(shared, account, listener):
    user, _ = account
    letter = (LETTER % listener.encode()).replace(b"anna@elsewhere.example", user.encode())
    with shared.submission(user, listener) as client:
        client.sendmail(user, [user], letter)
    stored = read_by_both(shared, user)
    assert stored.endswith(letter.split(b'\r\n\r\n', 1)[1])
    assert b'with ESMTPSA' in stored.split(b'\r\n\r\n', 1)[0]


@pytest.mark.parametrize('listener', ['submission', 'submission-alt', 'submissions'])
def test_nobody_submits_without_a_password(shared, account, listener):
    client = shared.line_client(listener)
    client.greet()
    if not client.is_tls:
        client.starttls()
    assert client.command('EHLO client.example')[0] == 250
    code, texts = client.command('MAIL FROM:<%s>' % account[0])
    if code == 250:
        code, texts = client.command('RCPT TO:<%s>' % account[0])
    assert code == 530, texts


def test_a_login_in_clear_is_refused_everywhere(shared, account):
    user, password = account
    smtp = shared.line_client('submission')
    smtp.greet()
    code, texts = smtp.command('EHLO client.example')
    assert not any(t.upper().startswith('AUTH') for t in texts)
    assert smtp.command('AUTH PLAIN AGEAYg==')[0] in (530, 538, 503, 502, 504)
    imap = shared.line_client('imap')
    imap.greet()
    assert imap.imap_command('LOGIN %s "%s"' % (user, password))[1].startswith(('x1 NO', 'x1 BAD'))
    pop3 = shared.line_client('pop3')
    pop3.greet()
    pop3.send_line('USER ' + user)
    assert pop3.read_line().startswith('-ERR')


def test_an_append_is_read_back_as_it_was(shared, account):
    user, _ = account
    letter = LETTER % b'append'
    with Imap(shared, user, mailbox='INBOX') as imap:
        line = imap.append(letter, flags='\\Seen $Forwarded')
        assert line.startswith('OK [APPENDUID '), line
        m = imap.fetch('1', '(FLAGS BODY.PEEK[])')[0]
        assert m['BODY[]'] == letter
        assert {b'\\Seen', b'$Forwarded'} <= set(m['FLAGS'])


def test_one_letter_to_two_owners_reaches_both(shared):
    (one, _), (two, _) = shared.add_account(), shared.add_account()
    letter = LETTER % b'two'
    with shared.smtp() as client:
        client.sendmail('anna@elsewhere.example', [one, two], letter)
    for user in (one, two):
        check_stored(read_by_both(shared, user), letter)


def test_a_letter_of_forty_megabytes_passes_whole(shared, account):
    user, _ = account
    line = bytes(range(33, 127)) * 8 + b'\r\n'
    body = line * (40 * 1024 * 1024 // len(line))
    letter = b'From: anna@elsewhere.example\r\nSubject: large\r\n\r\n' + body
    with shared.smtp() as client:
        client.sendmail('anna@elsewhere.example', [user], letter)
    with Imap(shared, user, mailbox='INBOX') as imap:
        stored = imap.fetch('1', 'BODY.PEEK[]')[0]['BODY[]']
        check_stored(stored, letter)
        middle = imap.fetch('1', 'BODY.PEEK[]<20000000.100>')[0]['BODY[]<20000000>']
        assert middle == stored[20000000:20000100]


def test_everything_is_still_there_after_a_restart(fresh):
    letter = LETTER % b'restart'
    fresh.deliver(letter, sender='anna@elsewhere.example')
    with Imap(fresh, mailbox='INBOX') as imap:
        imap.ok('UID STORE 1 +FLAGS (\\Flagged $Junk)')
        validity = imap.ok('STATUS INBOX (UIDVALIDITY UIDNEXT MESSAGES)')
    fresh.restart()
    with Imap(fresh, mailbox='INBOX') as imap:
        m = imap.fetch('1', '(FLAGS BODY.PEEK[])')[0]
        check_stored(m['BODY[]'], letter)
        assert {b'\\Flagged', b'$Junk'} <= set(m['FLAGS'])
        assert imap.ok('STATUS INBOX (UIDVALIDITY UIDNEXT MESSAGES)') == validity
