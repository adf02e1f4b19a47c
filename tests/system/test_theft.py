"""A thief has the data folder: with the write-ahead logs, the credentials, what was staged, expunged and
freed, and once with server.key. He finds no subject, correspondent, file name, body word, mailbox name,
keyword or password of what is stored."""
import base64
import os
import shutil
import sqlite3
import subprocess
import time

import pytest

import thief
from imapwire import Imap
from letterlock import Appliance, CommandFailed, wait_until

SUBJECT, BODY, HIDDEN = 'Zwiebelturmkonferenz', 'Xanthippenwalzer', 'Quastenflosserkunde'
SENDER, SENDER_NAME, SENDER_DOMAIN = 'waldfee.kirchmair', 'Hortensia Kirchmair', 'mondkalbverlag.example'
FILE_NAME, MAILBOX, KEYWORD = 'Geheimvertrag-Nr-4711.pdf', 'Schatzkammerakten', 'Zirkelmitglied'
PASSWORD, HALF, EXPUNGED, APPENDED = 'Luftkissen-Pergament-88', 'Halbfertigbrief', 'Weggeworfenes', 'Abgelegtesstueck'
INDEXED = 'Stichwortverzeichnis'
HELO = 'nebelhorn-rechner.example'
WORDS = [SUBJECT, BODY, HIDDEN, SENDER, SENDER_NAME, SENDER_DOMAIN, FILE_NAME, MAILBOX, KEYWORD, PASSWORD, HALF,
         EXPUNGED, APPENDED, INDEXED, HELO]


def letter(number, subject=SUBJECT, filler=1):
    return ('From: %s <%s@%s>\r\nTo: owner@example.test\r\nSubject: %s %d\r\nMessage-ID: <%d@%s>\r\n'
            'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n'
            'Content-Type: text/plain\r\n\r\n%s\r\n--b\r\nContent-Type: application/pdf; name="%s"\r\n'
            'Content-Transfer-Encoding: base64\r\n\r\n%s\r\n--b--\r\n' % (
                SENDER_NAME, SENDER, SENDER_DOMAIN, subject, number, number, SENDER_DOMAIN,
                '\r\n'.join([BODY + ' im Text'] * filler), FILE_NAME,
                base64.encodebytes((HIDDEN * filler).encode()).decode().replace('\n', '\r\n'))).encode()


def index_blocks(data):
    with sqlite3.connect('file:%s/mail.db?mode=ro' % data, uri=True) as db:
        return db.execute('SELECT count(*) FROM search_block JOIN search_segment g ON g.id = search_block.id >> 16'
                          ' WHERE g.directory IS NOT NULL').fetchone()[0]


def fill(appliance):
    """Letters in every place where one can be."""
    for number in range(12):
        appliance.deliver(letter(number), sender='%s@%s' % (SENDER, SENDER_DOMAIN))
    appliance.deliver(letter(100, filler=20000), sender='%s@%s' % (SENDER, SENDER_DOMAIN))
    large = letter(101) + b'\r\n'.join(os.urandom(500).hex().encode() + BODY.encode() for _ in range(300)) + b'\r\n'
    appliance.deliver(large, sender='%s@%s' % (SENDER, SENDER_DOMAIN))
    with Imap(appliance, mailbox='INBOX') as imap:
        for number in range(3):
            imap.append(letter(number, APPENDED, filler=1 + 3000 * number))
            imap.append(letter(number, EXPUNGED, filler=1 + 3000 * number))
        gone = imap.search('HEADER Subject ' + EXPUNGED)
        assert len(gone) == 3
        imap.ok('UID STORE %s +FLAGS (\\Deleted)' % ','.join(map(str, gone)))
        imap.ok('UID EXPUNGE %s' % ','.join(map(str, gone)))
        imap.ok('UID STORE 1:3 +FLAGS (%s $Junk)' % KEYWORD)
        if imap.command('CREATE ' + MAILBOX)[1].startswith('OK'):
            imap.ok('UID COPY 1:3 ' + MAILBOX)
        imap.fetch('1:*', '(ENVELOPE BODYSTRUCTURE BODY.PEEK[])')     # adopts what was delivered
        imap.ok('SEARCH TEXT "%s"' % BODY)
        for number in range(260):                                     # enough that the index gets a segment
            imap.append(letter(number, INDEXED))
        wait_until(lambda: index_blocks(appliance.data), what='a segment of the search index')
        assert len(imap.search('SUBJECT ' + INDEXED)) == 260


def hold_half_a_letter(appliance):
    """A connection that stays within DATA."""
    client = appliance.line_client('smtp')
    client.greet()
    for text in ('EHLO ' + HELO, 'MAIL FROM:<%s@%s>' % (SENDER, SENDER_DOMAIN), 'RCPT TO:<%s>' % appliance.user):
        assert client.command(text)[0] == 250
    assert client.command('DATA')[0] == 354
    client.send(letter(1, HALF, filler=30000)[:-10])
    time.sleep(0.5)
    return client


