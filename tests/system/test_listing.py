"""Listing blocks: a listing says the same with them, without them, beside new mail, after EXPUNGE and when one is
damaged; and they go with the mails that they tell of."""
import sqlite3

import pytest

from imapwire import Imap
from letterlock import wait_until

LETTERS = 250
BOTH = 'ENVELOPE BODYSTRUCTURE'


def letter(number):
    return (b'From: "Some \\"Body\\" %d" <a%d@elsewhere.example>\r\nTo: undisclosed: ;\r\nSubject: number %d %s\r\n'
            b'Message-ID: <%d@elsewhere.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; name*=utf-8\'\'n%%C3%%A4me'
            b'\r\n\r\ntext\r\n' % (number, number % 7, number, b'x' * (number % 50), number))


def blocks(appliance):
    """[(first, last)] of all mailboxes."""
    with sqlite3.connect('file:%s?mode=ro' % (appliance.data / 'mail.db'), uri=True) as db:
        return db.execute('SELECT first, last FROM listing ORDER BY first').fetchall()


def lines(imap, command='UID FETCH 1:* (UID %s)' % BOTH):
    """Every answer as it came, by its order."""
    return [b''.join(pieces) for pieces in imap.ok(command) if b' FETCH ' in pieces[0]]


@pytest.fixture
def listed(fresh):
    with Imap(fresh, mailbox='INBOX') as imap:
        for number in range(1, LETTERS + 1):
            assert imap.append(letter(number)).startswith('OK')
        imap.ok('NOOP')
        assert blocks(fresh) == []
        first = lines(imap)
    assert len(first) == LETTERS
    wait_until(lambda: len(blocks(fresh)) >= 2, 20, 'blocks of the listing')
    return fresh, first


def test_a_listing_from_blocks_says_the_same(listed):
    appliance, first = listed
    with Imap(appliance, mailbox='INBOX') as imap:
        assert lines(imap) == first
        assert lines(imap, 'FETCH 90:110 (UID %s)' % BOTH) == first[89:110]
        assert lines(imap, 'UID FETCH 3,99:102,150 (UID %s)' % BOTH) == [first[n - 1] for n in (3, 99, 100, 101, 102, 150)]
        flags = imap.fetch('120', '(FLAGS ENVELOPE RFC822.SIZE)')
        assert flags[0]['ENVELOPE'][1].startswith(b'number 120 ') and int(flags[0]['RFC822.SIZE']) > 200
        assert imap.append(letter(LETTERS + 1)).startswith('OK')
        imap.ok('NOOP')
        assert lines(imap)[:LETTERS] == first and len(lines(imap)) == LETTERS + 1


def test_blocks_survive_a_restart_and_damage_of_one_is_no_loss(listed):
    appliance, first = listed
    appliance.stop()
    with sqlite3.connect(appliance.data / 'mail.db') as db:
        key, data = db.execute('SELECT first, data FROM listing ORDER BY first LIMIT 1').fetchone()
        broken = bytearray(data)
        broken[len(broken) // 2] ^= 1
        db.execute('UPDATE listing SET data = ? WHERE first = ?', (bytes(broken), key))
    db.close()
    appliance.start()
    with Imap(appliance, mailbox='INBOX') as imap:
        assert lines(imap) == first


def test_a_thief_reads_nothing_in_them(listed):
    appliance, _ = listed
    appliance.stop()
    stolen = b''.join(path.read_bytes() for path in appliance.data.iterdir() if path.is_file())
    assert len(stolen) > 100000
    for word in (b'elsewhere.example', b'number 120', b'Some ', b'"text" "plain"'):
        assert word not in stolen, word


def test_expunged_mails_are_not_listed_and_their_blocks_go(fresh, listed):
    appliance, first = listed
    appliance.run('config', 'set', 'expunged.keep', '0')
    before = blocks(appliance)
    with Imap(appliance, mailbox='INBOX') as imap:
        imap.ok('UID STORE 5,7 +FLAGS.SILENT (\\Deleted)')
        imap.ok('EXPUNGE')
        left = [line.split(b' FETCH ', 1)[1] for line in lines(imap)]
    assert left == [line.split(b' FETCH ', 1)[1] for n, line in enumerate(first, 1) if n not in (5, 7)]
    wait_until(lambda: not any(f <= 5 <= l for f, l in blocks(appliance)) or blocks(appliance)[0] not in before[:1], 30,
               'the block with the expunged mails is gone')


def test_blocks_go_with_their_mailbox(fresh):
    with Imap(fresh) as imap:
        imap.ok('CREATE Lists')
        imap.ok('SELECT Lists')
        for number in range(60):
            assert imap.append(letter(number), 'Lists').startswith('OK')
        imap.ok('NOOP')
        assert len(lines(imap)) == 60
        wait_until(lambda: blocks(fresh), 20, 'a block of the listing')
        imap.ok('UNSELECT')
        imap.ok('DELETE Lists')
        assert blocks(fresh) == []


def test_who_enabled_utf8_reads_it_as_utf8(listed):
    appliance, _ = listed
    with Imap(appliance) as imap:
        imap.ok('ENABLE UTF8=ACCEPT')
        imap.ok('SELECT INBOX')
        assert 'n\u00e4me'.encode() in lines(imap, 'UID FETCH 9 (BODYSTRUCTURE)')[0]
