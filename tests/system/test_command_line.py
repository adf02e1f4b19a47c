"""The subcommands: help, JSON, exit statuses, no secret in an argument, the same with a server and
without."""
import json
import subprocess

import pytest

from imapwire import Imap
from letterlock import BINARY, Appliance, CommandFailed

COMMANDS = ['setup', 'serve', 'status', 'user', 'app-password', 'domain', 'alias', 'config', 'verify']


def call(*args, **options):
    return subprocess.run([str(BINARY), *args], capture_output=True, text=True, timeout=30, **options)


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_has_help(binary, command):
    result = call(command, '--help')
    assert result.returncode == 0
    assert command in result.stdout and len(result.stdout.splitlines()) >= 3
    assert command in call('--help').stdout


@pytest.mark.parametrize('args', [['nonsense'], ['user', 'nonsense'], ['serve', '--nonsense'], ['user', 'add'],
                                  ['serve', '--listen', 'smtp'], []])
def test_wrong_use_exits_2_and_says_so(binary, args):
    result = call(*args)
    assert result.returncode == 2, (result.returncode, result.stdout)
    assert result.stderr.strip() and not result.stdout.strip()


def test_a_folder_without_setup_is_said_in_plain_words(binary, tmp_path):
    result = call('--data', str(tmp_path / 'nothing'), 'serve')
    assert result.returncode == 1
    assert 'setup' in result.stderr


@pytest.fixture(params=['with a server', 'without a server'])
def appliance(request, binary):
    with Appliance() as a:
        a.setup()
        if request.param == 'with a server':
            a.start()
        yield a


def texts(value):
    return json.dumps(value)


def test_accounts_come_and_go(appliance):
    appliance.add_account('anna@example.test', 'annas-pass-1')
    assert 'anna@example.test' in texts(appliance.json('user', 'list'))
    assert 'anna@example.test' in appliance.run('user', 'list').stdout
    assert 'anna@example.test' in texts(appliance.json('user', 'show', 'anna@example.test'))
    with pytest.raises(CommandFailed) as again:
        appliance.run('user', 'add', 'anna@example.test', '--password-stdin', stdin='another-1\n')
    assert again.value.returncode == 1
    with pytest.raises(CommandFailed):
        appliance.run('user', 'add', 'anna@strange.example', '--password-stdin', stdin='another-1\n')
    if appliance.process is None:
        appliance.start()
    with Imap(appliance, 'anna@example.test', mailbox='INBOX'):
        pass
    appliance.run('user', 'disable', 'anna@example.test')
    client = appliance.line_client('imaps')
    client.greet()
    assert client.imap_command('LOGIN anna@example.test "annas-pass-1"')[1].startswith('x1 NO')
    appliance.run('user', 'remove', 'anna@example.test', '--yes')
    assert 'anna@example.test' not in texts(appliance.json('user', 'list'))


def test_domains_aliases_and_settings_are_kept(appliance):
    appliance.run('domain', 'add', 'second.test')
    assert 'second.test' in texts(appliance.json('domain', 'list'))
    appliance.run('alias', 'add', 'info@example.test', appliance.user)
    appliance.run('alias', 'add', '@second.test', appliance.user)
    assert 'info@example.test' in texts(appliance.json('alias', 'list'))
    appliance.run('config', 'set', 'login.cleartext', '127.0.0.0/8')
    assert '127.0.0.0/8' in appliance.run('config', 'get', 'login.cleartext').stdout
    assert 'login.cleartext' in texts(appliance.json('config', 'list'))
    with pytest.raises(CommandFailed):
        appliance.run('config', 'set', 'login.cleartext', 'not a network')
    with pytest.raises(CommandFailed):
        appliance.run('config', 'set', 'no.such.setting', '1')
    if appliance.process is None:
        appliance.start()
    for to in ('info@example.test', 'anything@second.test', 'INFO@Example.Test'):
        appliance.deliver(b'Subject: to %s\r\n\r\nx\r\n' % to.encode(), to)
    client = appliance.line_client('imap')
    client.greet()
    assert client.imap_command('LOGIN %s "%s"' % (appliance.user, appliance.password))[1].startswith('x1 OK')
    assert '* 3 EXISTS' in client.imap_command('SELECT INBOX')[0]
    appliance.run('alias', 'remove', 'info@example.test', appliance.user)
    appliance.run('alias', 'remove', '@second.test', appliance.user)
    appliance.run('domain', 'remove', 'second.test', '--yes')
    assert 'second.test' not in texts(appliance.json('domain', 'list'))
    refused = appliance.line_client('smtp')
    refused.greet()
    for text in ('EHLO client.example', 'MAIL FROM:<a@elsewhere.example>'):
        refused.command(text)
    assert refused.command('RCPT TO:<info@example.test>')[0] == 550


