"""Programs that people really use, unchanged, with TLS and the certificate pinned."""
import re
import email
import email.policy
import imaplib
import os
import shutil
import subprocess

import pytest

from letterlock import HOST

LETTER = (b'From: Anna <anna@elsewhere.example>\r\nTo: you@example.test\r\nSubject: %s\r\n'
          b'Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@elsewhere.example>\r\n\r\n'
          b'Hello from %s.\r\n.a line with a dot\r\n')


def letter(word, sender='anna@elsewhere.example'):
    return (LETTER % (word.encode(), word.encode(), word.encode())).replace(b'anna@elsewhere.example', sender.encode(), 1)


def tool(name):
    if not shutil.which(name):
        pytest.skip('%s is not installed' % name)
    return name


def run(*args, stdin=None, statuses=(0,), **options):
    result = subprocess.run([str(a) for a in args], input=stdin, capture_output=True, timeout=120, **options)
    assert result.returncode in statuses, '%s: exit %d\n%s\n%s' % (
        args[0], result.returncode, result.stdout.decode(errors='replace')[-3000:],
        result.stderr.decode(errors='replace')[-3000:])
    return result.stdout


def bodies(appliance, user):
    client = appliance.imap(user, mailbox='INBOX')
    _, data = client.uid('fetch', '1:*', '(BODY.PEEK[])')
    client.logout()
    return [part[1] for part in data if isinstance(part, tuple)]


@pytest.mark.parametrize('listener,how', [('smtp', '--tls'), ('submission', '--tls'),
                                          ('submissions', '--tls-on-connect'), ('submission-alt', '--tls')])
def test_swaks_sends(shared, account, tmp_path, listener, how):
    user, password = account
    login = [] if listener == 'smtp' else ['--auth', 'PLAIN', '--auth-user', user, '--auth-password', password]
    sender = user if login else 'anna@elsewhere.example'
    (tmp_path / 'letter').write_bytes(letter('swaks', sender).replace(b'\r\n', b'\n'))
    run(tool('swaks'), '--server', HOST, '--port', shared.ports[listener], how, '--tls-verify',
        '--tls-ca-path', shared.certificate_path, '--from', sender, '--to', user, '--helo', 'client.example',
        *login, '--data', '@%s' % (tmp_path / 'letter'))
    assert [b for b in bodies(shared, user) if b'Hello from swaks.\r\n.a line with a dot\r\n' in b]


def test_swaks_logs_in_by_auth_login(shared, account):
    user, password = account
    run(tool('swaks'), '--server', HOST, '--port', shared.ports['submission'], '--tls', '--auth', 'LOGIN',
        '--auth-user', user, '--auth-password', password, '--from', user, '--to', user, '--helo', 'client.example')
    assert len(bodies(shared, user)) == 1


def test_swaks_with_a_wrong_password_is_refused(shared, account):
    user, _ = account
    run(tool('swaks'), '--server', HOST, '--port', shared.ports['submission'], '--tls', '--auth', 'PLAIN',
        '--auth-user', user, '--auth-password', 'not-this', '--from', user, '--to', user,
        '--helo', 'client.example', statuses=(28,))


def test_curl_sends_reads_and_appends(shared, account, tmp_path):
    user, password = account
    curl = [tool('curl'), '-sS', '--cacert', shared.certificate_path]
    login = ['-u', '%s:%s' % (user, password)]
    port = shared.ports
    file = tmp_path / 'letter'
    file.write_bytes(letter('curl'))
    run(*curl, '--ssl-reqd', 'smtp://%s:%d/client.example' % (HOST, port['smtp']), '--mail-from',
        'anna@elsewhere.example', '--mail-rcpt', user, '-T', file)
    own = tmp_path / 'own'
    own.write_bytes(letter('curl', user))
    run(*curl, *login, 'smtps://%s:%d/client.example' % (HOST, port['submissions']), '--mail-from', user,
        '--mail-rcpt', user, '-T', own)
    by_imap = run(*curl, *login, 'imaps://%s:%d/INBOX;UID=1' % (HOST, port['imaps']))
    assert by_imap.endswith(letter('curl'))
    header = run(*curl, *login, '--ssl-reqd', 'imap://%s:%d/INBOX;UID=1;SECTION=HEADER' % (HOST, port['imap']))
    assert by_imap.startswith(header) and header.endswith(b'\r\n\r\n')
    by_pop3 = run(*curl, *login, 'pop3s://%s:%d/1' % (HOST, port['pop3s']))
    assert by_pop3 == by_imap
    assert run(*curl, *login, '--ssl-reqd', 'pop3://%s:%d/1' % (HOST, port['pop3'])) == by_imap
    assert len(run(*curl, *login, 'pop3s://%s:%d/' % (HOST, port['pop3s'])).splitlines()) == 2
    file.write_bytes(letter('appended'))
    run(*curl, *login, '-T', file, 'imaps://%s:%d/INBOX' % (HOST, port['imaps']))
    found = run(*curl, *login, '-X', 'UID SEARCH HEADER Subject appended',
                'imaps://%s:%d/INBOX' % (HOST, port['imaps']))
    assert b'* SEARCH 3' in found


