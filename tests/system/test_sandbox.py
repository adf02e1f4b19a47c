"""Each role has what its table in docs/architecture.md says and nothing more. On the release build:
sanitizers open files and threads of their own."""
import os
import re
import stat
from pathlib import Path

import pytest

from imapwire import Imap
from letterlock import ROLES, command_line

pytestmark = pytest.mark.release
DATABASES = re.compile(r'(mail|letters|credentials)\.db(-wal|-shm)?$')
# Which files of the data folder a role may hold open.
FILES = {
    'store': r'((mail|letters)\.db(-wal|-shm)?|reserve)$',
    'auth': r'credentials\.db(-wal|-shm)?$',
    'hash': None,
    'smtp': None,
    'door': None,
    'relay': None,
    'retrieval': r'(mail|letters)\.db(-wal|-shm)?$',
}
INTERNET = {'smtp', 'door', 'relay'}      # who may hold sockets that face the world


@pytest.fixture(scope='module')
def alive(shared):
    """role -> pids, while an account is logged in; and the supervisor."""
    user, password = shared.add_account(password='Secret-Of-The-Sandbox-1')
    with Imap(shared, user, mailbox='INBOX'):
        pids = shared.pids()
        assert set(ROLES) <= set(pids), pids
        yield pids, shared, password


def status_of(pid):
    return dict(line.split(':\t', 1) for line in Path('/proc/%d/status' % pid).read_text().splitlines())


def descriptors(pid):
    found = {}
    for fd in os.listdir('/proc/%d/fd' % pid):
        try:
            found[int(fd)] = os.readlink('/proc/%d/fd/%s' % (pid, fd))
        except FileNotFoundError:
            pass
    return found


@pytest.mark.parametrize('role', ROLES)
def test_a_role_is_filtered_and_can_gain_nothing(alive, role):
    for pid in alive[0][role]:
        status = status_of(pid)
        assert status['Seccomp'].strip() == '2', role
        assert status['NoNewPrivs'].strip() == '1', role
        for capabilities in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb'):
            assert int(status[capabilities], 16) == 0, (role, capabilities)
        assert status['Threads'].strip() == '1', role


@pytest.mark.parametrize('role', ROLES)
def test_a_role_leaves_no_core_and_cannot_be_read_by_its_like(alive, role):
    for pid in alive[0][role]:
        limits = Path('/proc/%d/limits' % pid).read_text()
        core = re.search(r'Max core file size\s+(\d+|unlimited)\s+(\d+|unlimited)', limits)
        # prctl(PR_SET_DUMPABLE, 0) gives the files in /proc/PID to root.
        undumpable = Path('/proc/%d/environ' % pid).stat().st_uid == 0 and os.geteuid() == 0
        assert core[1] == '0' and core[2] == '0' or undumpable, (role, core[0])


@pytest.mark.parametrize('role', ROLES)
def test_a_role_holds_only_its_files(alive, role):
    pids, shared, _ = alive
    for pid in pids[role]:
        for fd, target in descriptors(pid).items():
            if not target.startswith('/') or target.startswith('/dev/') or fd in (1, 2):
                continue
            inside = target.startswith(str(shared.data))
            if inside:
                assert FILES[role] and re.search(FILES[role], target), '%s holds %s' % (role, target)
            else:
                assert re.search(r'gconv|\.so|/proc/|/etc/|zoneinfo|/sys/', target), '%s holds %s' % (role, target)


def test_a_reader_holds_nothing_that_it_could_write(alive):
    for pid in alive[0]['retrieval']:
        for fd, target in descriptors(pid).items():
            if DATABASES.search(target):
                flags = int(re.search(r'flags:\s+(\d+)', Path('/proc/%d/fdinfo/%d' % (pid, fd)).read_text())[1], 8)
                assert flags & os.O_ACCMODE == os.O_RDONLY, target


def internet_inodes():
    found = set()
    for table in ('tcp', 'tcp6', 'udp', 'udp6'):
        for line in Path('/proc/net/' + table).read_text().splitlines()[1:]:
            found.add(line.split()[9])
    return found


@pytest.mark.parametrize('role', [r for r in ROLES if r not in INTERNET])
def test_a_role_without_network_holds_no_internet_socket(alive, role):
    inodes = internet_inodes()
    for pid in alive[0][role]:
        sockets = {m[1] for t in descriptors(pid).values() if (m := re.match(r'socket:\[(\d+)\]', t))}
        assert not sockets & inodes, role


def test_roles_that_face_the_world_hold_only_their_own_listeners(alive):
    pids, shared, _ = alive
    listening = {}
    for line in Path('/proc/net/tcp').read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == '0A':
            listening[fields[9]] = int(fields[1].split(':')[1], 16)
    for role, mine in (('smtp', ('smtp', 'submission', 'submissions', 'submission-alt')),
                       ('door', ('imap', 'imaps', 'pop3', 'pop3s'))):
        for pid in pids[role]:
            held = {listening[m[1]] for t in descriptors(pid).values()
                    if (m := re.match(r'socket:\[(\d+)\]', t)) and m[1] in listening}
            assert held <= {shared.ports[name] for name in mine}, role


def test_no_secret_is_in_an_argument_or_the_environment(alive):
    pids, shared, password = alive
    for pid in [shared.supervisor_pid()] + [p for group in pids.values() for p in group]:
        text = ' '.join(command_line(pid)) + Path('/proc/%d/environ' % pid).read_bytes().decode(errors='replace')
        for secret in [password] + list(shared.accounts.values()):
            assert secret not in text


@pytest.mark.parametrize('role', ROLES)
def test_a_role_carries_no_more_environment_than_it_needs(alive, role):
    for pid in alive[0][role]:
        names = {e.split(b'=')[0].decode() for e in Path('/proc/%d/environ' % pid).read_bytes().split(b'\0') if e}
        strange = {n for n in names if n.startswith(('LD_', 'PYTHON', 'SSH', 'AWS', 'HOME', 'MAIL'))}
        assert strange == set(), strange


def test_the_data_folder_is_closed_to_others(alive):
    shared = alive[1]
    for path in [shared.data] + list(shared.data.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_binary_is_hardened():
    import letterlock
    import subprocess
    elf = subprocess.run(['readelf', '-lWdh', '--notes', str(letterlock.BINARY)], capture_output=True, text=True,
                         check=True).stdout
    assert 'DYN (Position-Independent' in elf
    assert 'GNU_RELRO' in elf and re.search(r'FLAGS.*NOW|BIND_NOW', elf)
    assert re.search(r'GNU_STACK\s.*RW ', elf)
    # Debian's own start files carry no CET mark, so the linked binary loses it; our objects have it.
    library = letterlock.BINARY.parent.parent / 'base' / 'libbase.a'
    notes = subprocess.run(['readelf', '-nW', str(library)], capture_output=True, text=True).stdout
    assert 'IBT' in notes and 'SHSTK' in notes
    symbols = subprocess.run(['readelf', '-sW', str(letterlock.BINARY)], capture_output=True, text=True,
                             check=True).stdout
    assert '__stack_chk_fail' in symbols
    assert re.search(r'__\w+_chk@', symbols), 'no fortified call'


def test_sockets_for_commands_are_for_the_owner_alone(alive):
    shared = alive[1]
    for path in shared.data.rglob('*'):
        if stat.S_ISSOCK(path.stat().st_mode):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
