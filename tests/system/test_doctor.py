"""doctor: each thing that is wrong is named, with a remedy; what is right is said too. Settings come in all or none."""
import json
import os

from letterlock import Appliance


def seen(appliance):
    result = appliance.run('--json', 'doctor', check=False)
    checks = json.loads(result.stdout)
    assert result.returncode == (1 if any(c['verdict'] == 'bad' for c in checks) else 0)
    assert all(c['verdict'] == 'ok' or c['remedy'] for c in checks)
    return {c['check']: c for c in checks if c['verdict'] != 'ok'}, {c['check'] for c in checks if c['verdict'] == 'ok'}


def test_a_server_that_is_well(shared):
    wrong, right = seen(shared)
    assert {'folder', 'files', 'server', 'roles', 'ports', 'certificate', 'name'} <= right
    assert not [c for c in wrong.values() if c['verdict'] == 'bad']
    assert '->' in shared.run('doctor', check=False).stdout or not wrong


def test_what_is_wrong_is_named(binary):
    with Appliance(listeners=('imap', 'imaps')) as a:
        wrong, _ = seen(a)
        assert 'setup' in wrong['folder']['remedy']
        a.setup()
        wrong, right = seen(a)
        assert wrong['server']['verdict'] == 'warn' and 'files' in right
        os.chmod(a.data / 'mail.db', 0o644)
        wrong, _ = seen(a)
        assert 'mail.db' in wrong['files']['found'] and 'chmod' in wrong['files']['remedy']
        os.chmod(a.data / 'mail.db', 0o600)
        a.run('config', 'set', 'hostname', 'no-such-host.invalid')
        a.start()
        wrong, _ = seen(a)
        assert 'ports' in wrong and 'no-such-host.invalid' in wrong['name']['found']
        a.kill('hash')
        a.environment['LETTERLOCK_TEST_CLOCK'] = str(40 * 365 * 86400)
        wrong, _ = seen(a)
        assert 'certificate' in wrong and wrong['certificate']['verdict'] == 'bad'


def test_settings_come_in_all_or_none(fresh):
    before = fresh.run('config', 'export').stdout
    lines = [line for line in before.splitlines() if '=' in line]
    assert len(lines) >= 10
    fresh.run('config', 'import', stdin=before)
    assert fresh.run('config', 'export').stdout == before
    fresh.run('config', 'import', stdin='# two at once\n\nsmtp.max-recipients = 177\nsmtp.max-errors = 7\n')
    assert fresh.run('config', 'get', 'smtp.max-recipients').stdout == '177\n'
    assert fresh.run('config', 'get', 'smtp.max-errors').stdout == '7\n'
    for bad in ('smtp.max-recipients = 155\nno.such = 1\n', 'smtp.max-recipients = 155\nsmtp.max-errors = many\n', '', 'nonsense\n'):
        result = fresh.run('config', 'import', stdin=bad, check=False)
        assert result.returncode == 1 and result.stderr
    assert fresh.run('config', 'get', 'smtp.max-recipients').stdout == '177\n'


def test_commands_that_are_doubled_leave_things_as_they_were(fresh):
    fresh.add_account('anna@example.test', 'annas-pass-1')
    for _ in range(2):
        fresh.run('user', 'disable', 'anna@example.test')
    for _ in range(2):
        fresh.run('user', 'enable', 'anna@example.test')
    before = fresh.run('--json', 'user', 'show', 'anna@example.test').stdout
    again = fresh.run('user', 'add', 'anna@example.test', '--password-stdin', stdin='another-pass\n', check=False)
    assert again.returncode == 1 and 'anna@example.test' in again.stderr
    assert fresh.run('--json', 'user', 'show', 'anna@example.test').stdout == before
    for args in (['alias', 'add', 'info@example.test', fresh.user], ['domain', 'add', 'second.test']):
        fresh.run(*args)
        listing = fresh.run(args[0], 'list').stdout
        fresh.run(*args, check=False)
        assert fresh.run(args[0], 'list').stdout == listing
    for args in (['alias', 'remove', 'info@example.test'], ['domain', 'remove', 'second.test', '--yes'],
                 ['user', 'remove', 'anna@example.test', '--yes']):
        fresh.run(*args)
        gone = fresh.run(*args, check=False)
        assert gone.returncode == 1 and gone.stderr.startswith('letterlock: ')


def test_a_password_is_recovered_once_by_its_code(fresh):
    made = fresh.run('--json', 'user', 'add', 'anna@example.test', '--password-stdin', stdin='annas-pass-1\n')
    code = json.loads(made.stdout)['recovery_code']
    wrong = fresh.run('user', 'recover', 'anna@example.test', '--password-stdin', stdin='0000-wrong\nnew-pass-12\n', check=False)
    assert wrong.returncode == 1
    answer = fresh.run('--json', 'user', 'recover', 'anna@example.test', '--password-stdin', stdin=code + '\nnew-pass-12\n')
    assert json.loads(answer.stdout)['recovery_code'] != code
    again = fresh.run('user', 'recover', 'anna@example.test', '--password-stdin', stdin=code + '\nnew-pass-13\n', check=False)
    assert again.returncode == 1
    client = fresh.line_client('imaps')
    client.greet()
    assert client.imap_command('LOGIN anna@example.test "new-pass-12"')[1].startswith('x1 OK')