def test_curl_with_a_wrong_password_is_refused(shared, account):
    for url in ('imaps://%s:%d/' % (HOST, shared.ports['imaps']), 'pop3s://%s:%d/' % (HOST, shared.ports['pop3s'])):
        run(tool('curl'), '-sS', '--cacert', shared.certificate_path, '-u', '%s:wrong' % account[0], url,
            statuses=(67,))


@pytest.mark.parametrize('kind', ['IMAPS', 'STARTTLS'])
def test_mbsync_fetches_all_and_pushes_flags_back(shared, account, tmp_path, kind):
    user, password = account
    for number in range(20):
        shared.deliver(letter('mbsync-%d' % number), user)
    maildir = tmp_path / 'mail'
    maildir.mkdir()
    (tmp_path / 'rc').write_text('\n'.join([
        'IMAPStore far', 'Host ' + HOST, 'Port %d' % shared.ports['imaps' if kind == 'IMAPS' else 'imap'],
        'User ' + user, 'Pass ' + password, 'SSLType ' + kind,
        'AuthMechs PLAIN',   # it would rather use SCRAM, which takes app passwords only
        'CertificateFile %s' % shared.certificate_path, '',
        'MaildirStore near', 'Path %s/' % maildir, 'Inbox %s/INBOX' % maildir, '',
        'Channel all', 'Far :far:', 'Near :near:', 'Patterns INBOX', 'Create Near', 'Sync All', 'Expunge Both',
        'SyncState *', '']))
    run(tool('mbsync'), '-c', tmp_path / 'rc', '-a')
    files = [p for p in maildir.glob('INBOX/*/*') if p.is_file()]
    got = sorted(re.sub(rb'X-TUID: [^\n]*\n', b'', p.read_bytes()) for p in files)  # mbsync's own mark
    assert got == sorted(b.replace(b'\r\n', b'\n') for b in bodies(shared, user))
    assert len(got) == 20
    files[0].rename(str(files[0]).replace('/new/', '/cur/').split(':')[0] + ':2,FS')
    run('mbsync', '-c', tmp_path / 'rc', '-a')
    client = shared.imap(user, mailbox='INBOX')
    assert len(client.uid('search', 'FLAGGED', 'SEEN')[1][0].split()) == 1
    client.logout()


@pytest.mark.parametrize('protocol', ['IMAP', 'POP3'])
def test_fetchmail_takes_all(shared, account, tmp_path, protocol):
    user, password = account
    for number in range(5):
        shared.deliver(letter('fetchmail-%d' % number), user)
    out = tmp_path / 'out'
    rc = tmp_path / 'rc'
    port = shared.ports['imaps' if protocol == 'IMAP' else 'pop3s']
    rc.write_text('set no bouncemail\npoll %s protocol %s service %d user "%s" password "%s" ssl sslcertck '
                  'sslcertfile "%s" nokeep norewrite mda "cat >> %s"\n'
                  % (HOST, protocol, port, user, password, shared.certificate_path, out))
    rc.chmod(0o600)
    run(tool('fetchmail'), '-f', rc, '--nodetach', '-a', '-v', '--pidfile', tmp_path / 'pid',
        '--idfile', tmp_path / 'ids', env={**os.environ, 'FETCHMAILHOME': str(tmp_path), 'HOME': str(tmp_path)})
    text = out.read_bytes()
    for number in range(5):
        assert text.count(b'Hello from fetchmail-%d.' % number) == 1
    assert bodies(shared, user) == []
    run('fetchmail', '-f', rc, '--nodetach', '--pidfile', tmp_path / 'pid', '--idfile', tmp_path / 'ids',
        statuses=(1,), env={**os.environ, 'FETCHMAILHOME': str(tmp_path), 'HOME': str(tmp_path)})


