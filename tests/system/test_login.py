"""Who somebody is: passwords, app passwords, recovery codes, scopes, what ends with them, and what a
guesser can learn."""
import base64
import imaplib
import poplib
import smtplib
import statistics
import time

import pytest

import letterlock
from letterlock import CommandFailed, wait_until


def refuses(call):
    with pytest.raises((imaplib.IMAP4.error, poplib.error_proto, smtplib.SMTPAuthenticationError)):
        call()


def raw_login(appliance, user, password):
    """The tagged answer to LOGIN, and how long it took."""
    with_client = appliance.line_client('imaps')
    with_client.read_line()
    began = time.monotonic()
    with_client.send_line('a LOGIN "%s" "%s"' % (user, password))
    answer = with_client.read_line()
    took = time.monotonic() - began
    with_client.close()
    return answer, took


def app_password(appliance, user, label, scope):
    made = appliance.json('app-password', 'add', user, '--label', label, '--scope', scope, '--password-stdin',
                          stdin=appliance.accounts[user] + '\n')
    assert made['label'] == label
    return made['app_password']


def letter(subject):
    return b'From: a@elsewhere.example\r\nSubject: %s\r\n\r\nHello.\r\n' % subject


def test_a_user_add_gives_a_recovery_code_once_and_a_second_one_says_it_exists(shared):
    result = shared.json('user', 'add', 'codes@' + letterlock.DOMAIN, '--password-stdin', stdin='some-password\n')
    assert len(result['recovery_code'].replace('-', '')) == 32
    assert result['address'] == 'codes@' + letterlock.DOMAIN
    again = shared.run('user', 'add', 'codes@' + letterlock.DOMAIN, '--password-stdin', stdin='other\n', check=False)
    assert again.returncode == 1 and 'already' in again.stderr
    shown = shared.json('user', 'show', 'codes@' + letterlock.DOMAIN)
    assert 'recovery_code' not in str(shown['credentials'][0].keys())
    shared.imap('codes@' + letterlock.DOMAIN, 'some-password').logout()


def test_an_account_of_a_domain_that_is_not_ours_is_refused_and_leaves_nothing(shared):
    result = shared.run('user', 'add', 'x@not-ours.example', '--password-stdin', stdin='some-password\n', check=False)
    assert result.returncode == 1
    assert 'domain' in result.stderr
    assert 'x@not-ours.example' not in shared.run('user', 'list').stdout


def test_a_changed_password_opens_the_old_letters_and_the_old_one_is_void(shared):
    user, old = shared.add_account()
    shared.deliver(letter(b'kept'), to=user)
    shared.run('user', 'password', user, '--password-stdin', stdin=old + '\nnew-pass-word\n')
    refuses(lambda: shared.imap(user, old))
    client = shared.imap(user, 'new-pass-word', 'INBOX')
    assert b'Subject: kept' in client.fetch('1', '(BODY.PEEK[HEADER])')[1][0][1]
    client.logout()
    with pytest.raises(CommandFailed):
        shared.run('user', 'password', user, '--password-stdin', stdin='wrong\nanother-one\n')
    shared.imap(user, 'new-pass-word').logout()


def test_a_recovery_code_gives_a_new_password_a_new_code_and_all_letters(shared):
    user = 'forgetful@' + letterlock.DOMAIN
    code = shared.json('user', 'add', user, '--password-stdin', stdin='forgotten\n')['recovery_code']
    shared.deliver(letter(b'kept'), to=user)
    second = shared.json('user', 'recover', user, '--password-stdin', stdin=code + '\nremembered\n')['recovery_code']
    assert second != code
    refuses(lambda: shared.imap(user, 'forgotten'))
    client = shared.imap(user, 'remembered', 'INBOX')
    assert b'Subject: kept' in client.fetch('1', '(BODY.PEEK[HEADER])')[1][0][1]
    client.logout()
    with pytest.raises(CommandFailed):
        shared.run('user', 'recover', user, '--password-stdin', stdin=code + '\nthird-password\n')
    refuses(lambda: shared.imap(user, code))
    shared.run('user', 'recover', user, '--password-stdin', stdin=second.upper().replace('-', '') + '\nthird-one\n')
    shared.imap(user, 'third-one').logout()


def test_app_passwords_work_with_and_without_dashes_within_their_scope(shared):
    user, _ = shared.add_account()
    shared.deliver(letter(b'kept'), to=user)
    everything = app_password(shared, user, 'all', 'imap,pop3,smtp')
    client = shared.imap(user, everything, 'INBOX')
    assert b'Subject: kept' in client.fetch('1', '(BODY.PEEK[HEADER])')[1][0][1]
    client.logout()
    shared.imap(user, everything.replace('-', '').upper()).logout()
    shared.pop3(user, everything).quit()
    shared.submission(user, password=everything).quit()

    reading = app_password(shared, user, 'reading', 'imap')
    shared.imap(user, reading).logout()
    refuses(lambda: shared.pop3(user, reading))
    refuses(lambda: shared.submission(user, password=reading))

    sending = app_password(shared, user, 'printer', 'smtp')
    shared.submission(user, password=sending).quit()
    refuses(lambda: shared.imap(user, sending))
    labels = [(a['label'], a['scopes']) for a in shared.json('app-password', 'list', user)]
    assert sorted(labels) == [('all', ['imap', 'pop3', 'smtp']), ('printer', ['smtp']), ('reading', ['imap'])]


