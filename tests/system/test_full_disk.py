"""A full disk: 452 and NO, reading and deleting go on, and it recovers by itself."""
import os
import subprocess
import tempfile
import time

import pytest

from imapwire import Imap
from letterlock import Appliance, wait_until

SIZE = '48m'
LETTER = b'From: a@elsewhere.example\r\nSubject: %d\r\nX-Number: %d\r\n\r\n'


@pytest.fixture
def small_disk():
    """A folder on a file system of its own."""
    folder = tempfile.mkdtemp(prefix='letterlock-disk-')
    mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=' + SIZE, 'tmpfs', folder], capture_output=True)
    if mounted.returncode != 0:
        os.rmdir(folder)
        pytest.skip('may not mount: %s' % mounted.stderr.decode().strip())
    try:
        yield folder
    finally:
        subprocess.run(['umount', folder], check=False) if not os.system('sync') else None
        subprocess.run(['umount', '-l', folder], capture_output=True, check=False)
        os.rmdir(folder)


def letter(number, size=20000):
    return LETTER % (number, number) + os.urandom(size // 2).hex().encode() + b'\r\n'


def send(client, user, data):
    """The code that decided about the letter."""
    for text, wanted in (('MAIL FROM:<a@elsewhere.example>', 250), ('RCPT TO:<%s>' % user, 250), ('DATA', 354)):
        code, texts = client.command(text)
        if code != wanted:
            client.command('RSET')
            return code, texts
    client.send(data + b'.\r\n')
    return client.reply()


def fill_disk(folder):
    """A file that takes all the room there is."""
    path = os.path.join(folder, 'filler')
    with open(path, 'wb', buffering=0) as f:
        block = b'\0' * 65536
        for step in (block, b'\0' * 512):
            try:
                while True:
                    f.write(step)
            except OSError:
                pass
    return path


def numbers(appliance):
    with Imap(appliance, mailbox='INBOX') as imap:
        return sorted(int(next(v for k, v in m.items() if k.startswith('BODY[')).split(b':')[1])
                      for m in imap.fetch('1:*', '(UID BODY.PEEK[HEADER.FIELDS (X-NUMBER)])'))


def test_a_full_disk_gives_452_and_then_recovers_by_itself(small_disk, note):
    with Appliance(small_disk) as appliance:
        appliance.log_path = appliance.log_path.with_name('server.log')
        log_elsewhere = tempfile.NamedTemporaryFile(suffix='.log')
        appliance.log_path = type(appliance.log_path)(log_elsewhere.name)
        appliance.setup()
        appliance.start()
        taken = []
        client = appliance.line_client('smtp')
        client.greet()
        client.command('EHLO client.example')
        for number in range(50):
            assert send(client, appliance.user, letter(number))[0] == 250
            taken.append(number)
        watcher = Imap(appliance, mailbox='INBOX')
        filler = fill_disk(small_disk)
        # Room within the files may take a few more; in the end it must say 452.
        refused = 0
        for number in range(100, 400):
            code, texts = send(client, appliance.user, letter(number))
            if code == 250:
                taken.append(number)
                continue
            assert code == 452, (code, texts)
            refused += 1
            if refused == 5:
                break
        assert refused == 5
        assert watcher.append(letter(999)).startswith('NO'), 'APPEND to a full disk'
        # Reading goes on, in an old session and in a new one, by IMAP and by POP3.
        assert len(watcher.fetch('1:50', '(UID BODY.PEEK[])')) == 50
        assert numbers(appliance) == taken
        pop3 = appliance.pop3()
        assert pop3.stat()[0] == len(taken)
        assert pop3.retr(1)
        pop3.quit()
        before = appliance.pids()
        os.unlink(filler)
        wait_until(lambda: send(client, appliance.user, letter(1000))[0] == 250, 20, 'letters are taken again')
        taken.append(1000)
        assert watcher.append(letter(1001)).startswith('OK')
        taken.append(1001)
        watcher.close()
        note('full disk: %d letters refused with 452, recovered without a restart: %s' % (
            refused, before['store'] == appliance.pids()['store']))
        assert numbers(appliance) == taken
        appliance.restart()
        assert numbers(appliance) == taken
        appliance.stop()
        appliance.run('verify')


def test_deleting_makes_room_on_a_full_disk(small_disk):
    with Appliance(small_disk) as appliance:
        log_elsewhere = tempfile.NamedTemporaryFile(suffix='.log')
        appliance.log_path = type(appliance.log_path)(log_elsewhere.name)
        appliance.setup()
        appliance.start()
        for number in range(40):
            appliance.deliver(letter(number, 400000))
        appliance.tls_context()   # writes the certificate to a file: before the disk is full
        fill_disk(small_disk)
        wait_until(lambda: 'event=disk-full' in appliance.log_text(), 20, 'the store sees that the disk is full')
        with Imap(appliance, mailbox='INBOX') as imap:
            imap.ok('UID STORE 1:25 +FLAGS.SILENT (\\Deleted)')
            imap.ok('EXPUNGE')
            assert len(imap.fetch('1:*', '(UID)')) == 15
        # What was deleted makes room for mail, though the disk itself stays as full as it is.
        def is_taken():
            time.sleep(0.5)     # each refusal counts as an error of the client
            client = appliance.line_client('smtp')
            client.greet()
            client.command('EHLO client.example')
            code = send(client, appliance.user, letter(2000, 100000))[0]
            client.close()
            return code == 250
        wait_until(is_taken, 30, 'mail is taken again')
        with Imap(appliance, mailbox='INBOX') as imap:
            assert len(imap.fetch('1:*', '(UID)')) == 16


def test_a_restart_on_a_full_disk_does_not_spend_the_reserve_on_mail(small_disk):
    with Appliance(small_disk) as appliance:
        log_elsewhere = tempfile.NamedTemporaryFile(suffix='.log')
        appliance.log_path = type(appliance.log_path)(log_elsewhere.name)
        appliance.setup()
        appliance.start()
        for number in range(20):
            appliance.deliver(letter(number))
        appliance.tls_context()
        filler = fill_disk(small_disk)
        wait_until(lambda: 'event=disk-full' in appliance.log_text(), 20, 'the store sees that the disk is full')
        appliance.kill_all()
        appliance.start()
        client = appliance.line_client('smtp')
        client.greet()
        client.command('EHLO client.example')
        for number in range(100, 105):
            assert send(client, appliance.user, letter(number))[0] == 452
        client.close()
        with Imap(appliance, mailbox='INBOX') as imap:
            imap.ok('UID STORE 1:10 +FLAGS.SILENT (\\Deleted)')
            imap.ok('EXPUNGE')
            assert len(imap.fetch('1:*', '(UID)')) == 10
        os.unlink(filler)
        wait_until(lambda: os.stat(appliance.data / 'reserve').st_size == 4 << 20, 20, 'the reserve is taken again')
        appliance.deliver(letter(1000))
