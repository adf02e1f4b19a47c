"""Only CRLF ends a line and only CRLF.CRLF ends DATA: no other ending splits a letter in two, and none is
stored."""
import itertools

import pytest

from imapwire import Imap

BREAKS = [b'\r\n', b'\n', b'\r', b'\n\r', b'\r\r\n', b'\0\r\n', b'\r\0\n', b'\r\n\0', b' \r\n', b'\r\n ',
          b'\x85', b'\xc2\x85', b'\xe2\x80\xa8', b'\x0b']
ENDINGS = [before + dots + after for before, after in itertools.product(BREAKS, BREAKS) for dots in (b'.',)
           if b'\r\n.\r\n' not in before + dots + after]      # that is the real end


def test_there_are_enough_near_misses():
    assert len(set(ENDINGS)) >= 150


@pytest.mark.parametrize('listener', ['smtp', 'submissions'])
def test_no_near_miss_ends_the_letter(shared, listener):
    user, password = shared.add_account()
    stored = 0
    for number, ending in enumerate(ENDINGS):
        if number % 15 == 0:      # before smtp.max-errors ends the connection
            client = shared.line_client(listener)
            if listener == 'smtp':
                client.greet()
                client.command('EHLO client.example')
            else:
                client.login(user, password)
        assert client.command('MAIL FROM:<%s>' % user)[0] in (250, 550, 553) if listener != 'smtp' else \
            client.command('MAIL FROM:<a@elsewhere.example>')[0] == 250
        assert client.command('RCPT TO:<%s>' % user)[0] == 250
        assert client.command('DATA')[0] == 354
        smuggled = b'MAIL FROM:<forged@elsewhere.example>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\nx' \
            % user.encode()
        client.send(b'Subject: outer\r\n\r\ntext' + ending + smuggled + b'\r\n.\r\n')
        code, texts = client.reply()
        assert code in (250, 550, 554), (ending, code, texts)
        if code == 250:
            stored += 1
            bare = ending.replace(b'\r\n', b'')
            assert b'\r' not in bare and b'\n' not in bare, 'taken with a bare CR or LF: %r' % ending
        assert client.command('NOOP')[0] == 250, ending      # one letter, one reply: still in step
    with Imap(shared, user, mailbox='INBOX') as imap:
        subjects = [m['ENVELOPE'][1] for m in imap.fetch('1:*', '(ENVELOPE)')]
    assert subjects == [b'outer'] * stored


@pytest.mark.parametrize('line', [b'NOOP\n', b'NOOP\rNOOP\r\n', b'MAIL FROM:<a@b.example>\nRCPT TO:<x@y.example>\r\n',
                                  b'NOOP \0\r\n', b'EHLO a\rb\r\n'])
def test_a_command_line_ends_with_crlf_alone(shared, line):
    client = shared.line_client('smtp')
    client.greet()
    client.command('EHLO client.example')
    client.send(line + (b'' if line.endswith(b'\r\n') else b'\r\n'))
    code, _ = client.reply()
    assert 500 <= code < 600, code


@pytest.mark.parametrize('pieces', [1, 2, 3, 5, 7])
def test_the_end_is_seen_wherever_the_stream_is_cut(shared, account, pieces):
    user, _ = account
    letter = b'Subject: cut\r\n\r\n..stuffed\r\n.\r\n'
    client = shared.line_client('smtp')
    client.greet()
    for text in ('EHLO client.example', 'MAIL FROM:<a@elsewhere.example>', 'RCPT TO:<%s>' % user, 'DATA'):
        client.command(text)
    for at in range(0, len(letter), pieces):
        client.send(letter[at:at + pieces])
    assert client.reply()[0] == 250
    with Imap(shared, user, mailbox='INBOX') as imap:
        assert imap.fetch('1', 'BODY.PEEK[TEXT]')[0]['BODY[TEXT]'] == b'.stuffed\r\n'
