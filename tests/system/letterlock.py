"""The appliance under test: the real binary in a temporary data folder on free loopback ports, and the
small clients that tests drive it with. Everything here ends only what it started, by pid."""
import base64
import imaplib
import json
import os
import poplib
import queue
import random
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get('LETTERLOCK') or ROOT / 'build-release/admin/letterlock').resolve()
HOST = 'localhost'
DOMAIN = 'example.test'
LISTENERS = ('smtp', 'submission', 'submissions', 'submission-alt', 'imap', 'imaps', 'pop3', 'pop3s')
IMPLICIT_TLS = ('submissions', 'imaps', 'pop3s')
ROLES = ('store', 'auth', 'hash', 'smtp', 'door', 'retrieval', 'relay')
SECONDS = 30          # the patience of every client here
READY_SECONDS = 30

imaplib._MAXLINE = 64 * 1024 * 1024
poplib._MAXLINE = 1024 * 1024
smtplib._MAXLINE = 1024 * 1024


def find_data():
    """The folder of test collections, or None."""
    for place in (os.environ.get('LETTERLOCK_TEST_DATA'), ROOT.parent / 'shared/data', '/work/shared/data'):
        if place and Path(place).is_dir():
            return Path(place)
    return None


def is_sanitized():
    """Whether the binary carries ASan: then limits on memory and time mean little."""
    return b'__asan_init' in BINARY.read_bytes()


