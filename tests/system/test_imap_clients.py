"""IMAP programs that people really use, unchanged, over TLS with the certificate checked. What each did is
looked up on the server afterwards, by another client (test_clients.py holds those that send and fetch)."""
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from letterlock import HOST, wait_until

PATIENCE = 60


def letter(word):
    return ('From: Anna <anna@elsewhere.example>\r\nTo: you@example.test\r\nSubject: subject %s\r\n'
            'Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@elsewhere.example>\r\n\r\n'
            'Hello from %s.\r\n.a line with a dot\r\n' % (word, word, word)).encode()


def tool(name):
    if not shutil.which(name):
        pytest.skip('%s is not installed' % name)
    return name


def run(*args, stdin=None, folder=None):
    env = dict(os.environ)
    if folder:
        env['HOME'] = str(folder)
    result = subprocess.run([str(a) for a in args], input=stdin or b'', capture_output=True, timeout=PATIENCE,
                            env=env)
    said = (result.stdout + result.stderr).decode(errors='replace')
    assert result.returncode == 0, '%s: exit %d\n%s' % (args[0], result.returncode, said[-4000:])
    return said


def bodies(appliance, user, mailbox='INBOX'):
    client = appliance.imap(user, mailbox=mailbox)
    _, data = client.uid('fetch', '1:*', '(BODY.PEEK[])')
    client.logout()
    return [part[1] for part in data if isinstance(part, tuple)]


def found(appliance, user, mailbox, *keys):
    """How many letters of a mailbox a search finds; 0 when there is no such mailbox."""
    client = appliance.imap(user)
    typ, _ = client.select(mailbox, readonly=True)
    count = len(client.uid('search', *keys)[1][0].split()) if typ == 'OK' else 0
    client.logout()
    return count


def fill(appliance, user, word, count):
    for number in range(count):
        appliance.deliver(letter('%s-%d' % (word, number)), user)


def test_mbsync_carries_new_letters_flags_and_folders_both_ways(shared, account, tmp_path):
    user, password = account
    tool('mbsync')
    fill(shared, user, 'both', 3)
    near = tmp_path / 'mail'
    near.mkdir()
    rc = tmp_path / 'rc'
    rc.write_text('\n'.join([
        'IMAPStore far', 'Host ' + HOST, 'Port %d' % shared.ports['imaps'], 'User ' + user, 'Pass ' + password,
        'SSLType IMAPS', 'AuthMechs PLAIN', 'CertificateFile %s' % shared.certificate_path, '',
        'MaildirStore near', 'Path %s/' % near, 'Inbox %s/INBOX' % near, 'SubFolders Verbatim', '',
        'Channel all', 'Far :far:', 'Near :near:', 'Patterns *', 'Create Both', 'Remove Both', 'Sync All',
        'Expunge Both', 'SyncState *', '']))
    run('mbsync', '-c', rc, '-a')
    inbox = sorted(p for p in near.glob('INBOX/*/*') if p.is_file())
    assert len(inbox) == 3
    for kind in ('cur', 'new', 'tmp'):
        (near / 'Trips' / kind).mkdir(parents=True)
    (near / 'Trips/cur/1.mine:2,FS').write_bytes(letter('uploaded').replace(b'\r\n', b'\n'))
    gone = [p for p in inbox if b'both-1' in p.read_bytes()][0]
    gone.rename(near / 'INBOX/cur' / (gone.name.split(':')[0] + ':2,T'))
    run('mbsync', '-c', rc, '-a')
    assert found(shared, user, 'Trips', 'FLAGGED', 'SEEN') == 1
    uploaded = re.sub(rb'X-TUID: [^\n]*\n', b'', bodies(shared, user, 'Trips')[0])   # mbsync's own mark
    assert uploaded == letter('uploaded')
    assert found(shared, user, 'INBOX', 'ALL') == 2 and found(shared, user, 'INBOX', 'SUBJECT', 'both-1') == 0


