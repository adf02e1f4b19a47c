"""backup and restore while a server runs; verify beside it, and what it mends."""
import os
import re
import sqlite3
import threading
from pathlib import Path

import pytest

from imapwire import Imap
from letterlock import Appliance


def body(n, size=200):
    return b'Subject: number %d\r\n\r\n' % n + b'text %d\r\n' % n * (size // 8)


def test_a_backup_made_under_load_is_whole_and_serves(fresh, tmp_path):
    user, password = fresh.add_account()
    stop = threading.Event()

    def load():
        n = 100
        while not stop.is_set() and n < 5000:
            with fresh.smtp() as client:
                for _ in range(20):
                    client.sendmail('a@elsewhere.example', [user], body(n, 200 if n % 3 else 120000))
                    n += 1
    for n in range(5):
        fresh.deliver(body(n), user)
    thread = threading.Thread(target=load)
    thread.start()
    try:
        for copy in range(3):
            fresh.run('backup', str(tmp_path / ('b%d' % copy)))
            assert fresh.json('verify')['ok'] is True
    finally:
        stop.set()
        thread.join()
    assert fresh.json('verify')['ok'] is True
    again = fresh.run('backup', str(tmp_path / 'b1'), check=False)
    assert again.returncode == 1 and 'already' in again.stderr
    assert os.stat(tmp_path / 'b1').st_mode & 0o77 == 0
    assert sorted(os.listdir(tmp_path / 'b1')) == ['credentials.db', 'letters.db', 'mail.db', 'server.key']
    for copy in range(3):
        with Appliance(listeners=('imaps', 'smtp')) as other:
            assert other.json('restore', str(tmp_path / ('b%d' % copy)))['folder'] == str(other.data)
            twice = other.run('restore', str(tmp_path / 'b1'), check=False)
            assert twice.returncode == 1 and 'already' in twice.stderr
            result = other.run('--json', 'verify', check=False)
            assert result.returncode == 0, result
            other.accounts.update(fresh.accounts)
            other.user, other.password = fresh.user, fresh.password
            other.start()
            with Imap(other, user, password, mailbox='INBOX') as imap:
                letters = imap.fetch('1:*', '(UID BODY.PEEK[])')
            assert len(letters) >= 5
            for m in letters:
                n = int(re.search(rb'number (\d+)', m['BODY[]'])[1])
                assert m['BODY[]'].endswith(body(n, 200 if n < 100 or n % 3 else 120000))


def test_uids_given_after_a_backup_are_never_given_again(fresh, tmp_path):
    fresh.deliver(body(1))
    fresh.run('backup', str(tmp_path / 'b'))
    fresh.deliver(body(2))
    with Imap(fresh, mailbox='INBOX') as imap:
        before = imap.fetch('1:*', '(UID)')
    with Appliance() as other:
        other.run('restore', str(tmp_path / 'b'))
        other.accounts.update(fresh.accounts)
        other.user, other.password = fresh.user, fresh.password
        other.start()
        other.deliver(body(3))
        with Imap(other, mailbox='INBOX') as imap:
            after = imap.fetch('1:*', '(UID)')
    assert [m['UID'] for m in before] == [1, 2]
    assert after[0]['UID'] == 1 and after[1]['UID'] > 1000000


def test_what_is_no_backup_is_not_restored(binary, tmp_path):
    with Appliance() as a:
        a.setup()
        a.run('backup', str(tmp_path / 'b'))     # without a server too
        data = bytearray((tmp_path / 'b' / 'mail.db').read_bytes())
        data[8192:8292] = b'\xff' * 100
        (tmp_path / 'b' / 'mail.db').write_bytes(data)
    with Appliance() as other:
        for source in (tmp_path / 'b', tmp_path / 'nothing'):
            result = other.run('restore', str(source), check=False)
            assert result.returncode == 1 and 'no whole backup' in result.stderr
        assert not (other.data / 'mail.db').exists()
        other.setup()


def test_a_wal_that_was_left_behind_is_not_played_into_what_is_restored(fresh, tmp_path):
    fresh.deliver(body(1))
    fresh.run('backup', str(tmp_path / 'kept'))
    for n in range(2, 20):
        fresh.deliver(body(n))
    fresh.kill_all()
    for path in fresh.data.glob('*.db'):
        path.unlink()                                   # but not what SQLite keeps beside them
    result = fresh.run('restore', str(tmp_path / 'kept'), check=False)
    assert result.returncode == 1 and '-wal' in result.stderr
    for path in fresh.data.glob('*.db-*'):
        path.unlink()
    fresh.run('restore', str(tmp_path / 'kept'))
    fresh.run('verify')
    fresh.start()
    with fresh.imap(mailbox='INBOX') as imap:
        assert imap.search(None, 'ALL')[1] == [b'1']


def test_half_a_server_key_is_not_restored(fresh, tmp_path):
    fresh.run('backup', str(tmp_path / 'kept'))
    (tmp_path / 'kept/server.key').write_bytes(b'half of it')
    result = fresh.run('--data', str(tmp_path / 'new'), 'restore', str(tmp_path / 'kept'), check=False)
    assert result.returncode == 1 and 'server.key' in result.stderr
    assert not (tmp_path / 'new/mail.db').exists()


def test_counters_that_are_wrong_are_found_and_mended(fresh):
    for n in range(4):
        fresh.deliver(body(n))
    fresh.stop()
    with sqlite3.connect(fresh.data / 'mail.db') as db:
        db.execute('UPDATE mailbox SET messages = messages + 3, unseen = 0')
        db.execute('UPDATE account SET used_bytes = 1')
        db.execute('UPDATE wrap SET refs = refs + 1')
        db.execute('UPDATE letter SET refs = 7')
        db.execute('INSERT INTO chunk(id, data) VALUES(65536 * 9999, x\'00\')')
    db.close()
    fresh.start()
    result = fresh.run('--json', 'verify', check=False)
    assert result.returncode == 1
    for name in ('wrong_mailbox_counters', 'wrong_account_counters', 'wrong_wrap_references', 'wrong_letter_references',
                 'orphaned_chunks'):
        assert re.search('"%s":[1-9]' % name, result.stdout), (name, result.stdout)
    assert 'verify --repair' in fresh.run('verify', check=False).stderr
    fresh.run('verify', '--repair')
    assert fresh.json('verify')['ok'] is True
    assert 'nothing' in fresh.run('verify', '--repair').stdout
    with Imap(fresh, mailbox='INBOX') as imap:
        assert len(imap.fetch('1:*', '(BODY.PEEK[])')) == 4


def test_with_a_password_the_seals_are_checked(fresh):
    for n in range(4):
        fresh.deliver(body(n))
    said = fresh.run('--json', 'verify', '--account', fresh.user, '--password-stdin', stdin=fresh.password + '\n')
    assert '"letters":4' in said.stdout and '"damaged":0' in said.stdout
    fresh.stop()
    with sqlite3.connect(fresh.data / 'mail.db') as db:
        id, data = db.execute('SELECT id, data FROM chunk WHERE id % 65536 = 0 ORDER BY id LIMIT 1 OFFSET 2').fetchone()
        db.execute('UPDATE chunk SET data = ? WHERE id = ?', (data[:-1] + bytes([data[-1] ^ 1]), id))
    db.close()
    fresh.start()
    assert fresh.json('verify')['ok'] is True
    result = fresh.run('--json', 'verify', '--account', fresh.user, '--password-stdin', stdin=fresh.password + '\n',
                       check=False)
    assert result.returncode == 1 and '"damaged":1' in result.stdout, result


def test_verify_is_used_properly(fresh):
    result = fresh.run('verify', '--repair', '--account', fresh.user, check=False)
    assert result.returncode == 2 and 'one at a time' in result.stderr