def app_password_of(answer):
    found = [v for k, v in answer.items() if 'password' in k and isinstance(v, str)]
    assert len(found) == 1, answer
    return found[0]


def test_an_app_password_opens_what_its_scope_says(appliance):
    imap_only = app_password_of(appliance.json('app-password', 'add', appliance.user, '--label', 'reader',
                                               '--scope', 'imap', '--password-stdin',
                                               stdin=appliance.accounts[appliance.user] + '\n'))
    smtp_only = app_password_of(appliance.json('app-password', 'add', appliance.user, '--label', 'printer',
                                               '--scope', 'smtp'))
    listed = texts(appliance.json('app-password', 'list', appliance.user))
    assert 'reader' in listed and 'printer' in listed and imap_only not in listed
    if appliance.process is None:
        appliance.start()
    appliance.deliver(b'Subject: one\r\n\r\nx\r\n')
    with Imap(appliance, password=imap_only, mailbox='INBOX') as imap:
        assert imap.fetch('1', 'BODY.PEEK[TEXT]')[0]['BODY[TEXT]'] == b'x\r\n'
    appliance.submission(password=smtp_only).quit()
    for listener, password in (('imaps', smtp_only), ('submissions', imap_only), ('pop3s', imap_only)):
        with pytest.raises(AssertionError):
            appliance.line_client(listener).login(appliance.user, password)
    appliance.run('app-password', 'revoke', appliance.user, '--label', 'reader')
    with pytest.raises(AssertionError):
        appliance.line_client('imaps').login(appliance.user, imap_only)
    appliance.submission(password=smtp_only).quit()


def test_status_tells_what_runs(shared):
    answer = shared.json('status')
    text = texts(answer)
    for role in ('store', 'auth', 'smtp', 'door'):
        assert role in text
    assert str(shared.pids()['store'][0]) in text
    assert 'store' in shared.run('status').stdout


def test_status_without_a_server_says_so(binary):
    with Appliance() as a:
        a.setup()
        result = a.run('status', check=False)
        assert result.returncode == 1
        assert 'run' in result.stderr + result.stdout or 'serve' in result.stderr + result.stdout


def test_two_servers_do_not_share_a_folder(shared):
    result = call('--data', str(shared.data), 'serve', '--listen', 'smtp=127.0.0.1:0')
    assert result.returncode == 1
    assert result.stderr.strip()


def test_setup_twice_is_refused_and_changes_nothing(shared):
    result = shared.run('setup', '--hostname', 'other', '--domain', 'other.test', '--account', 'x@other.test',
                        '--password-stdin', '--yes', stdin='other-pass-1\n', check=False)
    assert result.returncode == 1
    assert 'other.test' not in texts(shared.json('domain', 'list'))


def test_sigterm_finishes_the_reply_and_ends_with_0(binary):
    with Appliance() as a:
        a.setup()
        a.start()
        pids = [p for group in a.pids().values() for p in group]
        client = a.line_client('smtp')
        client.greet()
        client.command('EHLO client.example')
        assert a.stop() == 0
        import os
        assert not [p for p in pids if os.path.exists('/proc/%d' % p)]
        a.start()
        a.deliver(b'Subject: again\r\n\r\nx\r\n')


def test_status_fails_when_no_server_runs(appliance):
    result = appliance.run('--json', 'status', check=False)
    answer = json.loads(result.stdout)
    assert answer['running'] == (appliance.process is not None)
    assert result.returncode == (0 if answer['running'] else 1)
    assert answer['store']['accounts'] == 1


@pytest.mark.parametrize('target, reason', [
    ('friend@elsewhere.example', 'not sent on'), ('nobody@example.test', 'leads to no account'),
    ('round@example.test', 'circle')])
def test_an_alias_that_would_lose_letters_is_refused(appliance, target, reason):
    result = appliance.run('alias', 'add', 'round@example.test', target, check=False)
    assert result.returncode == 1 and reason in result.stderr
    assert 'round@' not in appliance.run('alias', 'list').stdout


def test_a_password_with_a_nul_is_refused_and_not_cut_short(appliance):
    result = appliance.run('user', 'add', 'nul@example.test', '--password-stdin', stdin='a\0bcdefgh\n', check=False)
    assert result.returncode == 1 and 'NUL' in result.stderr
    assert 'nul@' not in appliance.run('user', 'list').stdout
