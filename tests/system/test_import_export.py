"""import and export: Maildirs and mboxes with flags, dates and folders; what is repeated or interrupted
makes no doubles."""
import mailbox
import os
import signal
import subprocess
import time

import pytest

from imapwire import Imap
from letterlock import BINARY, Appliance, wait_until


def letter(number, body='x'):
    return ('From: anna@elsewhere.example\nTo: owner@example.test\nSubject: letter %d\nMessage-ID: <%d@elsewhere.example>\n'
            'Date: Mon, 23 Nov 2026 10:00:00 +0000\n\n%s\nFrom here on\n>From there\n' % (number, number, body)).encode()


def bring(appliance, user, *args, check=True):
    return appliance.run('--json', 'import', user, *map(str, args), '--password-stdin',
                         stdin=appliance.accounts[user] + '\n', check=check)


def maildir(path, folders, count=5):
    """A Maildir++ with these folders and `count` letters in each."""
    top = mailbox.Maildir(path)
    for folder in folders:
        box = top.add_folder(folder) if folder else top
        for n in range(count):
            m = mailbox.MaildirMessage(letter(n, folder))
            m.set_subdir('cur')
            m.set_flags(('', 'S', 'RS', 'F', 'DT')[n % 5])
            m.set_date(1700000000 + n)
            box.add(m)
    return path


def names_of(client):
    return {line.rsplit(b' ', 1)[1].strip(b'"').decode() for line in client.list()[1]}


def dates_and_flags(client, box):
    assert client.select('"%s"' % box)[0] == 'OK'
    data = client.uid('FETCH', '1:*', '(INTERNALDATE FLAGS)')[1]
    return [(d.split(b'INTERNALDATE "')[1].split(b'"')[0].decode(), set(d.split(b'FLAGS (')[1].split(b')')[0].split()))
            for d in data if d]


def test_a_maildir_comes_in_with_folders_flags_and_dates(shared, account, tmp_path):
    user, password = account
    source = maildir(tmp_path / 'm', ['', 'Work', 'Work.Bills', 'Entw&APw-rfe'])
    (tmp_path / 'm' / 'dovecot-keywords').write_text('0 $Forwarded\n1 errand\n')
    one = next(p for p in (tmp_path / 'm' / 'cur').iterdir() if p.name.endswith(':2,F'))
    one.rename(str(one) + 'ab')
    answer = bring(shared, user, source)
    assert '"imported":20' in answer.stdout, answer
    client = shared.imap(user)
    assert {'INBOX', 'Work', 'Work/Bills', 'Entw&APw-rfe'} <= names_of(client)
    got = dates_and_flags(client, 'INBOX')
    assert got[0][0] == '14-Nov-2023 22:13:20 +0000'
    assert [f - {b'\\Recent'} for _, f in got] == [
        set(), {b'\\Seen'}, {b'\\Answered', b'\\Seen'}, {b'\\Flagged', b'$Forwarded', b'errand'},
        {b'\\Draft', b'\\Deleted'}]
    assert len(dates_and_flags(client, 'Work/Bills')) == 5
    client.select('INBOX')
    body = client.uid('FETCH', '1', '(BODY.PEEK[])')[1][0][1]
    assert body == letter(0, '').replace(b'\n', b'\r\n')
    client.logout()


def test_an_import_that_is_repeated_makes_no_doubles(shared, account, tmp_path):
    user, password = account
    source = maildir(tmp_path / 'm', ['', 'Work'])
    twin = next((source / 'cur').iterdir())
    (source / 'cur' / ('1.twin:2,')).write_bytes(twin.read_bytes())
    assert '"imported":11' in bring(shared, user, source).stdout
    again = bring(shared, user, source).stdout
    assert '"imported":0,"present":11' in again
    (source / 'cur' / ('2.more:2,')).write_bytes(letter(77))
    assert '"imported":1,"present":11' in bring(shared, user, source).stdout


def test_an_import_that_is_interrupted_goes_on(shared, account, tmp_path):
    user, password = account
    source = tmp_path / 'many'
    mailbox.Maildir(source)
    for n in range(3000):
        (source / 'cur' / ('%d.x:2,S' % (1700000000 + n))).write_bytes(letter(n, 'y' * 2000))
    p = subprocess.Popen([str(BINARY), '--data', str(shared.data), 'import', user, str(source), '--password-stdin'],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=shared._environment())
    p.stdin.write(password.encode() + b'\n')
    p.stdin.close()
    with Imap(shared, user, password, mailbox='INBOX') as watch:
        wait_until(lambda: '* ' in str(watch.command('NOOP')) or p.poll() is not None, what='some are there')
    p.send_signal(signal.SIGKILL)
    p.wait(30)
    p.stdout.close()
    p.stderr.close()
    time.sleep(0.2)    # what was under way is committed
    bring(shared, user, source)
    with Imap(shared, user, password, mailbox='INBOX') as imap:
        subjects = [str(f) for f in imap.fetch('1:*', '(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])')]
    assert len(subjects) == 3000 and len({s.split('<')[1] for s in subjects}) == 3000


