"""msmtp, mpop, s-nail, smtp-source: with and without TLS, with right and wrong passwords."""
import os
import subprocess

import pytest

from letterlock import HOST
from test_clients import bodies, letter, run, tool

SUBMISSION = {'submission': 'on', 'submission-alt': 'on', 'submissions': 'off'}


def msmtp(shared, folder, listener, user, password, auth='plain', sender=None):
    """The finished process. No login on port 25."""
    rc = folder / 'msmtprc'
    lines = ['account default', 'host ' + HOST, 'port %d' % shared.ports[listener], 'from ' + (sender or user),
             'domain client.example', 'tls_trust_file %s' % shared.certificate_path]
    if listener == 'smtp':
        lines += ['auth off', 'tls ' + auth]
    else:
        lines += ['auth ' + auth, 'user ' + user, 'passwordeval cat %s' % (folder / 'password'), 'tls on',
                  'tls_starttls ' + SUBMISSION[listener]]
    (folder / 'password').write_text(password + '\n')
    rc.write_text('\n'.join(lines) + '\n')
    rc.chmod(0o600)
    return subprocess.run([tool('msmtp'), '-C', rc, user], input=letter('msmtp', sender or user).replace(b'\r\n', b'\n'),
                          capture_output=True, timeout=60, env={**os.environ, 'HOME': str(folder)})


@pytest.mark.parametrize('listener', SUBMISSION)
@pytest.mark.parametrize('auth', ['plain', 'login', 'on'])
def test_msmtp_submits(shared, account, tmp_path, listener, auth):
    done = msmtp(shared, tmp_path, listener, *account, auth=auth)
    assert done.returncode == 0, done.stderr
    text, = bodies(shared, account[0])
    assert text.endswith(b'Hello from msmtp.\r\n.a line with a dot\r\n')


@pytest.mark.parametrize('tls', ['on', 'off'])
def test_msmtp_delivers_at_port_25(shared, account, tmp_path, tls):
    done = msmtp(shared, tmp_path, 'smtp', *account, auth=tls, sender='anna@elsewhere.example')
    assert done.returncode == 0, done.stderr
    text, = bodies(shared, account[0])
    assert (b' with ESMTPS id ' in text) == (tls == 'on') and b' with ESMTP' in text


@pytest.mark.parametrize('listener', SUBMISSION)
def test_msmtp_with_a_wrong_password_is_refused(shared, account, tmp_path, listener):
    done = msmtp(shared, tmp_path, listener, account[0], 'not-this')
    assert done.returncode == 77 and b'535' in done.stderr, (done.returncode, done.stderr)
    assert not bodies(shared, account[0])


def mpop(shared, folder, listener, user, password, auth):
    rc = folder / 'mpoprc'
    for name in ('cur', 'new', 'tmp'):
        (folder / 'maildir' / name).mkdir(parents=True, exist_ok=True)
    (folder / 'password').write_text(password + '\n')
    rc.write_text('\n'.join([
        'account default', 'host ' + HOST, 'port %d' % shared.ports[listener], 'user ' + user, 'auth ' + auth,
        'passwordeval cat %s' % (folder / 'password'), 'tls on', 'tls_starttls ' + ('off' if listener == 'pop3s' else 'on'),
        'tls_trust_file %s' % shared.certificate_path, 'delivery maildir %s' % (folder / 'maildir'), 'keep off',
        'uidls_file %s' % (folder / 'uidls')]) + '\n')
    rc.chmod(0o600)
    return subprocess.run([tool('mpop'), '-C', rc], capture_output=True, timeout=60, env={**os.environ, 'HOME': str(folder)})


@pytest.mark.parametrize('listener', ['pop3', 'pop3s'])
@pytest.mark.parametrize('auth', ['user', 'plain', 'on'])
def test_mpop_takes_all(shared, account, tmp_path, listener, auth):
    for n in range(4):
        shared.deliver(letter('mpop-%d' % n), account[0])
    done = mpop(shared, tmp_path, listener, *account, auth)
    assert done.returncode == 0, done.stderr
    texts = [p.read_bytes() for p in (tmp_path / 'maildir' / 'new').iterdir()]
    assert len(texts) == 4 and all(b'\n.a line with a dot' in t for t in texts)
    assert not bodies(shared, account[0])


@pytest.mark.parametrize('listener', ['pop3', 'pop3s'])
def test_mpop_with_a_wrong_password_takes_nothing(shared, account, tmp_path, listener):
    shared.deliver(letter('mpop'), account[0])
    done = mpop(shared, tmp_path, listener, account[0], 'not-this', 'user')
    assert done.returncode != 0 and b'password' in done.stderr.lower(), done.stderr
    assert len(bodies(shared, account[0])) == 1


@pytest.mark.parametrize('password, status', [(None, 0), ('not-this', 4)])
def test_s_nail_submits(shared, account, tmp_path, password, status):
    user, right = account
    url = 'smtps://%s:%s@%s:%d' % (user.replace('@', '%40'), password or right, HOST, shared.ports['submissions'])
    run(tool('s-nail'), '-:/', '-Sv15-compat', '-Sttycharset=utf-8', '-Smta=' + url, '-Stls-ca-file=%s' % shared.certificate_path,
        '-Stls-verify=strict', '-Ssmtp-auth=plain', '-Shostname=client.example', '-Sfrom=' + user, '-s', 'from s-nail', user,
        stdin=b'Hello from s-nail.\n', statuses=(status,), env={**os.environ, 'HOME': str(tmp_path)})
    assert len([b for b in bodies(shared, user) if b'Hello from s-nail.' in b]) == (0 if password else 1)


@pytest.mark.parametrize('size, sessions, options', [(200, 1, ()), (20000, 5, ('-d',)), (4000, 10, ())])
def test_smtp_source_delivers_every_letter(shared, account, size, sessions, options):
    run(tool('smtp-source'), '-l', size, '-m', 40, '-s', sessions, *options, '-f', 'load@elsewhere.example', '-t', account[0],
        '-S', 'from smtp-source', '127.0.0.1:%d' % shared.ports['smtp'])
    assert len(bodies(shared, account[0])) == 40


@pytest.mark.parametrize('listener', ['submission', 'submission-alt'])
def test_smtp_source_cannot_submit_without_login(shared, account, listener):
    done = subprocess.run([tool('smtp-source'), '-m', '1', '-f', account[0], '-t', account[0],
                           '127.0.0.1:%d' % shared.ports[listener]], capture_output=True, timeout=60)
    assert done.returncode != 0 and b'530 5.7' in done.stderr, done.stderr
    assert not bodies(shared, account[0])
