"""The supervisor and the command line where they meet the system: roles that die, restarts under living
sessions, signals, locks, folders, terminals, certificates."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imapwire import Imap
from letterlock import BINARY, HOST, Appliance, CommandFailed, wait_until

FRONT_AND_BACK = ('smtp', 'door', 'auth', 'hash', 'store')


def call(*args, **options):
    options.setdefault('timeout', 60)
    return subprocess.run([str(BINARY), *args], capture_output=True, text=True, **options)


def all_commands():
    text = call('help').stdout
    names = re.findall(r'^  ([a-z-]+(?: [a-z-]+)?)(?=  |  *\[| [A-Z\[])', text, re.M)
    assert len(names) >= 25, text
    return names


@pytest.fixture(scope='module')
def idle(binary):
    """Set up, never started."""
    with Appliance() as a:
        a.setup()
        yield a


# -- help and use


def test_help_of_every_command_names_it_and_its_options(binary):
    for name in all_commands():
        result = call(*name.split(), '--help')
        assert result.returncode == 0, name
        assert result.stdout.startswith('letterlock ' + name), result.stdout
        assert '--data DIR' in result.stdout and '--json' in result.stdout
        assert call('help', *name.split()).stdout == result.stdout


@pytest.mark.parametrize('typed, meant', [
    ('usr add x@y', 'user add'), ('stauts', 'status'), ('user lst', 'user list'), ('sever', 'serve'),
    ('config sett a b', 'config set'), ('app-pasword list x@y', 'app-password list')])
def test_a_mistyped_command_is_answered_with_the_nearest(binary, typed, meant):
    result = call(*typed.split())
    assert result.returncode == 2
    assert 'did you mean "%s"' % meant in result.stderr


@pytest.mark.parametrize('args', [
    ['user'], ['user', 'add', 'a@b', 'c@d'], ['user', 'list', 'x'], ['user', 'add', 'a@b', '--label', 'x'],
    ['app-password', 'add', 'a@b'], ['cert', 'set', '--cert', 'x'], ['config', 'set', 'hostname'],
    ['--data'], ['status', '--json=x'], ['serve', '--listen', 'gopher=127.0.0.1:70'], ['alias', 'add', 'a@b'],
    ['user', 'add', 'a@b', '--password', 'secret']])
def test_wrong_use_exits_2(binary, args, tmp_path):
    result = call(*args, env={'LETTERLOCK_DATA': str(tmp_path / 'none')})
    assert result.returncode == 2, result
    assert result.stderr.startswith('letterlock: ')
    assert not (tmp_path / 'none').exists()


def test_data_without_a_folder_says_what_is_missing(binary):
    assert '--data needs a value' in call('status', '--data').stderr


def test_without_a_terminal_nothing_is_asked(idle):
    for args in (['user', 'add', 'new@example.test'], ['user', 'remove', idle.user], ['setup']):
        result = idle.run(*args, check=False)
        assert result.returncode == 2, result
        assert '--' in result.stderr
    assert idle.user in idle.run('user', 'list').stdout


def test_answers_and_errors_are_json_where_it_is_asked_for(idle):
    for args in (['user', 'list'], ['user', 'show', idle.user], ['domain', 'list'], ['alias', 'list'],
                 ['config', 'list'], ['config', 'get', 'hostname'], ['cert', 'show'], ['verify'], ['version']):
        result = idle.run('--json', *args)
        json.loads(result.stdout)
        assert not result.stderr, result.stderr
    for args in (['user', 'show', 'nobody@example.test'], ['config', 'get', 'no.such'], ['nonsense'],
                 ['config', 'set', 'smtp.max-size', 'huge']):
        result = idle.run(*args, '--json', check=False)
        assert result.returncode in (1, 2)
        if '--json' in args or result.stdout:
            assert json.loads(result.stdout)['error']
        assert result.stderr.startswith('letterlock: ')


def test_the_wrong_value_of_a_setting_is_answered_with_the_right_form(idle):
    for name, value, word in (('smtp.max-size', 'huge', '50M'), ('log.level', 'loud', 'debug'),
                              ('login.cleartext', 'home', '127.0.0.0/8'), ('smtp.max-errors', '0', 'number')):
        result = idle.run('config', 'set', name, value, check=False)
        assert result.returncode == 1 and word in result.stderr, result.stderr


def test_settings_are_exported_and_imported_all_or_none(idle):
    idle.run('config', 'set', 'smtp.max-recipients', '123')
    text = idle.run('config', 'export').stdout
    assert 'smtp.max-recipients = 123' in text
    idle.run('config', 'set', 'smtp.max-recipients', '456')
    half = idle.run('config', 'import', stdin='smtp.max-recipients = 789\nsmtp.max-size = huge\n', check=False)
    assert half.returncode == 1 and 'line 2' in half.stderr
    assert idle.run('config', 'get', 'smtp.max-recipients').stdout == '456\n'
    idle.run('config', 'import', stdin='# comment\n\n' + text)
    assert idle.run('config', 'export').stdout == text


# -- folders, locks, keys


def test_commands_at_one_moment_wait_for_each_other(idle):
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: idle.run('user', 'list', check=False), range(6)))
    assert [r.returncode for r in results] == [0] * 6, [r.stderr for r in results]
    assert len({r.stdout for r in results}) == 1


def test_a_folder_that_is_held_but_silent_is_said(idle):
    with open(idle.data / 'lock', 'r+') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = idle.run('user', 'list', check=False)
        assert result.returncode == 1 and 'does not answer' in result.stderr
        again = idle.run('serve', '--listen', 'smtp=127.0.0.1:0', check=False)
        assert again.returncode == 1 and 'already' in again.stderr


def test_a_folder_open_to_others_is_refused(idle):
    os.chmod(idle.data, 0o750)
    try:
        for args in (['user', 'list'], ['serve']):
            result = idle.run(*args, check=False)
            assert result.returncode == 1 and '0700' in result.stderr
    finally:
        os.chmod(idle.data, 0o700)


def test_databases_without_their_server_key_are_refused(idle):
    key = idle.data / 'server.key'
    assert len(key.read_bytes()) == 32 and key.stat().st_mode & 0o777 == 0o600
    key.rename(idle.data / 'kept')
    try:
        for args in (['user', 'list'], ['serve', '--listen', 'smtp=127.0.0.1:0']):
            result = idle.run(*args, check=False)
            assert result.returncode == 1 and 'server.key' in result.stderr
        assert not key.exists()
        key.write_bytes(b'short')
        assert idle.run('user', 'list', check=False).returncode == 1
    finally:
        (idle.data / 'kept').rename(key)
    idle.run('user', 'list')


@pytest.mark.parametrize('name', ['mail.db', 'letters.db', 'credentials.db'])
def test_a_lost_database_is_missed_and_no_empty_one_put_in_its_place(idle, name):
    def is_refused():
        for args in (['user', 'list'], ['serve', '--listen', 'smtp=127.0.0.1:0']):
            result = idle.run(*args, check=False)
            assert result.returncode == 1 and name + ' is missing' in result.stderr, result.stderr
    whole = {path.name: path.read_bytes() for path in idle.data.glob('*.db-wal')}
    (idle.data / name).rename(idle.data / 'kept')
    try:
        is_refused()
        assert not (idle.data / name).exists()
        (idle.data / name).touch()                    # emptied, with its last changes beside it
        is_refused()
        (idle.data / (name + '-wal')).rename(idle.data / 'kept-wal')
        (idle.data / name).unlink()                   # a folder that was copied in part
        is_refused()
        (idle.data / 'kept-wal').rename(idle.data / (name + '-wal'))
    finally:
        (idle.data / 'kept').rename(idle.data / name)
    assert {path.name: path.read_bytes() for path in idle.data.glob('*.db-wal')} == whole
    idle.run('user', 'list')


def test_a_first_start_that_was_killed_early_goes_on(binary):
    with Appliance() as appliance:
        appliance.data.mkdir(mode=0o700)
        (appliance.data / 'mail.db').touch(mode=0o600)
        appliance.setup()
        appliance.run('user', 'list')
        assert (appliance.data / 'server.key').stat().st_size == 32


def test_the_key_may_come_from_systemd(idle, tmp_path):
    credentials = tmp_path / 'credentials'
    credentials.mkdir()
    shutil.move(idle.data / 'server.key', credentials / 'server.key')
    try:
        assert idle.run('user', 'list', check=False).returncode == 1
        idle.environment['CREDENTIALS_DIRECTORY'] = str(credentials)
        assert 'sha256' in idle.run('--json', 'cert', 'show').stdout
    finally:
        idle.environment.pop('CREDENTIALS_DIRECTORY', None)
        shutil.move(credentials / 'server.key', idle.data / 'server.key')


def test_a_folder_with_a_very_long_name_serves_too(binary):
    top = tempfile.mkdtemp(prefix='letterlock-test-')
    try:
        with Appliance(folder=Path(top, *['a-long-folder-name'] * 8), listeners=('imaps', 'smtp')) as a:
            a.top.mkdir(parents=True)
            a.setup()
            a.start()
            assert a.json('status')['running']
            a.add_account()
    finally:
        shutil.rmtree(top, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason='needs root')
def test_root_serves_as_the_owner_of_the_folder(binary):
    with Appliance() as a:
        os.chmod(a.top, 0o755)
        a.data.mkdir(mode=0o700)
        os.chown(a.data, 65534, 65534)
        a.setup()
        a.start()
        pids = [p for group in a.pids().values() for p in group] + [a.process.pid]
        for pid in pids:
            status = Path('/proc/%d/status' % pid).read_text()
            assert re.search(r'^Uid:\t65534\t65534\t65534\t65534$', status, re.M), pid
            assert re.search(r'^Gid:\t65534\t', status, re.M)
            assert re.search(r'^Groups:\t(65534 ?)?$', status, re.M)
        a.run('user', 'list')
        assert {p.stat().st_uid for p in a.data.iterdir()} == {65534}


# -- starting and stopping


def test_a_start_waits_for_a_command_that_holds_the_folder(idle):
    with open(idle.data / 'lock', 'r+') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)               # as a command does for a moment
        process = subprocess.Popen([str(BINARY), '--data', str(idle.data), 'serve', '--listen', 'smtp=127.0.0.1:0'],
                                   env=idle._environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        assert process.poll() is None
    try:
        wait_until(lambda: idle.run('status', check=False).returncode == 0, what='it serves')
        begun = time.monotonic()
        second = idle.run('serve', '--listen', 'smtp=127.0.0.1:0', check=False)
        assert second.returncode == 1 and 'serves from' in second.stderr
        assert time.monotonic() - begun < 9            # it does not wait for a server to go away
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()


@pytest.mark.parametrize('closed', ['<&-', '>&-', '2>&-', '<&- >&- 2>&-'])
def test_without_standard_streams_nothing_is_written_into_files(fresh, closed):
    lock = fresh.data / 'lock'
    fresh.stop()
    fresh.run('user', 'list')
    ports = ' '.join('--listen %s=127.0.0.1:%d' % pair for pair in fresh.ports.items())
    process = subprocess.Popen(['sh', '-c', 'exec "%s" --data "%s" serve %s %s' % (BINARY, fresh.data, ports, closed)],
                               env=fresh._environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: fresh.run('status', check=False).returncode == 0, what='it serves')
        fresh.deliver(b'Subject: x\r\n\r\nx\r\n')
        streams = [os.readlink('/proc/%d/fd/%d' % (process.pid, n)) for n in range(3)]
        assert streams == ['/dev/null'] * 3
        assert lock.read_text() == '%d\n' % process.pid
    finally:
        process.terminate()
        process.wait(20)
    assert process.returncode == 0


def test_port_0_takes_a_free_one_and_prints_it(idle):
    p = subprocess.Popen([str(BINARY), '--data', str(idle.data), 'serve', '--listen', 'smtp=127.0.0.1:0',
                          '--listen', 'imap=[::1]:0'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                         env=idle._environment())
    try:
        lines = [p.stdout.readline() for _ in range(3)]
        assert lines[2] == 'ready\n'
        port = int(re.fullmatch(r'listen smtp=127\.0\.0\.1:(\d+)\n', lines[0])[1])
        assert re.fullmatch(r'listen imap=\[::1\]:\d+\n', lines[1])
        with socket.create_connection(('127.0.0.1', port), 10) as s:
            assert s.recv(4) == b'220 '
    finally:
        p.terminate()
        assert p.wait(20) == 0
        p.stdout.close()


def test_a_port_that_is_taken_is_said(idle):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen()
        result = idle.run('serve', '--listen', 'smtp=127.0.0.1:%d' % s.getsockname()[1], check=False)
    assert result.returncode == 1 and 'another program' in result.stderr


def test_systemd_hears_ready_and_stopping(idle, tmp_path):
    path = str(tmp_path / 'n')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(20)
        idle.environment['NOTIFY_SOCKET'] = path
        try:
            idle.start()
        finally:
            del idle.environment['NOTIFY_SOCKET']
        assert notify.recv(100) == b'READY=1'
        idle.stop()
        assert notify.recv(100) == b'STOPPING=1'


def test_sigint_stops_in_order_as_sigterm_does(idle):
    idle.start()
    pids = [p for group in idle.pids().values() for p in group]
    idle.process.send_signal(signal.SIGINT)
    assert idle.process.wait(20) == 0
    idle.process.stdout.close()
    idle.process = None
    assert not [p for p in pids if os.path.exists('/proc/%d' % p)]
    assert not (idle.data / 'control.sock').exists()


@pytest.mark.release
def test_it_is_ready_soon(idle, note):
    times = []
    for _ in range(5):
        begin = time.monotonic()
        idle.start()
        times.append(time.monotonic() - begin)
        idle.stop()
    note('start to ready: %.0f ms (best of 5)' % (min(times) * 1000))
    assert min(times) < 1


def test_no_role_outlives_a_supervisor_that_is_killed(fresh):
    with Imap(fresh, mailbox='INBOX'):
        pids = [p for group in fresh.pids().values() for p in group]
        assert len(pids) >= 6
        fresh.process.kill()
        fresh.process.wait()
        fresh.process.stdout.close()
        fresh.process = None
        wait_until(lambda: not [p for p in pids if os.path.exists('/proc/%d' % p)], what='roles are gone')
    fresh.start()
    fresh.deliver(b'Subject: again\r\n\r\nx\r\n')


# -- roles that die


def restarts(appliance, role):
    return [r['restarts'] for r in appliance.json('status')['roles'] if r['role'] == role][0]


def is_whole(appliance):
    status = appliance.run('--json', 'status', check=False)
    roles = json.loads(status.stdout).get('roles', [])
    return all(r['ready'] and r['pid'] for r in roles) and {r['role'] for r in roles} >= set(FRONT_AND_BACK)


def test_a_role_that_dies_again_and_again_is_started_more_slowly(fresh):
    for n in range(1, 5):
        assert fresh.kill('hash')
        wait_until(lambda: restarts(fresh, 'hash') == n and is_whole(fresh), what='restart %d' % n)
    died = re.findall(r'^(\S+)Z .*event=role-died name=hash pid=\d+ signal=9$', fresh.log_text(), re.M)
    assert len(died) == 4
    with Imap(fresh, mailbox='INBOX'):
        pass


def test_a_session_outlives_auth_and_store(fresh):
    fresh.deliver(b'Subject: one\r\n\r\nx\r\n')
    with Imap(fresh, mailbox='INBOX') as imap:
        retrieval = fresh.pids()['retrieval']
        for role in ('store', 'store', 'auth'):
            fresh.kill(role)
            wait_until(lambda: is_whole(fresh), what=role + ' is back')
            imap.ok('UID STORE 1 +FLAGS (after-%s)' % role)
        flags = imap.fetch('1', '(FLAGS)')[0]['FLAGS']
        assert {b'after-auth', b'after-store'} <= set(flags)
        with Imap(fresh, mailbox='INBOX') as second:
            assert second.fetch('1', '(UID)')[0]['UID'] == 1
            assert fresh.pids()['retrieval'] == retrieval
        fresh.deliver(b'Subject: two\r\n\r\nx\r\n')
        assert '* 2 EXISTS' in str(imap.command('NOOP')) or len(imap.fetch('1:*', '(UID)')) == 2


def test_all_roles_killed_at_once_come_back(fresh):
    for role in FRONT_AND_BACK:
        assert fresh.kill(role)
    wait_until(lambda: fresh.run('status', check=False).returncode == 0 and is_whole(fresh), what='all are back')
    fresh.add_account()
    fresh.deliver(b'Subject: again\r\n\r\nx\r\n')
    with Imap(fresh, mailbox='INBOX') as imap:
        assert len(imap.fetch('1:*', '(UID)')) == 1


def test_a_command_whose_role_dies_is_told_so(fresh):
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(fresh.run, 'user', 'add', 'x%d@example.test' % n, '--password-stdin',
                               stdin='a-good-pass-%d\n' % n, check=False) for n in range(8)]
        time.sleep(0.05)
        fresh.kill('auth')
        results = [r.result(60) for r in running]
    assert {r.returncode for r in results} <= {0, 1}
    for n, r in enumerate(results):
        if r.returncode:
            assert r.stderr.startswith('letterlock: '), r
            fresh.run('user', 'add', 'x%d@example.test' % n, '--password-stdin', stdin='a-good-pass-%d\n' % n,
                      check=False)
    listed = fresh.run('user', 'list').stdout
    assert all('x%d@example.test' % n in listed for n in range(8))


# -- the control socket


def test_what_is_no_command_ends_only_its_own_connection(fresh):
    path = str(fresh.data / 'control.sock')
    assert os.stat(path).st_mode & 0o777 == 0o600
    for message in (b'', b'\x01', b'\xff\xff', b'\x01\x00' + b'x' * 100, b'\x09\x00' + b'\xff' * 60000, b'\x09\x00'):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(20)
            s.connect(path)
            try:
                s.send(message)
                assert s.recv(100) == b''
            except (BrokenPipeError, ConnectionResetError):
                pass
    kept = []
    for _ in range(80):    # more than it takes
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(path)
        kept.append(s)
    for s in kept:
        s.close()
    wait_until(lambda: fresh.run('status', check=False).returncode == 0, what='it answers again')
    assert is_whole(fresh) and max(r['restarts'] for r in fresh.json('status')['roles']) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason='needs root')
def test_strangers_are_not_answered(fresh):
    os.chmod(fresh.top, 0o755)
    os.chmod(fresh.data, 0o755)
    os.chmod(fresh.data / 'control.sock', 0o666)
    code = ('import os, socket, sys\nos.setgid(65534); os.setuid(65534)\n'
            's = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(10)\n'
            's.connect(sys.argv[1])\n'
            'try:\n s.send(b"\\x09\\x00"); sys.exit(0 if s.recv(10) == b"" else 1)\n'
            'except OSError as e:\n sys.exit(0 if e.errno else 1)\n')
    subprocess.run(['/usr/bin/python3', '-c', code, str(fresh.data / 'control.sock')], check=True, timeout=30)
    wait_until(lambda: 'event=command-refused uid=65534' in fresh.log_text(), what='the refusal is logged')


# -- certificates and settings reach the roles


def make_pair(folder, name):
    cert, key = folder / (name + '.crt'), folder / (name + '.key')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '9',
                    '-subj', '/CN=' + name, '-addext', 'subjectAltName=DNS:' + name, '-keyout', str(key), '-out', str(cert)],
                   check=True, capture_output=True, timeout=60)
    return cert, key


def shown_to(appliance, listener, name):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(('127.0.0.1', appliance.ports[listener]), 10) as s:
        with context.wrap_socket(s, server_hostname=name) as tls:
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(True))


@pytest.mark.skipif(not shutil.which('openssl'), reason='needs openssl')
def test_a_certificate_is_shown_from_the_moment_it_is_set(fresh, tmp_path):
    cert, key = make_pair(tmp_path, 'mail.example.test')
    other_cert, other_key = make_pair(tmp_path, 'other.example.test')
    first = shown_to(fresh, 'imaps', HOST)
    fresh.run('cert', 'set', '--cert', str(cert), '--key', str(key))
    for listener in ('imaps', 'submissions', 'pop3s'):
        assert shown_to(fresh, listener, HOST) == cert.read_text() != first
    fresh.run('cert', 'set', '--cert', str(other_cert), '--key', str(other_key), '--host', 'other.example.test')
    assert shown_to(fresh, 'imaps', 'other.example.test') == other_cert.read_text()
    assert shown_to(fresh, 'imaps', 'mail.example.test') == cert.read_text()
    refused = fresh.run('cert', 'set', '--cert', str(cert), '--key', str(other_key), check=False)
    assert refused.returncode == 1 and 'belong together' in refused.stderr
    assert len(fresh.json('cert', 'show')) == 2 and 'other.example.test' in fresh.run('cert', 'show').stdout
    fresh.restart()
    assert shown_to(fresh, 'submissions', HOST) == cert.read_text()
    secret = b''.join(key.read_bytes().split(b'\n')[1:2])
    assert all(secret not in p.read_bytes() for p in fresh.data.iterdir() if p.is_file())


def test_a_setting_holds_from_the_moment_it_is_set(fresh):
    client = fresh.line_client('smtp')
    client.greet()
    for size in ('1M', '2M', '3M', '1M'):
        fresh.run('config', 'set', 'smtp.max-size', size)
        texts = client.command('EHLO client.example')[1]
        assert 'SIZE %d' % (int(size[0]) << 20) in ' '.join(texts)


# -- a terminal


def on_terminal(arguments, environment, answers):
    """Runs the binary on a pseudo terminal; answers: (prompt, text) in order. Returns status and output."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(str(BINARY), [str(BINARY), *arguments], environment)
    seen, at = b'', 0
    end = time.monotonic() + 60
    try:
        while time.monotonic() < end:
            if not select.select([fd], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(fd, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
            if answers and answers[0][0].encode() in seen[at:]:
                at = len(seen)
                os.write(fd, answers.pop(0)[1].encode() + b'\n')
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(fd)
    assert not answers, (answers, seen)
    return status, seen.decode()


def test_a_password_is_asked_for_twice_and_never_shown(idle):
    add = ['user', 'add', 'typed@example.test']
    status, seen = on_terminal(add, idle._environment(), [('Password:', 'typed-pass-1'), ('again:', 'another-pass')])
    assert status == 1 and 'not the same' in seen
    status, seen = on_terminal(add, idle._environment(), [('Password:', 'typed-pass-1'), ('again:', 'typed-pass-1')])
    assert status == 0 and 'typed-pass' not in seen and 'typed@example.test' in seen
    remove = ['user', 'remove', 'typed@example.test']
    status, seen = on_terminal(remove, idle._environment(), [('Type yes', 'no')])
    assert status == 2
    status, seen = on_terminal(remove, idle._environment(), [('Type yes', 'yes')])
    assert status == 0
    assert 'typed@example.test' not in idle.run('user', 'list').stdout


def test_ctrl_c_at_the_password_leaves_a_terminal_that_shows_what_is_typed(idle):
    master, terminal = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def is_shown():
        return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
    process = subprocess.Popen([str(BINARY), 'user', 'add', 'typed@example.test'], env=idle._environment(),
                               stdin=terminal, stdout=terminal, stderr=terminal, preexec_fn=take_terminal)
    try:
        wait_until(lambda: not is_shown(), what='the prompt')
        os.write(master, b'half a pass\x03')
        assert process.wait(20) == -signal.SIGINT
        assert is_shown()
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(terminal)


def test_setup_leads_through_on_a_terminal(binary):
    with Appliance() as a:
        status, seen = on_terminal(['setup'], a._environment(), [
            ('Name of this machine', 'mail.home.test'), ('Domain of the addresses [home.test]', ''),
            ('First account', 'anna@home.test'), ('Password of the account:', 'annas-pass-word'),
            ('again:', 'annas-pass-word')])
        assert status == 0, seen
        assert 'annas-pass-word' not in seen
        for word in ('ecovery code', 'MX    10 mail.home.test.', 'v=spf1', 'serve', 'self-signed'):
            assert word in seen, word
        assert 'anna@home.test' in a.run('user', 'list').stdout
        with pytest.raises(CommandFailed):
            a.run('user', 'show', 'annas@home.test')