def test_offlineimap_carries_letters_and_flags_both_ways(shared, account, tmp_path):
    user, password = account
    tool('offlineimap')
    fill(shared, user, 'offline', 3)
    near = tmp_path / 'mail'
    rc = tmp_path / 'rc'
    rc.write_text('\n'.join([
        '[general]', 'accounts = a', 'ui = basic', 'metadata = %s/meta' % tmp_path,
        '[Account a]', 'localrepository = l', 'remoterepository = r',
        '[Repository l]', 'type = Maildir', 'localfolders = %s' % near,
        '[Repository r]', 'type = IMAP', 'remotehost = ' + HOST, 'remoteport = %d' % shared.ports['imaps'],
        'remoteuser = ' + user, 'remotepass = ' + password, 'ssl = yes',
        'sslcacertfile = %s' % shared.certificate_path, '']))
    run('offlineimap', '-c', rc, '-o', '-1', folder=tmp_path)
    files = [p for p in near.glob('INBOX/*/*') if p.is_file()]
    assert sorted(p.read_bytes() for p in files) == \
        sorted(b.replace(b'\r\n', b'\n') for b in bodies(shared, user))
    files[0].rename(near / 'INBOX/cur' / (files[0].name.split(':')[0] + ':2,FS'))
    (near / 'INBOX/new/1.mine').write_bytes(letter('uploaded').replace(b'\r\n', b'\n'))
    run('offlineimap', '-c', rc, '-o', '-1', folder=tmp_path)
    assert found(shared, user, 'INBOX', 'FLAGGED', 'SEEN') == 1
    assert found(shared, user, 'INBOX', 'SUBJECT', 'uploaded') == 1 and found(shared, user, 'INBOX', 'ALL') == 4


def test_getmail_takes_all_and_leaves_the_flags(shared, account):
    user, password = account
    tool('getmail')
    fill(shared, user, 'getmail', 3)
    folder = Path(tempfile.mkdtemp(prefix='letterlock-getmail-'))
    try:
        for kind in ('cur', 'new', 'tmp'):
            (folder / 'mail' / kind).mkdir(parents=True)
        shutil.copy(shared.certificate_path, folder / 'ca.pem')
        (folder / 'rc').write_text('\n'.join([
            '[retriever]', 'type = SimpleIMAPSSLRetriever', 'server = ' + HOST,
            'port = %d' % shared.ports['imaps'], 'username = ' + user, 'password = ' + password,
            'ca_certs = %s/ca.pem' % folder, 'mailboxes = ("INBOX",)', '[destination]', 'type = Maildir',
            'path = %s/mail/' % folder, '[options]', 'delete = false', 'read_all = false',
            'delivered_to = false', 'received = false', '']))
        command = ['getmail', '--getmaildir=%s' % folder, '--rcfile=rc']
        if os.getuid() == 0:      # it refuses to deliver as root
            run('chown', '-R', 'nobody', folder)
            command = ['runuser', '-u', 'nobody', '--', *command]
        run(*command, folder=folder)
        run(*command, folder=folder)      # a second run takes nothing twice
        texts = b''.join(p.read_bytes() for p in (folder / 'mail/new').iterdir())
        for number in range(3):
            assert texts.count(b'Hello from getmail-%d.' % number) == 1
        assert found(shared, user, 'INBOX', 'UNSEEN') == 3
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_s_nail_lists_the_headers(shared, account, tmp_path):
    user, password = account
    tool('s-nail')
    fill(shared, user, 'snail', 3)
    address = 'imaps://%s:%s@%s:%d/INBOX' % (user.replace('@', '%40'), password, HOST, shared.ports['imaps'])
    said = run('s-nail', '-:/', '-S', 'v15-compat', '-S', 'tls-ca-file=%s' % shared.certificate_path, '-S',
               'tls-verify=strict', '-S', 'imap-auth=login', '-R', '-H', '-f', address, folder=tmp_path)
    for number in range(3):
        assert 'snail-%d' % number in said
    assert found(shared, user, 'INBOX', 'UNSEEN') == 3