@pytest.fixture(scope='module')
def stolen(binary, tmp_path_factory):
    """(folder copied while serving, folder copied after a clean stop, app password, recovery words)"""
    with Appliance() as appliance:
        setup = appliance.setup(password=PASSWORD)
        appliance.start()
        fill(appliance)
        app = appliance.json('app-password', 'add', appliance.user, '--label', 'phone', '--scope', 'imap,smtp',
                             '--password-stdin', stdin=appliance.accounts[appliance.user] + '\n')
        client = hold_half_a_letter(appliance)
        with Imap(appliance, mailbox='INBOX'):
            live = tmp_path_factory.mktemp('live') / 'data'
            shutil.copytree(appliance.data, live, ignore=lambda d, names: [n for n in names if is_socket(d, n)])
        client.close()
        appliance.stop()
        still = tmp_path_factory.mktemp('still') / 'data'
        shutil.copytree(appliance.data, still, ignore=lambda d, names: [n for n in names if is_socket(d, n)])
        yield live, still, app, setup.stdout


def is_socket(folder, name):
    path = os.path.join(folder, name)
    return not os.path.isfile(path) and not os.path.isdir(path)


def test_the_search_finds_what_lies_open(tmp_path):
    """What the thief could find, he finds: else the tests below would prove nothing."""
    packed = subprocess.run(['/usr/bin/python3', '-c', ''], check=True) and b'junk' * 9
    for how, data in (('plain', BODY.upper().encode()), ('UTF-16LE', BODY.encode('utf-16-le')),
                      ('base64', base64.b64encode(b'x' + BODY.encode() + b'yz')),
                      ('hexadecimal', BODY.encode().hex().encode())):
        (tmp_path / 'file').write_bytes(packed + data + packed)
        assert any(how in f for f in thief.search(tmp_path, WORDS)), how
    import ctypes
    zstd = ctypes.CDLL('libzstd.so.1')
    out = ctypes.create_string_buffer(1000)
    n = zstd.ZSTD_compress(out, 1000, BODY.encode() * 3, len(BODY) * 3, 3)
    (tmp_path / 'file').write_bytes(packed + out.raw[:n] + packed)
    assert any('in zstd' in f for f in thief.search(tmp_path, WORDS))


def test_the_folder_of_a_running_server_tells_nothing(stolen):
    live = stolen[0]
    names = {p.name for p in live.iterdir()}
    assert {'mail.db', 'letters.db', 'credentials.db', 'server.key'} <= names, names
    assert any(n.endswith('-wal') for n in names)
    assert sum(p.stat().st_size for p in live.rglob('*') if p.is_file()) > 300000
    assert thief.search(live, WORDS) == []


def test_the_folder_of_a_stopped_server_tells_nothing(stolen):
    assert thief.search(stolen[1], WORDS) == []


def secret_words(value):
    """The long strings in a JSON answer: app password and recovery code among them."""
    if isinstance(value, dict):
        return [w for k, v in value.items() if k not in ('label', 'address', 'scope', 'scopes')
                for w in secret_words(v)]
    if isinstance(value, list):
        return [w for v in value for w in secret_words(v)]
    return [value] if isinstance(value, str) and len(value) >= 16 else []


def test_no_password_and_no_code_lies_in_the_folder(stolen):
    live, still, app, _ = stolen
    secrets = secret_words(app)
    assert secrets, app
    secrets += [s.replace('-', '') for s in secrets]
    for folder in (live, still):
        assert thief.search(folder, secrets) == []


def test_who_resets_the_password_with_server_key_in_hand_reads_nothing(stolen):
    """The thief runs the binary itself on the copy, as root, and gives the account a new password."""
    live = stolen[0]
    with Appliance() as appliance:
        shutil.copytree(live, appliance.data, dirs_exist_ok=True)
        os.chmod(appliance.data, 0o700)
        appliance.user = 'owner@example.test'
        try:
            appliance.run('user', 'password', appliance.user, '--password-stdin', '--yes',
                          stdin='a-thiefs-own-1\n')
        except CommandFailed as refused:
            assert 'recover' in refused.stderr.lower(), refused
            return
        appliance.start()
        read = []
        with Imap(appliance, appliance.user, 'a-thiefs-own-1', mailbox='INBOX') as imap:
            for pieces in imap.command('FETCH 1:* (ENVELOPE BODY.PEEK[])')[0] + imap.command('LIST "" "*"')[0]:
                read += pieces
        text = b' '.join(read).lower()
        assert [w for w in WORDS if w.lower().encode() in text] == []