def test_an_mbox_comes_in_with_its_status(shared, account, tmp_path):
    user, password = account
    path = tmp_path / 'Old.mbox'
    path.write_bytes(b'From anna@elsewhere.example Tue Nov 14 22:13:20 2023\nStatus: RO\nX-Status: AF\nX-Keywords: errand $Label1\n'
                     b'Subject: one\nMessage-ID: <1@x>\n\n>From quoted\n>>From twice\nFrom inside a line\n\nlast\n\n'
                     b'From b@c Tue Nov 14 22:13:21 2023\r\nSubject: two\r\nMessage-ID: <2@x>\r\n\r\nbody\r\n')
    assert '"imported":2' in bring(shared, user, path, '--folder', 'Archive of old').stdout
    assert '"imported":0,"present":2' in bring(shared, user, path, '--folder', 'Archive of old').stdout
    client = shared.imap(user)
    got = dates_and_flags(client, 'Archive of old')
    assert got[0][0] == '14-Nov-2023 22:13:20 +0000'
    assert got[0][1] - {b'\\Recent'} == {b'\\Seen', b'\\Answered', b'\\Flagged', b'errand', b'$Label1'}
    assert client.uid('FETCH', '1', '(BODY.PEEK[])')[1][0][1] == (
        b'Subject: one\r\nMessage-ID: <1@x>\r\n\r\nFrom quoted\r\n>From twice\r\nFrom inside a line\r\n\r\nlast\r\n')
    assert client.uid('FETCH', '2', '(BODY.PEEK[])')[1][0][1] == b'Subject: two\r\nMessage-ID: <2@x>\r\n\r\nbody\r\n'
    client.logout()


def test_a_folder_of_mboxes_keeps_its_shape(shared, account, tmp_path):
    user, password = account
    one = b'From a@b Tue Nov 14 22:13:20 2023\nSubject: s\nMessage-ID: <%d@y>\n\nx\n\n'
    (tmp_path / 'Inbox').write_bytes(one % 1)
    (tmp_path / 'Inbox.msf').write_bytes(b'// not an mbox')
    (tmp_path / 'Club.sbd').mkdir()
    (tmp_path / 'Club').write_bytes(one % 2)
    (tmp_path / 'Club.sbd' / 'Gr\u00fc\u00dfe').write_bytes(one % 3 + one % 4)
    assert '"imported":4' in bring(shared, user, tmp_path).stdout
    client = shared.imap(user)
    assert {'INBOX', 'Club', 'Club/Gr&APwA3w-e'} <= names_of(client)
    client.logout()


def test_what_is_refused_is_said_and_the_rest_comes_in(shared, account, tmp_path):
    user, password = account
    source = maildir(tmp_path / 'm', [''])
    (source / 'cur' / '3.nul:2,').write_bytes(b'Subject: bad\n\nx\0y\n')
    (source / 'cur' / '4.empty:2,').write_bytes(b'')
    result = bring(shared, user, source, check=False)
    assert result.returncode == 1
    assert '"imported":5,"present":0,"refused":2' in result.stdout and '3.nul' in result.stdout and 'NUL' in result.stdout


def test_wrong_passwords_and_places_are_said(shared, account, tmp_path):
    user, password = account
    result = shared.run('import', user, str(tmp_path), '--password-stdin', stdin='wrong-pass\n', check=False)
    assert result.returncode == 1 and 'wrong address or password' in result.stderr
    result = shared.run('import', 'nobody@example.test', str(tmp_path), '--password-stdin', stdin='wrong-pass\n', check=False)
    assert result.returncode == 1 and 'wrong address or password' in result.stderr
    result = bring(shared, user, tmp_path / 'nothing', check=False)
    assert result.returncode == 1 and 'nothing' in result.stderr
    smtp_only = shared.json('app-password', 'add', user, '--label', 's', '--scope', 'smtp')
    word = [v for k, v in smtp_only.items() if 'password' in k][0]
    result = shared.run('import', user, str(tmp_path), '--password-stdin', stdin=word + '\n', check=False)
    assert result.returncode == 1 and 'imap' in result.stderr