def test_imapfilter_sorts_letters_into_a_folder(shared, account, tmp_path):
    user, password = account
    tool('imapfilter')
    fill(shared, user, 'filter', 4)
    rc = tmp_path / 'rc.lua'
    rc.write_text('options.timeout = 30\noptions.create = true\n'
                  'a = IMAP { server = "%s", port = %d, username = "%s", password = "%s", ssl = "auto" }\n'
                  'a:create_mailbox("Sorted")\n'
                  'a.INBOX:contain_subject("filter-2"):move_messages(a.Sorted)\n'
                  'a.INBOX:contain_subject("filter-1"):mark_flagged()\n'
                  % (HOST, shared.ports['imaps'], user, password))
    run('imapfilter', '-t', shared.certificate_path, '-c', rc, folder=tmp_path)
    assert bodies(shared, user, 'Sorted')[0].endswith(b'Hello from filter-2.\r\n.a line with a dot\r\n')
    assert found(shared, user, 'INBOX', 'ALL') == 3 and found(shared, user, 'INBOX', 'FLAGGED') == 1


class Screen:
    """A program on a terminal of its own: tmux with its own socket."""

    def __init__(self, folder, command):
        self.socket = str(folder / 'tmux')
        self.environment = {**os.environ, 'HOME': str(folder), 'TERM': 'xterm', 'LC_ALL': 'C.UTF-8'}
        self.tmux('-f', '/dev/null', 'new-session', '-d', '-x', '120', '-y', '30', command)

    def tmux(self, *words):
        return subprocess.run(['tmux', '-S', self.socket, *words], env=self.environment, capture_output=True,
                              timeout=PATIENCE).stdout.decode(errors='replace')

    def text(self):
        return self.tmux('capture-pane', '-p')

    def shows(self, word):
        try:
            wait_until(lambda: word in self.text(), what='%r on the screen' % word)
        except AssertionError as e:
            raise AssertionError('%s\n%s' % (e, self.text())) from e

    def keys(self, *keys):
        self.tmux('send-keys', *keys)

    def close(self):
        self.tmux('kill-server')


@pytest.mark.parametrize('name', ['mutt', 'neomutt'])
def test_mutt_reads_flags_and_moves(shared, account, tmp_path, name):
    user, password = account
    tool('tmux')
    tool(name)
    fill(shared, user, name, 3)
    client = shared.imap(user)
    client.create('Kept')
    client.logout()
    url = 'imaps://%s:%d/' % (HOST, shared.ports['imaps'])
    rc = tmp_path / 'rc'
    rc.write_text('\n'.join([
        'set imap_user="%s"' % user, 'set imap_pass="%s"' % password, 'set imap_authenticators="plain"',
        'set folder="%s"' % url, 'set spoolfile="%sINBOX"' % url, 'set certificate_file="%s"' % shared.certificate_path,
        'set ssl_force_tls=yes', 'set quit=yes', 'set confirmappend=no', 'set delete=yes', 'set move=no', 'set sort=date',
        'set wait_key=no', 'set mark_old=no', 'set header_cache=""', '']))
    screen = Screen(tmp_path, '%s -n -F %s' % (name, rc))
    try:
        screen.shows('subject %s-2' % name)
        screen.keys('1', 'Enter')
        screen.keys('Enter')
        screen.shows('Hello from %s-0.' % name)
        screen.keys('i')
        screen.shows('subject %s-2' % name)
        screen.keys('2', 'Enter')
        screen.keys('F')
        screen.keys('3', 'Enter')
        screen.keys('s')
        screen.shows('mailbox')
        screen.keys('C-u')
        screen.keys('=Kept', 'Enter')
        wait_until(lambda: found(shared, user, 'Kept', 'ALL') == 1, what='the letter in Kept')
        screen.keys('$')
        wait_until(lambda: found(shared, user, 'INBOX', 'ALL') == 2, what='the letter gone from INBOX')
        assert found(shared, user, 'INBOX', 'SEEN', 'SUBJECT', '%s-0' % name) == 1
        assert found(shared, user, 'INBOX', 'FLAGGED', 'SUBJECT', '%s-1' % name) == 1
        assert found(shared, user, 'Kept', 'SUBJECT', '%s-2' % name) == 1
        screen.keys('q')
    finally:
        screen.close()
