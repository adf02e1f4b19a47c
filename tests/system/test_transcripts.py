"""Every file in transcripts/ is a test whose name is the file's first sentence."""
from pathlib import Path

import pytest

import transcript

FILES = sorted(Path(__file__).parent.glob('transcripts/*/*.txt'))


@pytest.mark.parametrize('path', FILES, ids=['%s: %s' % (p.parent.name, transcript.title_of(p)) for p in FILES])
def test_transcript(path, shared):
    transcript.run_transcript(path, shared)


def test_every_transcript_has_a_name_of_its_own():
    titles = [(p.parent.name, transcript.title_of(p)) for p in FILES]
    assert len(set(titles)) == len(titles)
    assert all(' ' in title for _, title in titles), 'a name is a sentence'
