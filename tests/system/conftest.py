"""What every system test stands on: the binary, an appliance shared by tests that only need accounts of
their own, fresh ones for those that stop or break it, and the collections."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import letterlock  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line('markers', 'release: only on the build without sanitizers')
    config.notes = []


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker('release') and letterlock.BINARY.exists() and letterlock.is_sanitized():
            item.add_marker(pytest.mark.skip(reason='sanitizers change what it looks at'))


def pytest_terminal_summary(terminalreporter, config):
    if config.notes:
        terminalreporter.section('figures and lists')
        for note in config.notes:
            terminalreporter.write_line(note)


@pytest.fixture(scope='session', autouse=True)
def binary():
    if not letterlock.BINARY.exists():
        pytest.fail('no binary at %s: set LETTERLOCK' % letterlock.BINARY, pytrace=False)


@pytest.fixture(scope='session')
def shared(binary):
    """One appliance for the whole run. Take an account of your own and leave the rest alone."""
    with letterlock.Appliance() as appliance:
        appliance.setup()
        appliance.start()
        yield appliance


@pytest.fixture
def fresh(binary):
    """An appliance of this test's own, set up and started."""
    with letterlock.Appliance() as appliance:
        appliance.setup()
        appliance.start()
        yield appliance


@pytest.fixture
def account(shared):
    return shared.add_account()


@pytest.fixture
def note(request):
    """Says something at the end of the run: a figure, a list of what was refused."""
    return request.config.notes.append


@pytest.fixture(scope='session')
def data():
    folder = letterlock.find_data()
    if folder is None:
        pytest.skip('no collections: set LETTERLOCK_TEST_DATA')
    return folder