def test_a_revoked_app_password_ends_its_sessions_and_no_others(shared):
    user, _ = shared.add_account()
    lost = app_password(shared, user, 'lost phone', 'imap')
    stolen, own = shared.imap(user, lost, 'INBOX'), shared.imap(user, None, 'INBOX')
    shared.run('app-password', 'revoke', user, '--label', 'lost phone')
    refuses(lambda: shared.imap(user, lost))
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        for _ in range(50):
            stolen.noop()
            time.sleep(0.1)
    assert own.noop()[0] == 'OK'
    own.logout()
    with pytest.raises(CommandFailed):
        shared.run('app-password', 'revoke', user, '--label', 'lost phone')


def test_a_disabled_account_ends_its_sessions_takes_letters_and_comes_back(shared):
    user, password = shared.add_account()
    client = shared.imap(user, password, 'INBOX')
    shared.run('user', 'disable', user)
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        for _ in range(50):
            client.noop()
            time.sleep(0.1)
    answer, _ = raw_login(shared, user, password)
    assert answer == 'a NO [AUTHENTICATIONFAILED] user name or password is wrong'
    refuses(lambda: shared.submission(user, password=password))
    assert shared.json('user', 'show', user)['state'] == 'disabled'
    shared.run('user', 'enable', user)
    shared.imap(user, password).logout()


def test_a_removed_account_is_gone_and_its_address_can_be_had_again(shared):
    user, password = shared.add_account()
    shared.deliver(letter(b'old'), to=user)
    shared.run('user', 'remove', user, '--yes')
    refuses(lambda: shared.imap(user, password))
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        shared.deliver(letter(b'late'), to=user)
    shared.add_account(user, 'second-life')
    client = shared.imap(user, 'second-life', 'INBOX')
    assert client.search(None, 'ALL')[1] == [b'']
    client.logout()


@pytest.mark.release
def test_unknown_name_and_wrong_password_take_the_same_words_and_time(shared, note):
    user, _ = shared.add_account()
    times = {'wrong': [], 'unknown': [], 'no address': []}
    for i in range(7):
        for kind, name in (('wrong', user), ('unknown', 'nobody-at-all@' + letterlock.DOMAIN),
                           ('no address', 'nobody-either')):
            answer, took = raw_login(shared, name, 'guess %d' % i)
            assert answer == 'a NO [AUTHENTICATIONFAILED] user name or password is wrong'
            times[kind].append(took)
    middle = {kind: statistics.median(t) for kind, t in times.items()}
    note('refused login, ms: ' + ', '.join('%s %.0f' % (k, 1000 * v) for k, v in middle.items()))
    assert min(middle.values()) > 0.02, 'a refusal without the work of a hash'
    assert max(middle.values()) < 2 * min(middle.values())


def test_guesses_at_a_name_are_slowed_and_at_another_not_yet(fresh):
    times = [raw_login(fresh, 'guess@' + letterlock.DOMAIN, 'x%d' % i)[1] for i in range(6)]
    assert times[5] > 0.9, times
    assert times[5] > times[0] + 0.5
    _, took = raw_login(fresh, 'another@' + letterlock.DOMAIN, 'y')
    assert took < 0.9


def test_a_second_login_with_the_main_password_is_remembered(shared):
    user, password = shared.add_account()
    raw_login(shared, user, password)
    answer, took = raw_login(shared, user, password)
    assert ' OK ' in answer
    hashes = statistics.median(raw_login(shared, user, 'not it %d' % i)[1] for i in range(3))
    assert took < hashes


def test_names_fold_as_addresses_do_and_acting_for_another_is_refused(shared):
    user, password = shared.add_account()
    shared.imap(user.upper(), password).logout()
    client = shared.line_client('imaps')
    client.read_line()
    text = '\0'.join(('owner@' + letterlock.DOMAIN, user, password))
    client.send_line('a AUTHENTICATE PLAIN ' + base64.b64encode(text.encode()).decode())
    assert client.read_line().startswith('a NO [AUTHENTICATIONFAILED]')
    client.close()


def test_logins_go_on_when_auth_hash_or_an_accounts_process_died(fresh):
    open_client = fresh.imap(mailbox='INBOX')
    for role in ('auth', 'hash'):
        old = fresh.kill(role)
        wait_until(lambda: fresh.pids().get(role) and set(fresh.pids()[role]) != set(old), what=role + ' restarted')
        fresh.imap(password=fresh.password).logout()
        assert open_client.noop()[0] == 'OK'
    fresh.kill('retrieval')
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        open_client.noop()
    client = fresh.imap(mailbox='INBOX')
    fresh.kill('store')
    client.append('INBOX', '', None, letter(b'after'))
    assert client.select('INBOX')[1] == [b'1']
    client.logout()


def test_an_accounts_process_ends_when_nobody_is_there_and_logins_at_that_moment_succeed(fresh):
    fresh.imap().logout()
    wait_until(lambda: not fresh.pids().get('retrieval'), seconds=15, what='the process ends')
    ends = time.monotonic() + 12
    while time.monotonic() < ends:
        client = fresh.imap(mailbox='INBOX')
        assert client.noop()[0] == 'OK'
        client.logout()
        time.sleep(4.98 if time.monotonic() < ends - 6 else 0.5)


def test_many_logins_at_one_time_all_get_an_answer(shared):
    user, password = shared.add_account()
    clients = []
    for _ in range(60):
        client = shared.line_client('imaps')
        client.read_line()
        clients.append(client)
    for i, client in enumerate(clients):
        client.send_line('a LOGIN "%s" "%s"' % (user, password if i % 2 else 'wrong'))
    answers = [client.read_line() for client in clients]
    good = [a for i, a in enumerate(answers) if i % 2]
    assert all(' OK ' in a for a in good), answers
    assert all('NO [' in a for i, a in enumerate(answers) if i % 2 == 0)
    for client in clients:
        client.close()
