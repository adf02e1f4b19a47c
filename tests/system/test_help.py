"""Help, the manual page and the completions: made from the same descriptors, so each knows every command
and each of its options."""
import re
import shutil
import subprocess

import pytest

from letterlock import BINARY


def call(*args):
    result = subprocess.run([str(BINARY), *args], capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result
    assert not result.stderr
    return result.stdout


def commands():
    """Name -> options, as --help tells them."""
    names = re.findall(r'^  ([a-z-]+(?: [a-z-]+)?)(?=  | *\[| [A-Z\[])', call('help'), re.M)
    assert len(names) >= 25 and 'serve' in names and 'user add' in names
    return {name: re.findall(r'^  --([a-z-]+)', call(*name.split(), '--help'), re.M) for name in names}


def test_the_manual_page_holds_every_command_with_its_options(binary):
    page = call('help', '--format', 'man')
    sections = {s.split('\n', 1)[0].replace('\\-', '-'): s for s in page.split('\n.SS ')[1:]}
    every = page.split('.SS ')[0]
    for name, options in commands().items():
        for option in options:
            written = '\\-\\-' + option.replace('-', '\\-')
            assert written in sections[name] or written in every, (name, option)


@pytest.mark.skipif(not shutil.which('man'), reason='needs man')
def test_the_manual_page_is_sound_to_man(binary, tmp_path):
    path = tmp_path / 'letterlock.1'
    path.write_text(call('help', '--format', 'man'))
    result = subprocess.run(['man', '--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', str(path)],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and not result.stderr.strip(), result.stderr


BASH = '''source %s
COMP_WORDS=(letterlock %s); COMP_CWORD=%d; COMPREPLY=()
_letterlock
printf '%%s\\n' "${COMPREPLY[@]}"'''


def complete(path, *words):
    quoted = ' '.join("'%s'" % w for w in words)
    result = subprocess.run(['bash', '--norc', '-c', BASH % (path, quoted, len(words))], capture_output=True, text=True,
                            timeout=30)
    assert result.returncode == 0 and not result.stderr, result.stderr
    return set(result.stdout.split())


def test_bash_completes_commands_and_options(binary, tmp_path):
    path = tmp_path / 'letterlock'
    path.write_text(call('help', '--format', 'bash'))
    known = commands()
    assert {n.split()[0] for n in known} <= complete(path, '')
    assert complete(path, 'ver') == {n for n in known if n.startswith('ver')}
    assert {'add', 'list', 'remove'} <= complete(path, 'user', '')
    assert complete(path, '--data', '/x', 'user', 'a') == {'add'}
    for name, options in known.items():
        offered = complete(path, *name.split(), '--')
        assert {'--' + o for o in options} <= offered, (name, offered)


@pytest.mark.parametrize('shell', ['zsh', 'fish'])
def test_the_other_shells_know_every_command_and_option(binary, tmp_path, shell):
    text = call('help', '--format', shell)
    for name, options in commands().items():
        assert name.split()[-1] in text
        for option in options:
            assert '--' + option in text or '-l ' + option in text, (name, option)
    if shutil.which(shell):
        path = tmp_path / 'completion'
        path.write_text(text)
        subprocess.run([shell, '-n', str(path)], check=True, timeout=30, capture_output=True)


def test_an_unknown_format_is_wrong_use(binary):
    result = subprocess.run([str(BINARY), 'help', '--format', 'tcsh'], capture_output=True, text=True, timeout=30)
    assert result.returncode == 2 and 'fish' in result.stderr