def test_smtplib_sends_a_composed_letter(shared, account):
    user, _ = account
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message['From'], message['To'], message['Subject'] = user, user, 'Größe'
    message.set_content('Text mit Umlauten: äöü\n')
    message.add_attachment(b'\0\1\2' * 1000, maintype='application', subtype='octet-stream', filename='daten.bin')
    for listener in ('submission', 'submissions', 'submission-alt'):
        with shared.submission(user, listener) as client:
            assert client.send_message(message) == {}
    for raw in bodies(shared, user):
        got = email.message_from_bytes(raw, policy=email.policy.default)
        assert got['Subject'] == 'Größe'
        assert next(got.iter_attachments()).get_content() == b'\0\1\2' * 1000
    assert len(bodies(shared, user)) == 3


def test_imaplib_does_its_daily_work(shared, account):
    user, _ = account
    for number in range(4):
        shared.deliver(letter('imaplib-%d' % number), user)
    client = shared.imap(user)
    assert 'IMAP4REV1' in client.capabilities
    assert client.list()[0] == 'OK' and client.namespace()[0] == 'OK'
    assert client.select('INBOX')[1] == [b'4']
    assert client.search(None, 'HEADER', 'Subject', '"imaplib-2"')[1] == [b'3']
    assert client.store('1', '+FLAGS', '(\\Deleted)')[0] == 'OK'
    assert client.copy('2', 'INBOX')[0] == 'OK'
    assert client.expunge()[1] == [b'1']
    assert client.uid('fetch', '2', '(FLAGS)')[1][0] is not None
    assert client.status('INBOX', '(MESSAGES UIDNEXT UNSEEN)')[0] == 'OK'
    assert client.append('INBOX', '(\\Seen)', imaplib.Time2Internaldate(1e9), letter('appended'))[0] == 'OK'
    assert client.noop()[0] == 'OK'
    _, data = client.uid('search', 'BEFORE', '01-Jan-2002')
    assert len(data[0].split()) == 1
    assert client.close()[0] == 'OK'
    assert client.logout()[0] == 'BYE'


def test_poplib_does_its_daily_work(shared, account):
    user, _ = account
    for number in range(3):
        shared.deliver(letter('poplib-%d' % number), user)
    client = shared.pop3(user)
    count, size = client.stat()
    assert count == 3
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    assert sum(sizes) == size
    ids = [line.split()[1] for line in client.uidl()[1]]
    assert len(set(ids)) == 3
    _, lines, octets = client.retr(2)
    assert sum(len(line) + 2 for line in lines) == sizes[1]
    _, top, _ = client.top(2, 1)
    assert top[-1] == b'Hello from poplib-1.' and top == lines[:len(top)]
    client.dele(2)
    client.rset()
    client.dele(1)
    client.quit()
    client = shared.pop3(user)
    assert [line.split()[1] for line in client.uidl()[1]] == ids[1:]
    client.quit()


def test_gnutls_and_openssl_see_modern_tls_alone(shared):
    address = '%s:%d' % (HOST, shared.ports['imaps'])
    for option, statuses in (('-tls1_2', (0,)), ('-tls1_3', (0,)), ('-tls1_1', (1,))):
        run(tool('openssl'), 's_client', '-connect', address, option, '-CAfile', shared.certificate_path,
            '-verify_return_error', '-cipher', 'DEFAULT@SECLEVEL=0', stdin=b'a1 LOGOUT\r\n', statuses=statuses)
    for protocol, listener in (('imap', 'imap'), ('pop3', 'pop3'), ('smtp', 'smtp')):
        run(tool('gnutls-cli'), '--starttls-proto', protocol, '-p', shared.ports[listener], '--x509cafile',
            shared.certificate_path, HOST, stdin=b'')
