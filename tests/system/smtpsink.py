"""Other people's mail servers: one that takes letters and one that misbehaves as it is told. Threads on a
loopback port of their own; they end with stop()."""
import socket
import ssl
import threading
import time


class Letter:
    def __init__(self, sender, recipients, data, mail_line, connection, is_tls):
        self.sender = sender
        self.recipients = recipients
        self.data = data
        self.mail_line = mail_line
        self.connection = connection
        self.is_tls = is_tls


class Sink:
    """Takes everything, unless `script` says otherwise.

    script: what happens at a step: a function (session, step, argument) -> None (the usual), bytes (said
    instead of the usual reply), or CLOSE. Steps: connect, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, text, end, RSET, QUIT."""

    CLOSE = object()

    def __init__(self, script=None, capabilities=('PIPELINING', '8BITMIME', 'SMTPUTF8', 'SIZE 50000000'),
                 tls_context=None, host='sink.elsewhere.example'):
        self.script = script or (lambda session, step, argument: None)
        self.capabilities = list(capabilities)
        self.tls_context = tls_context
        self.host = host
        self.letters = []
        self.connections = 0
        self.commands = []
        self.faults = []      # lines with a bare CR or LF
        self.lock = threading.Lock()
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=128)
        self.listener.settimeout(0.1)
        self.port = self.listener.getsockname()[1]
        self.is_stopping = False
        self.threads = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while not self.is_stopping:
            try:
                connection, _ = self.listener.accept()
            except (TimeoutError, socket.timeout):
                continue
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
            thread = threading.Thread(target=Session(self, connection, number).run, daemon=True)
            self.threads.append(thread)
            thread.start()

    def stop(self):
        self.is_stopping = True
        self.thread.join(5)
        self.listener.close()
        assert not self.faults, self.faults

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def texts(self):
        with self.lock:
            return [letter.data for letter in self.letters]


class Session:
    def __init__(self, sink, sock, number):
        self.sink = sink
        self.sock = sock
        self.number = number
        self.buffer = b''
        self.is_tls = False
        self.letters = 0
        sock.settimeout(30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def line(self):
        while b'\n' not in self.buffer:
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError
            self.buffer += more
        line, self.buffer = self.buffer.split(b'\n', 1)
        if not line.endswith(b'\r') or b'\r' in line[:-1]:
            if line[:1] == b'\x16':
                raise ConnectionError('a TLS handshake')
            self.sink.faults.append(line)
        return line[:-1]

    def say(self, text):
        self.sock.sendall(text if isinstance(text, bytes) else text.encode() + b'\r\n')

    def step(self, step, argument, usual):
        """True: the usual thing was said."""
        with self.sink.lock:
            self.sink.commands.append((self.number, step, argument))
        what = self.sink.script(self, step, argument)
        if what is Sink.CLOSE:
            raise ConnectionError
        self.say(usual if what is None else what)
        return what is None

    def run(self):
        try:
            self.talk()
        except (OSError, ConnectionError, UnicodeDecodeError):
            pass
        finally:
            self.sock.close()

    def hello(self, verb, argument):
        lines = [self.sink.host]
        if verb == 'EHLO':
            lines += self.sink.capabilities
            if self.sink.tls_context and not self.is_tls:
                lines.append('STARTTLS')
        text = ''.join('250%s%s\r\n' % ('-' if i + 1 < len(lines) else ' ', l) for i, l in enumerate(lines))
        self.step(verb, argument, text.encode())

    def talk(self):
        self.step('connect', '', '220 %s ESMTP' % self.sink.host)
        sender, recipients, mail_line = None, [], ''
        while True:
            line = self.line().decode('utf-8', 'surrogateescape')
            verb = line.split(' ')[0].upper()
            argument = line[len(verb):].strip()
            if verb in ('EHLO', 'HELO'):
                self.hello(verb, argument)
            elif verb == 'STARTTLS':
                if self.step(verb, '', '220 go'):
                    assert not self.buffer
                    self.sock = self.sink.tls_context.wrap_socket(self.sock, server_side=True)
                    self.is_tls = True
            elif verb == 'AUTH':
                self.step(verb, argument, '235 welcome')
            elif verb == 'MAIL':
                sender, recipients, mail_line = None, [], argument
                if self.step(verb, argument, '250 ok'):
                    sender = argument[argument.index('<') + 1:argument.index('>')]
            elif verb == 'RCPT':
                if self.step(verb, argument, '250 ok' if sender is not None else '503 no sender') and \
                        sender is not None:
                    recipients.append(argument[argument.index('<') + 1:argument.index('>')])
            elif verb == 'DATA':
                if self.step(verb, '', '354 go' if recipients else '554 no recipients'):
                    if recipients:
                        self.text(sender, recipients, mail_line)
                sender, recipients = None, []
            elif verb == 'RSET':
                sender, recipients = None, []
                self.step(verb, '', '250 ok')
            elif verb == 'QUIT':
                self.step(verb, '', '221 bye')
                return
            else:
                self.say('502 what?')

    def text(self, sender, recipients, mail_line):
        if self.sink.script(self, 'text', '') is Sink.CLOSE:
            self.sock.recv(100)
            raise ConnectionError
        lines = []
        while True:
            line = self.line()
            if line == b'.':
                break
            lines.append(line[1:] if line.startswith(b'.') else line)
        data = b''.join(l + b'\r\n' for l in lines)
        what = self.sink.script(self, 'end', '')
        if what is Sink.CLOSE:
            raise ConnectionError
        if what is None:
            with self.sink.lock:
                self.sink.letters.append(Letter(sender, recipients, data, mail_line, self.number, self.is_tls))
        self.letters += 1
        self.say('250 2.0.0 taken' if what is None else what)


def server_tls(folder, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def drip(session, data, pause=0.01):
    for byte in data:
        session.sock.sendall(bytes([byte]))
        time.sleep(pause)
