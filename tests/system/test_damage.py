"""A damaged row is detected by its seal and reported as damage of that letter alone."""
import sqlite3

import pytest

from imapwire import Imap

LETTERS = 6
VICTIM = 3      # its UID


def body(number):
    return b'From: a@elsewhere.example\r\nSubject: number %d\r\n\r\n' % number + b'text of %d\r\n' % number * 3000


@pytest.fixture
def stopped(fresh):
    for number in range(1, LETTERS + 1):
        fresh.deliver(body(number))
    fresh.stop()
    return fresh


def flip(blob, at=-1):
    data = bytearray(blob)
    data[at] ^= 1
    return bytes(data)


def change(appliance, file, read, write):
    """Flips a bit in the blob that `read` finds for the victim's letter."""
    with sqlite3.connect(appliance.data / 'mail.db') as mail:
        letter = mail.execute('SELECT letter FROM mail WHERE uid = ?', (VICTIM,)).fetchone()[0]
    with sqlite3.connect(appliance.data / file) as db:
        rows = db.execute(read, {'letter': letter}).fetchall()
        if not rows:
            return False
        key, blob = rows[0]
        assert db.execute(write, {'key': key, 'blob': flip(blob)}).rowcount == 1
    db.close()
    return True


def damage_chunk(appliance):
    read = 'SELECT id, data FROM chunk WHERE id >= :letter * 65536 AND id < :letter * 65536 + 65535 ORDER BY id'
    write = 'UPDATE chunk SET data = :blob WHERE id = :key'
    assert change(appliance, 'mail.db', read, write) or change(appliance, 'letters.db', read, write)


def damage_prefix(appliance):
    read = 'SELECT id, data FROM chunk WHERE id = :letter * 65536 + 65535'
    write = 'UPDATE chunk SET data = :blob WHERE id = :key'
    assert change(appliance, 'mail.db', read, write) or change(appliance, 'letters.db', read, write)


def damage_wrap(appliance):
    assert change(appliance, 'mail.db', 'SELECT letter, key FROM wrap WHERE letter = :letter',
                  'UPDATE wrap SET key = :blob WHERE letter = :key')


def damage_summary(appliance):
    assert change(appliance, 'mail.db', 'SELECT id, summary FROM letter WHERE id = :letter',
                  'UPDATE letter SET summary = :blob WHERE id = :key')


def others_are_whole(imap):
    for uid in range(1, LETTERS + 1):
        if uid != VICTIM:
            m = imap.fetch(uid, '(BODY.PEEK[] ENVELOPE)')[0]
            assert m['BODY[]'].endswith(body(uid)), uid
            assert m['ENVELOPE'][1] == b'number %d' % uid


def victim_is_not_passed_off_as_whole(appliance, imap):
    untagged, line = imap.command('UID FETCH %d BODY.PEEK[]' % VICTIM)
    text = b''.join(piece for pieces in untagged for piece in pieces)
    assert b'text of %d' % VICTIM not in text
    assert line.startswith('NO') or b'damage' in text.lower(), (line, text[:300])


@pytest.mark.parametrize('damage', [damage_chunk, damage_prefix, damage_wrap])
def test_damage_is_that_letters_alone(stopped, damage):
    damage(stopped)
    stopped.start()  # verify holds no key: a broken seal shows when its owner reads the letter
    with Imap(stopped, mailbox='INBOX') as imap:
        assert len(imap.fetch('1:*', '(UID FLAGS RFC822.SIZE)')) == LETTERS
        others_are_whole(imap)
        victim_is_not_passed_off_as_whole(stopped, imap)
        others_are_whole(imap)
    pop3 = stopped.pop3()
    assert pop3.stat()[0] == LETTERS
    assert pop3.retr(VICTIM + 1)
    pop3.close()
    stopped.deliver(body(LETTERS + 1))


def test_a_damaged_summary_is_made_anew_from_the_letter(stopped):
    damage_summary(stopped)
    stopped.start()
    with Imap(stopped, mailbox='INBOX') as imap:
        m = imap.fetch(VICTIM, '(ENVELOPE BODYSTRUCTURE BODY.PEEK[])')[0]
        assert m['ENVELOPE'][1] == b'number %d' % VICTIM
        assert m['BODY[]'].endswith(body(VICTIM))
        others_are_whole(imap)


def test_a_wrap_put_on_another_letter_opens_nothing(stopped):
    """Keys are bound to their letter: rows that change places are damage, not another's text."""
    with sqlite3.connect(stopped.data / 'mail.db') as db:
        keys = db.execute('SELECT letter, key FROM wrap WHERE letter IN (SELECT letter FROM mail WHERE uid IN '
                          '(1, 2)) ORDER BY letter').fetchall()
        assert len(keys) == 2
        for (letter, _), (_, key) in zip(keys, reversed(keys)):
            db.execute('UPDATE wrap SET key = ? WHERE letter = ?', (key, letter))
    db.close()
    stopped.start()
    with Imap(stopped, mailbox='INBOX') as imap:
        for uid in (1, 2):
            untagged, _ = imap.command('UID FETCH %d BODY.PEEK[]' % uid)
            assert b'text of' not in b''.join(p for pieces in untagged for p in pieces)
        assert imap.fetch(4, 'BODY.PEEK[]')[0]['BODY[]'].endswith(body(4))


def test_an_undamaged_store_verifies(stopped):
    assert stopped.run('verify').returncode == 0
    stopped.start()
    assert stopped.run('verify').returncode == 0


@pytest.mark.parametrize('lost', [
    'DELETE FROM vault WHERE id = (SELECT vault FROM account WHERE address = :address)',
    "UPDATE vault SET public_key = x'00' WHERE id = (SELECT vault FROM account WHERE address = :address)",
    'DELETE FROM mailbox WHERE account = (SELECT id FROM account WHERE address = :address)'])
def test_a_letter_for_a_damaged_account_is_kept_by_its_sender(fresh, lost):
    """450s, for whoever repairs it from a backup loses nothing meanwhile; the other accounts go on."""
    other, _ = fresh.add_account()
    fresh.stop()
    with sqlite3.connect(fresh.data / 'mail.db') as mail:
        mail.execute('PRAGMA ignore_check_constraints = 1')
        assert mail.execute(lost, {'address': fresh.user}).rowcount > 0
    mail.close()
    fresh.start()
    with fresh.smtp() as client:
        client.ehlo()
        assert client.mail('a@elsewhere.example')[0] == 250
        assert client.rcpt(fresh.user)[0] == 451
        assert client.rcpt(other)[0] == 250
        assert client.data(body(1))[0] == 250


def test_a_key_put_in_place_of_an_owners_is_noticed(fresh):
    """Who can write the disk could have new letters sealed to himself: `verify` and the next login say so."""
    assert 'vault-key-differs' not in fresh.log_text()
    Imap(fresh).close()
    assert 'vault-key-differs' not in fresh.log_text()
    fresh.stop()
    with sqlite3.connect(fresh.data / 'mail.db') as mail:
        assert mail.execute('UPDATE vault SET public_key = randomblob(32)').rowcount == 1
    mail.close()
    result = fresh.run('verify', check=False)
    assert result.returncode == 1 and 'whose key is not the same' in result.stdout + result.stderr
    fresh.start()
    Imap(fresh).close()
    assert 'vault-key-differs' in fresh.log_text()