def test_import_works_without_a_server(binary, tmp_path):
    with Appliance(listeners=('imaps', 'smtp')) as a:
        a.setup()
        source = maildir(tmp_path / 'm', ['', 'Work'])
        assert '"imported":10' in bring(a, a.user, source).stdout
        a.start()
        with Imap(a, mailbox='Work') as imap:
            assert len(imap.fetch('1:*', '(UID)')) == 5


def out(appliance, user, *args, check=True):
    return appliance.run('--json', 'export', user, *map(str, args), '--password-stdin',
                         stdin=appliance.accounts[user] + '\n', check=check).stdout


def contents(client):
    """Mailbox -> [(date, flags, letter)], sorted."""
    found = {}
    for name in names_of(client):
        if int(client.select('"%s"' % name, readonly=True)[1][0]) == 0:
            continue
        rows = client.uid('FETCH', '1:*', '(INTERNALDATE FLAGS BODY.PEEK[])')[1]
        found[name] = sorted((r[0].split(b'INTERNALDATE "')[1].split(b'"')[0],
                              frozenset(r[0].split(b'FLAGS (')[1].split(b')')[0].split()) - {b'\\Recent'}, r[1])
                             for r in rows if isinstance(r, tuple))
    return found


@pytest.mark.parametrize('form', ['maildir', 'mbox'])
def test_what_is_exported_comes_in_again_as_it_was(shared, tmp_path, form):
    one, two = shared.add_account()[0], shared.add_account()[0]
    source = maildir(tmp_path / 'm', ['', 'Work', 'Work.Bills', 'Entw&APw-rfe'])
    (tmp_path / 'm' / 'dovecot-keywords').write_text('0 $Forwarded\n1 errand\n')
    first = next(p for p in (tmp_path / 'm' / 'cur').iterdir() if p.name.endswith(':2,F'))
    first.rename(str(first) + 'ab')
    bring(shared, one, source)
    client = shared.imap(one)
    client.create('"with.dot"')
    client.append('"with.dot"', '', '"14-Nov-2023 22:13:20 +0000"', b'Subject: dot\r\n\r\nx\r\n')
    before = contents(client)
    assert len(before) == 5
    assert '"exported":21,"present":0,"missing":0' in out(shared, one, tmp_path / 'out', '--format', form)
    assert '"exported":0,"present":21' in out(shared, one, tmp_path / 'out', '--format', form)
    bring(shared, two, tmp_path / 'out')
    other = shared.imap(two)
    assert contents(other) == before
    client.logout()
    other.logout()


def test_an_export_goes_on_and_follows_flags(shared, account, tmp_path):
    user, password = account
    bring(shared, user, maildir(tmp_path / 'm', [''], 10))
    assert '"exported":10' in out(shared, user, tmp_path / 'out')
    assert '"exported":10' in out(shared, user, tmp_path / 'boxes', '--format', 'mbox')
    files = sorted((tmp_path / 'out' / 'cur').iterdir())
    assert files[0].stat().st_mtime == 1700000000 and files[0].stat().st_mode & 0o77 == 0
    files[3].unlink()
    with open(tmp_path / 'boxes' / 'INBOX.mbox', 'ab') as f:
        f.write(b'half a lett')
    client = shared.imap(user, mailbox='INBOX')
    client.uid('STORE', '1', '+FLAGS', '(\\Flagged)')
    client.append('INBOX', '', None, b'Subject: later\r\n\r\nx\r\n')
    client.logout()
    assert '"exported":2,"present":9' in out(shared, user, tmp_path / 'out')
    assert any(p.name.endswith(':2,F') and 'U1.' in p.name for p in (tmp_path / 'out' / 'cur').iterdir())
    assert '"exported":1,"present":10' in out(shared, user, tmp_path / 'boxes', '--format', 'mbox')
    box = mailbox.mbox(tmp_path / 'boxes' / 'INBOX.mbox')
    assert len(box) == 11 and b'half a' not in (tmp_path / 'boxes' / 'INBOX.mbox').read_bytes()
    box.close()
    result = shared.run('export', user, str(tmp_path / 'x'), '--folder', 'Nowhere', '--password-stdin',
                        stdin=password + '\n', check=False)
    assert result.returncode == 1 and 'Nowhere' in result.stderr
    result = shared.run('export', user, str(tmp_path / 'x'), '--format', 'zip', '--password-stdin',
                        stdin=password + '\n', check=False)
    assert result.returncode == 2 and 'mbox' in result.stderr