def free_ports(count):
    """Ports below those that the system gives to connections, so that two runs side by side seldom meet."""
    found = []
    for _ in range(1000):
        port = random.randint(10000, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(('127.0.0.1', port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError('no free ports')


def wait_until(condition, seconds=SECONDS, what='condition'):
    """Calls until something true comes back, and returns it."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError('not within %s s: %s' % (seconds, what))
        time.sleep(0.01)


class CommandFailed(AssertionError):
    def __init__(self, args, result):
        super().__init__('letterlock %s: exit %d\n%s%s' % (' '.join(args), result.returncode, result.stdout,
                                                           result.stderr))
        self.returncode = result.returncode
        self.stderr = result.stderr


class Appliance:
    """One data folder and, between start() and stop(), one server on it."""

    def __init__(self, folder=None, listeners=LISTENERS, environment=None, wrapper=()):
        self.own_folder = folder is None
        self.top = Path(folder or tempfile.mkdtemp(prefix='letterlock-test-'))
        self.data = self.top / 'data'
        self.log_path = self.top / 'server.log'
        self.wrapper = list(wrapper)     # put before the binary for `serve`
        self.environment = dict(environment or {})
        self.listeners = tuple(listeners)
        self.ports = dict(zip(self.listeners, free_ports(len(self.listeners))))
        self.process = None
        self.accounts = {}
        self._certificate = None
        self._account_number = 0

    # -- command line

    def _environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith('LETTERLOCK')}
        env.update(LETTERLOCK_DATA=str(self.data), LC_ALL='C.UTF-8')
        # Roles cannot be traced, so the leak checker has nothing to look with.
        env.setdefault('ASAN_OPTIONS', 'detect_leaks=0:abort_on_error=0:exitcode=99')
        env.setdefault('UBSAN_OPTIONS', 'print_stacktrace=1:halt_on_error=1:exitcode=99')
        env.update(self.environment)
        return env

    def run(self, *args, stdin='', check=True, timeout=120):
        """One command of the binary; its CompletedProcess with texts."""
        result = subprocess.run([str(BINARY), *args], input=stdin, env=self._environment(), text=True,
                                errors='backslashreplace', capture_output=True, timeout=timeout)
        if check and result.returncode != 0:
            raise CommandFailed(args, result)
        return result

    def json(self, *args, **options):
        return json.loads(self.run('--json', *args, **options).stdout)

    def setup(self, address='owner@' + DOMAIN, password='owner-pass-word-1'):
        result = self.run('setup', '--hostname', HOST, '--domain', address.split('@')[1], '--account', address,
                          '--password-stdin', '--yes', stdin=password + '\n')
        self.accounts[address] = password
        self.user, self.password = address, password
        return result

    def add_account(self, address=None, password=None):
        """A fresh account; returns (address, password)."""
        self._account_number += 1
        address = address or 'u%d@%s' % (self._account_number, DOMAIN)
        password = password or 'pass-word-%d' % self._account_number
        self.run('user', 'add', address, '--password-stdin', stdin=password + '\n')
        self.accounts[address] = password
        return address, password

    # -- server

    def start(self):
        assert self.process is None
        arguments = [*self.wrapper, str(BINARY), '--data', str(self.data), 'serve']
        for name in self.listeners:
            arguments += ['--listen', '%s=127.0.0.1:%d' % (name, self.ports[name])]
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(arguments, env=self._environment(), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        self._wait_ready()
        return self

    def _wait_ready(self):
        lines = queue.Queue()
        stdout = self.process.stdout

        def pump():
            for line in stdout:
                lines.put(line)
            lines.put(b'')
        threading.Thread(target=pump, daemon=True).start()
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            try:
                line = lines.get(timeout=0.5)
            except queue.Empty:
                continue
            if line.strip() == b'ready':
                return
            if not line:
                break
        self.kill_all()
        raise AssertionError('the server did not get ready:\n' + self.log_text()[-4000:])

    def stop(self, seconds=20):
        """SIGTERM and the exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError('SIGTERM did not end the server within %d s\n%s'
                                 % (seconds, self.log_text()[-2000:]))
        self.process.stdout.close()
        self.process = None
        return status

    def restart(self):
        self.stop()
        self.start()

    def kill_all(self):
        """SIGKILL to the supervisor and every role."""
        if self.process is None:
            return
        roles = [pid for pids in self.pids().values() for pid in pids]
        self.process.kill()
        for pid in roles:
            self._kill(pid)
        self.process.wait()
        self.process.stdout.close()
        self.process = None
        wait_until(lambda: not any(os.path.exists('/proc/%d' % p) for p in roles), what='roles are gone')

    @staticmethod
    def _kill(pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def supervisor_pid(self):
        """The supervisor itself, also when a wrapper such as unshare stands before it."""
        pid = self.process.pid
        if self.wrapper:
            for candidate in descendants(pid):
                line = command_line(candidate)
                if 'serve' in line and '--role' not in line:
                    return candidate
        return pid

    def pids(self):
        """Role name -> pids, from the command lines of the supervisor's children."""
        found = {}
        for pid in descendants(self.process.pid):
            line = command_line(pid)
            if '--role' in line:
                found.setdefault(line[line.index('--role') + 1], []).append(pid)
        return found

    def kill(self, role):
        """SIGKILL to every process of a role; returns the pids."""
        pids = self.pids().get(role, [])
        for pid in pids:
            self._kill(pid)
        return pids

    def log_text(self):
        return self.log_path.read_text(errors='replace') if self.log_path.exists() else ''

    def check_log(self):
        """No sanitizer spoke and no invariant broke."""
        text = self.log_text()
        bad = re.search(r'^.*(AddressSanitizer|runtime error:|ThreadSanitizer|event=invariant|ENSURE).*$', text,
                        re.M)
        assert not bad, 'the server complained of itself:\n' + text[bad.start():bad.start() + 4000]

    def close(self):
        try:
            if self.process is not None:
                self.stop()
            self.check_log()
        finally:
            self.kill_all()
            if self.own_folder and not os.environ.get('LETTERLOCK_KEEP'):
                shutil.rmtree(self.top, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # -- clients

    @property
    def certificate_path(self):
        """The server's own certificate, fetched once and then pinned."""
        if self._certificate is None:
            pem = ssl.get_server_certificate(('127.0.0.1', self.ports['imaps']), timeout=SECONDS)
            path = self.top / ('ca-%d.pem' % threading.get_ident())   # several threads may be first
            path.write_text(pem)
            self._certificate = path
        return self._certificate

    def tls_context(self):
        return ssl.create_default_context(cafile=str(self.certificate_path))

    def imap(self, user=None, password=None, mailbox=None, tls=True):
        client = imaplib.IMAP4_SSL(HOST, self.ports['imaps'], ssl_context=self.tls_context(), timeout=SECONDS) \
            if tls else imaplib.IMAP4(HOST, self.ports['imap'], timeout=SECONDS)
        if user is None:
            user = self.user
        if user:
            client.login(user, password or self.accounts[user])
        if mailbox:
            typ, data = client.select(mailbox)
            assert typ == 'OK', data
        return client

    def pop3(self, user=None, password=None):
        client = poplib.POP3_SSL(HOST, self.ports['pop3s'], context=self.tls_context(), timeout=SECONDS)
        user = user or self.user
        client.user(user)
        client.pass_(password or self.accounts[user])
        return client

    def smtp(self):
        """A stranger's session on port 25, without TLS."""
        return smtplib.SMTP(HOST, self.ports['smtp'], local_hostname='client.example', timeout=SECONDS)

    def submission(self, user=None, listener='submissions', password=None):
        if listener in IMPLICIT_TLS:
            client = smtplib.SMTP_SSL(HOST, self.ports[listener], local_hostname='client.example',
                                      timeout=SECONDS, context=self.tls_context())
        else:
            client = smtplib.SMTP(HOST, self.ports[listener], local_hostname='client.example', timeout=SECONDS)
            client.starttls(context=self.tls_context())
        user = user or self.user
        client.login(user, password or self.accounts[user])
        return client

    def deliver(self, letter, to=None, sender='stranger@elsewhere.example'):
        """One letter (bytes, CRLF) over port 25."""
        with self.smtp() as client:
            client.sendmail(sender, [to or self.user], letter)

    def line_client(self, listener):
        return LineClient(self, listener)


def descendants(pid):
    """Pids below pid, found by walking /proc."""
    parents = {}
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            try:
                stat = Path('/proc', entry, 'stat').read_text(errors='replace')
            except OSError:
                continue
            fields = stat.rsplit(')', 1)[1].split()
            if fields[0] != 'Z':
                parents.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        for child in parents.get(todo.pop(), []):
            found.append(child)
            todo.append(child)
    return found


def command_line(pid):
    try:
        return Path('/proc', str(pid), 'cmdline').read_bytes().decode(errors='replace').split('\0')
    except OSError:
        return []


class LineClient:
    """A connection seen as lines: what transcripts and the rougher tests speak with."""

    def __init__(self, appliance, listener):
        self.appliance = appliance
        self.listener = listener
        self.sock = socket.create_connection(('127.0.0.1', appliance.ports[listener]), SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.is_tls = False
        self.is_greeted = False
        self.sent = False
        if listener in IMPLICIT_TLS:
            self.handshake()

    @property
    def protocol(self):
        return 'imap' if self.listener.startswith('imap') else 'pop3' if self.listener.startswith('pop3') else 'smtp'

    def handshake(self):
        assert not self.buffer, 'clear text came after the word to start TLS: %r' % self.buffer
        self.sock = self.appliance.tls_context().wrap_socket(self.sock, server_hostname=HOST)
        self.is_tls = True

    def send(self, data):
        self.sent = True
        self.sock.sendall(data)

    def send_line(self, text):
        self.send(text.encode('utf-8', 'surrogateescape') + b'\r\n')

    def read_line(self, seconds=SECONDS):
        """One line without its CRLF; None at the end of the connection."""
        self.sock.settimeout(seconds)
        while b'\n' not in self.buffer:
            try:
                more = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
                more = b''
            if not more:
                assert not self.buffer, 'the connection ended within a line: %r' % self.buffer
                return None
            self.buffer += more
        end = self.buffer.index(b'\n') + 1
        line = bytes(self.buffer[:end - 1])
        del self.buffer[:end]
        assert line.endswith(b'\r'), 'a line ends with a bare LF: %r' % line
        self.is_greeted = True
        return line[:-1].decode('utf-8', 'surrogateescape')

    def read_exactly(self, count, seconds=SECONDS):
        self.sock.settimeout(seconds)
        while len(self.buffer) < count:
            more = self.sock.recv(65536)
            assert more, 'the connection ended %d bytes early' % (count - len(self.buffer))
            self.buffer += more
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def is_silent(self, seconds):
        if self.buffer:
            return False
        self.sock.settimeout(seconds)
        try:
            self.buffer += self.sock.recv(65536)
        except (TimeoutError, socket.timeout):
            return True
        return False

    def close(self):
        self.sock.close()

    # -- conversation

    def reply(self):
        """One SMTP reply: (code, [texts])."""
        texts = []
        while True:
            line = self.read_line()
            assert line is not None, 'closed instead of a reply'
            texts.append(line[4:])
            if line[3:4] != '-':
                return int(line[:3]), texts

    def command(self, text):
        self.send_line(text)
        return self.reply()

    def imap_command(self, text, tag='x1'):
        """Sends and returns (untagged lines, tagged line)."""
        self.send_line('%s %s' % (tag, text))
        lines = []
        while True:
            line = self.read_line()
            assert line is not None, 'closed instead of a reply to %s' % text
            if line.startswith(tag + ' '):
                return lines, line
            lines.append(line)

    def greet(self):
        if not self.is_greeted:
            if self.protocol == 'smtp':
                assert self.reply()[0] == 220
            else:
                line = self.read_line()
                assert line and line.startswith(('* OK', '+OK')), line

    def starttls(self):
        self.greet()
        if self.protocol == 'smtp':
            assert self.command('EHLO client.example')[0] == 250
            assert self.command('STARTTLS')[0] == 220
        elif self.protocol == 'imap':
            line = self.imap_command('STARTTLS')[1]
            assert line.startswith('x1 OK'), line
        else:
            self.send_line('STLS')
            line = self.read_line()
            assert line.startswith('+OK'), line
        self.handshake()

    def login(self, user, password):
        if not self.is_tls:
            self.starttls()
        self.greet()
        if self.protocol == 'smtp':
            assert self.command('EHLO client.example')[0] == 250
            plain = base64.b64encode(('\0%s\0%s' % (user, password)).encode()).decode()
            code, texts = self.command('AUTH PLAIN ' + plain)
            assert code == 235, texts
        elif self.protocol == 'imap':
            quoted = password.replace('\\', '\\\\').replace('"', '\\"')
            line = self.imap_command('LOGIN %s "%s"' % (user, quoted))[1]
            assert line.startswith('x1 OK'), line
        else:
            for text in ('USER ' + user, 'PASS ' + password):
                self.send_line(text)
                line = self.read_line()
                assert line.startswith('+OK'), line
