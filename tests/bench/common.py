"""What the measurements share: an appliance of the release build, memory of its processes, the disk's
fsync time, and one JSON line a figure (with the command and the fsync time beside it)."""
import json
import os
import resource
import shlex
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'system'))
from letterlock import Appliance  # noqa: E402,F401


def fsync_ms(folder, count=300):
    """(median, mean) milliseconds of appending 4 KiB and fdatasync."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder) as f:
        for _ in range(count):
            begun = time.perf_counter()
            f.write(os.urandom(4096))
            f.flush()
            os.fdatasync(f.fileno())
            times.append((time.perf_counter() - begun) * 1000)
    return sorted(times)[count // 2], sum(times) / count


def memory_kib(pid):
    """Pss, Rss and anonymous memory of a process."""
    found = {}
    for line in Path('/proc/%d/smaps_rollup' % pid).read_text().splitlines()[1:]:
        name, value = line.split(':')
        found[name] = int(value.split()[0])
    return {'pss': found['Pss'], 'rss': found['Rss'], 'anonymous': found['Anonymous']}


def memory_of(appliance):
    """Role name -> sums over its processes; 'all' with the supervisor."""
    groups = {'supervisor': [appliance.supervisor_pid()], **appliance.pids()}
    sums = {}
    for role, pids in groups.items():
        for pid in pids:
            for kind, value in memory_kib(pid).items():
                for name in (role, 'all'):
                    sums.setdefault(name, {}).setdefault(kind, 0)
                    sums[name][kind] += value
    return sums


def more_descriptors(wanted):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def report(what, folder=None, **figures):
    median, _ = fsync_ms(folder or tempfile.gettempdir(), 100)
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps({'what': what, **rounded, 'fsync_ms': round(median, 3),
                      'command': shlex.join(['python3'] + sys.argv)}), flush=True)
