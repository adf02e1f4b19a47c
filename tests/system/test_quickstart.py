"""admin/quickstart.sh, where the release build that it makes is there already."""
import os
import signal
import subprocess
import time

import pytest

from letterlock import ROOT, command_line, wait_until

pytestmark = pytest.mark.skipif(not (ROOT / 'build-release/admin/letterlock').exists(),
                                reason='it would build for a minute')


def started_in(folder):
    """Pids of processes that work in a folder below this one."""
    return [int(p) for p in os.listdir('/proc') if p.isdigit()
            and any(str(folder) in word for word in command_line(int(p)))]


def quickstart(folder, *args):
    return subprocess.Popen(['sh', 'admin/quickstart.sh', *args], cwd=ROOT, env={**os.environ, 'TMPDIR': str(folder)},
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def nothing_is_left(folder):
    wait_until(lambda: not started_in(folder), what='its processes are gone')
    assert os.listdir(folder) == []


def test_the_check_leaves_neither_a_server_nor_a_file(tmp_path):
    process = quickstart(tmp_path, '--check')
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert said.rstrip().endswith('The round trip worked.')
    nothing_is_left(tmp_path)


def test_it_serves_until_it_is_told_to_end(tmp_path):
    process = quickstart(tmp_path)
    end = time.monotonic() + 300
    while time.monotonic() < end and 'Serving now' not in process.stdout.readline():
        assert process.poll() is None
    assert started_in(tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    nothing_is_left(tmp_path)
