"""Wire transcripts: text files that say what a client sends and what the server must answer.
README.md in this folder is their manual."""
import ast
import base64
import re
import time
from pathlib import Path

from letterlock import Appliance, SECONDS

LINES_MAX = 20000      # that an "S*" may skip
WORD = re.compile(r'\{(\*|[a-z_][a-z0-9_]*|repeat:[^{}]*:\d+|b64:[^{}]*)\}')
STEP = re.compile(r'([CS][:~*?]?)(?:\[(\w+)\])?([:~*?]?)(?: (.*)|)$', re.S)


class TranscriptFailed(AssertionError):
    pass


def title_of(path):
    """The first sentence of the comment that a transcript begins with."""
    words = []
    for line in Path(path).read_text(encoding='utf-8').splitlines():
        if not line.startswith('#'):
            break
        words.append(line.lstrip('# ').strip())
    text = ' '.join(words)
    return re.split(r'(?<=[.])\s', text)[0].rstrip('.') or Path(path).stem


class Transcript:
    def __init__(self, path):
        self.path = Path(path)
        self.lines = self.path.read_text(encoding='utf-8').split('\n')
        self.number = 0
        self.values = {}
        self.clients = {}
        self.current = 'main'
        self.listener = {'smtp': 'smtp', 'imap': 'imap', 'pop3': 'pop3'}.get(self.path.parent.name, 'smtp')
        self.history = []

    def needs_fresh(self):
        return any(line.startswith(('@fresh', '@config', '@env')) for line in self.lines)

    # -- values

    def fill(self, text):
        """Replaces {name}, {repeat:x:10}, {b64:...}; unknown names stay as they are."""
        def value(m):
            word = m[1]
            if word.startswith('repeat:'):
                piece, count = word[7:].rsplit(':', 1)
                return piece * int(count)
            if word.startswith('b64:'):
                return base64.b64encode(word[4:].replace('\\0', '\0').encode()).decode()
            return self.values.get(word, m[0])
        inner = re.sub(r'\{([a-z_][a-z0-9_]*)\}', value, text)
        return WORD.sub(value, inner)

    def pattern(self, text):
        """A regex of an "S:" line: literal but for {*} and captures."""
        out, at = [], 0
        for m in WORD.finditer(text):
            out.append(re.escape(text[at:m.start()]))
            word = m[1]
            if word == '*':
                out.append('.*?')
            elif word in self.values or ':' in word:
                out.append(re.escape(self.fill(m[0])))
            elif '(?P<%s>' % word in ''.join(out):
                out.append('(?P=%s)' % word)
            else:
                out.append('(?P<%s>.*?)' % word)
            at = m.end()
        out.append(re.escape(text[at:]))
        return ''.join(out)

    def regex(self, text):
        return re.sub(r'\{([a-z_][a-z0-9_]*)\}',
                      lambda m: re.escape(self.values[m[1]]) if m[1] in self.values else m[0], text)

    # -- connections

    def client(self, name=None):
        name = name or self.current
        if name not in self.clients:
            if name != 'main':
                self.fail('no connection named %s' % name)
            self.clients[name] = self.appliance.line_client(self.listener)
        return self.clients[name]

    def account(self, name=None):
        user, password = self.appliance.add_account()
        prefix = name + '_' if name else ''
        plain = base64.b64encode(('\0%s\0%s' % (user, password)).encode()).decode()
        self.values.update({
            prefix + 'user': user, prefix + 'password': password, prefix + 'plain': plain,
            prefix + 'user64': base64.b64encode(user.encode()).decode(),
            prefix + 'password64': base64.b64encode(password.encode()).decode()})

    # -- running

    def fail(self, why):
        said = '\n'.join('    ' + line for line in self.history[-12:])
        raise TranscriptFailed('%s:%d: %s\n%s' % (self.path.name, self.number, why, said))

    def run(self, appliance):
        self.appliance = appliance
        if any('{user}' in line or '{plain}' in line or '{user64}' in line for line in self.lines):
            self.account()
        try:
            while self.number < len(self.lines):
                line = self.lines[self.number]
                self.number += 1
                if line and not line.startswith('#'):
                    self.step(line)
        except (OSError, AssertionError) as e:
            if isinstance(e, TranscriptFailed):
                raise
            self.fail('%s: %s' % (type(e).__name__, e))
        finally:
            for client in self.clients.values():
                client.close()

    def step(self, line):
        if line.startswith('@'):
            words = self.fill(line[1:]).split()
            directive = getattr(self, 'do_' + re.sub(r'\W.*', '', words[0]), None)
            if not directive:
                self.fail('unknown directive %s' % words[0])
            return directive(*words[1:]) if words[0] != 'raw' else self.do_raw(line)
        m = STEP.match(line)
        if not m or not (m[1][1:] or m[3]):
            self.fail('not a line of a transcript: %r' % line)
        side, kind, text = m[1][0], m[1][1:] or m[3], m[4] or ''
        client = self.client(m[2])
        if side == 'C':
            filled = self.fill(text)
            self.history.append('C: ' + filled[:300])
            client.send_line(filled)
        else:
            self.expect(client, kind, text)

    def next_line(self, client):
        try:
            line = client.read_line()
        except TimeoutError:
            self.fail('nothing came within %d s' % SECONDS)
        self.history.append('S: ' + (line[:300] if line is not None else '(closed)'))
        return line

    def expect(self, client, kind, text):
        pattern = self.pattern(text) if kind == ':' else self.regex(text)
        for _ in range(LINES_MAX if kind == '*' else 1):
            line = self.next_line(client)
            if line is None:
                self.fail('closed, but wanted %s' % text)
            m = re.fullmatch(pattern, line, re.S)
            if m:
                self.values.update({k: v for k, v in m.groupdict().items() if v is not None})
                return
        self.fail('wanted %s' % text)

    def block(self):
        """The lines up to @end, as a letter with CRLF."""
        lines = []
        while self.lines[self.number] != '@end':
            lines.append(self.fill(self.lines[self.number]))
            self.number += 1
        self.number += 1
        return ''.join(line + '\r\n' for line in lines).encode('utf-8', 'surrogateescape')

    # -- directives

    def do_listener(self, name):
        self.listener = name

    def do_fresh(self):
        pass

    def do_env(self, *words):
        pass

    def do_config(self, name, *value):
        self.appliance.run('config', 'set', name, ' '.join(value))

    def do_cli(self, *words):
        self.appliance.run(*words)

    def do_account(self, name=None):
        self.account(name)

    def do_connect(self, name, listener=None):
        self.clients[name] = self.appliance.line_client(listener or self.listener)

    def do_use(self, name):
        self.current = name

    def do_tls(self):
        self.client().handshake()

    def do_starttls(self):
        self.client().starttls()

    def do_login(self, user=None, password=None):
        user = user or self.values.get('user') or (self.account() or self.values['user'])
        self.client().login(user, password or self.appliance.accounts[user])

    def do_raw(self, line):
        m = re.match(r'@raw(?:\[(\w+)\])?\s+(.*)$', line)
        data = ast.literal_eval('b' + self.fill(m[2])) if m else b''
        self.history.append('C: %r' % data[:300])
        self.client(m[1]).send(data)

    def do_closed(self, name=None):
        line = self.next_line(self.client(name))
        if line is not None:
            self.fail('wanted the connection closed')

    def do_close(self, name=None):
        name = name or self.current
        self.client(name).close()
        del self.clients[name]

    def do_silent(self, seconds='0.3'):
        if not self.client().is_silent(float(seconds)):
            self.fail('wanted silence, got %r' % self.client().buffer[:200])

    def do_sleep(self, seconds):
        time.sleep(min(float(seconds), 10))

    def do_deliver(self, user=None, sender='stranger@elsewhere.example'):
        if not user and 'user' not in self.values:
            self.account()
        self.appliance.deliver(self.block(), user or self.values['user'], sender)

    def do_append(self, mailbox='INBOX', user=None):
        user = user or self.values['user']
        client = self.appliance.imap(user)
        typ, data = client.append(mailbox, None, None, self.block())
        client.logout()
        if typ != 'OK':
            self.fail('APPEND: %s' % data)


def run_transcript(path, shared):
    """Runs one file on the shared appliance, or on its own when it changes settings."""
    transcript = Transcript(path)
    if not transcript.needs_fresh():
        transcript.run(shared)
        return
    environment = dict(line[5:].strip().split('=', 1) for line in transcript.lines if line.startswith('@env '))
    with Appliance(environment=environment) as appliance:
        appliance.setup()
        appliance.start()
        transcript.run(appliance)
