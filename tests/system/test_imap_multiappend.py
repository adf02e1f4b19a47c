"""MULTIAPPEND (RFC 3502) with many letters: all in one commit, or none and a reason."""
import os

from imapwire import Imap
from letterlock import wait_until


def append(imap, letters):
    """What the server said, tagged line last."""
    parts = [b'm APPEND INBOX']
    for letter in letters:
        parts.append(b' {%d+}\r\n%s' % (len(letter), letter))
    imap.wire.send(b''.join(parts) + b'\r\n')
    while True:
        line = imap.wire.read_line()
        assert line is not None, 'closed'
        if line.startswith('m '):
            return line


def count(imap):
    (pieces,) = imap.ok('STATUS INBOX (MESSAGES)')
    return int(pieces[0].split(b'MESSAGES ')[1].split(b')')[0])


def batches(imap, arguments):
    return [pieces[0].split(b')', 1)[1] for pieces in imap.ok('UIDBATCHES ' + arguments)]


def small(number):
    return b'Subject: %d\r\n\r\n' % number + b'The same few words again and again.\r\n' * 100


def test_a_thousand_letters_in_one_commit(shared, account):
    user, _ = account
    with Imap(shared, user) as imap:
        line = append(imap, [small(i) for i in range(1000)])
        assert line.startswith('m OK [APPENDUID') and '1:1000]' in line, line
        assert count(imap) == 1000
        imap.ok('SELECT INBOX')
        assert batches(imap, '500') == [b' 1000:501,500:1']
        assert batches(imap, '700 1:1') == [b' 1000:301']
        assert batches(imap, '700 2:9') == [b' 300:1']
        assert batches(imap, '700 3:9') == [b'']
        imap.ok('STORE 301:302,1000 +FLAGS.SILENT (\\Deleted)')
        imap.ok('EXPUNGE')
        assert batches(imap, '697') == [b' 999:303,302:1']
        assert imap.command('UIDBATCHES 499')[1].startswith('NO [TOOSMALL]')
        assert imap.command('UIDBATCHES 500 2:1')[1].startswith('BAD [CLIENTBUG]')
        assert imap.command('UIDBATCHES 500 1:4001')[1].startswith('NO [TOOMANY]')
        answer = imap.ok('UID FETCH 777 BODY.PEEK[]')
        assert any(piece == small(776) for pieces in answer for piece in pieces)


def test_too_many_letters_are_none(shared, account):
    user, _ = account
    with Imap(shared, user) as imap:
        assert append(imap, [small(i) for i in range(4001)]).startswith('m NO [LIMIT]')
        assert count(imap) == 0
        assert append(imap, [small(0)] * 2).startswith('m OK')


def test_too_large_heads_are_none_and_leave_room(shared, account):
    """Each letter stays just small enough to wait in the store's memory: more than it keeps there."""
    user, _ = account
    noise = bytes(b for b in os.urandom(5000) if b not in b'\0\r\n')[:3800]
    letters = [b'Subject: x\r\n\r\n' + noise + b'\r\n'] * 3990
    with Imap(shared, user) as imap:
        assert append(imap, letters).startswith('m NO [LIMIT]')
        assert count(imap) == 0
        assert append(imap, letters[:2]).startswith('m OK')


def test_the_store_dies_between_two_letters(fresh):
    user = fresh.user
    with Imap(fresh, user) as imap:
        imap.wire.send(b'm APPEND INBOX {%d+}\r\n%s {%d}\r\n' % (len(small(1)), small(1), len(small(2))))
        assert imap.wire.read_line().startswith('+')
        fresh.kill('store')
        imap.wire.send(small(2) + b'\r\n')
        assert imap.wire.read_line().startswith('m NO [UNAVAILABLE]')
        assert count(imap) == 0
        wait_until(lambda: append(imap, [small(1), small(2)]).startswith('m OK'))
        assert count(imap) == 2
