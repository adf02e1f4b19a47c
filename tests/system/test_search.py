"""SEARCH by the sealed index gives the answers that opening every letter gives: every kind of key, over the
collections and over letters in several alphabets."""
import base64
import random
import re
import sqlite3

import pytest

from collections_of_mail import letters, reason_to_refuse
from imapwire import Imap
from letterlock import Appliance, wait_until

COLLECTIONS = ['notmuch', 'mime4j', 'cpython', 'mailparser', 'wildduck']
ALPHABETS = {
    'german': 'Überflüssige Straßenbahnen fahren größtenteils übermäßig zögerlich Äpfel Öl',
    'russian': 'Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства',
    'greek': 'Ξεσκεπάζω την ψυχοφθόρα βδελυγμία Σίσυφος σοφός',
    'japanese': '吾輩は猫である。名前はまだ無い。カタカナとﾊﾝｶｸの検索を試す',
    'chinese': '我能吞下玻璃而不傷身體。搜索引擎测试中文',
    'korean': '키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다',
    'arabic': 'صِف خَلقَ خَودِ كَمِثلِ الشَمسِ إِذ بَزَغَت',
    'hindi': 'ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश',
    'thai': 'เป็นมนุษย์สุดประเสริฐเลิศคุณค่า',
    'hebrew': 'דג סקרן שט בים מאוכזב ולפתע מצא חברה',
    'code': 'foo_bar-baz.qux@example.net x86_64 C++ 3.1415 ABCdef123 e-mail it\'s naïve café',
}
CHARSETS = {'german': 'iso-8859-1', 'russian': 'koi8-r', 'greek': 'iso-8859-7', 'japanese': 'iso-2022-jp',
            'hebrew': 'windows-1255'}


def made_letters(chance):
    for number in range(330):
        name = list(ALPHABETS)[number % len(ALPHABETS)]
        words = ALPHABETS[name].split()
        text = ' '.join(chance.choice(words) for _ in range(12)) + '\r\nnumber%d end' % number
        charset = 'utf-8'
        if number % 3 == 0 and name in CHARSETS:
            charset = CHARSETS[name]
        body = base64.encodebytes(text.encode(charset, 'replace')).replace(b'\n', b'\r\n')
        subject = '=?utf-8?B?%s?=' % base64.b64encode(chance.choice(words).encode()).decode()
        yield (b'From: =?utf-8?Q?J=C3=B6rg?= <joerg%d@example.net>\r\nTo: owner@example.test\r\n'
               b'Cc: Team Blau <team@blau.example>\r\nSubject: %s\r\nDate: Mon, %d Mar 2024 10:00:00 +0100\r\n'
               b'Message-ID: <made%d@example.net>\r\nX-Odd: sonder-feld %d\r\nReceived: from spurlos.example\r\n'
               b'MIME-Version: 1.0\r\nContent-Type: text/%s; charset=%s\r\n'
               b'Content-Transfer-Encoding: base64\r\n\r\n%s' % (
                   number % 7, subject.encode(), number % 28 + 1, number, number % 5,
                   b'html' if number % 4 == 1 else b'plain', charset.encode(), body))


def segments(appliance):
    with sqlite3.connect('file:%s/mail.db?mode=ro' % appliance.data, uri=True) as db:
        return db.execute('SELECT count(*), coalesce(max(upto), 0) FROM search_segment'
                          ' WHERE directory IS NOT NULL').fetchone()


@pytest.fixture(scope='module')
def filled(binary, data):
    with Appliance() as appliance:
        appliance.setup()
        appliance.start()
        batch = [letter for name in COLLECTIONS for _, letter in letters(data, name)]
        batch += [letter for _, letter in letters(data, 'spamassassin')[::12]]
        batch = [letter for letter in batch if not reason_to_refuse(letter)] + list(made_letters(random.Random(4)))
        with Imap(appliance, mailbox='INBOX') as imap:
            for letter in batch:
                assert imap.append(letter).startswith('OK')
            wait_until(lambda: segments(appliance)[1] > len(batch) - 256, 60, 'the index')
            yield appliance, batch


def needles(batch, chance):
    """Parts of what the letters say: words, pieces of words, with blanks, of every alphabet; and rubbish."""
    for letter in chance.sample(batch, 25):
        text = letter.decode('latin-1')
        words = re.findall(r'[A-Za-z0-9]{2,30}', text)
        for word in chance.sample(words, min(2, len(words))):
            start = chance.randrange(len(word))
            yield word[start:start + chance.randrange(1, 9)]
        lines = [line for line in text.split('\r\n') if 10 < len(line) < 200 and line.isascii() and line.isprintable()]
        if lines:
            line = chance.choice(lines)
            start = chance.randrange(len(line) - 5)
            yield line[start:start + chance.randrange(2, 25)]
    for text in ALPHABETS.values():
        for _ in range(2):
            start = chance.randrange(len(text) - 1)
            yield text[start:start + chance.randrange(1, 10)]
        yield chance.choice(text.split()).upper()
    yield from ['---', '@', ' ', '.', 'qzxjvw', 'number', 'number12', 'spurlos', 'made1', 'e', '猫', '猫で', '。', 'é', 'ß', 'SS']


def quoted(needle):
    return '"%s"' % needle.replace('\\', '\\\\').replace('"', '\\"')


def programs(batch, chance):
    kinds = ['TEXT', 'BODY', 'SUBJECT', 'FROM', 'TO', 'CC', 'BCC', 'HEADER Message-ID', 'HEADER X-Odd',
             'HEADER Received', 'HEADER Subject', 'NOT TEXT', 'NOT BODY']
    found = list(needles(batch, chance))
    for needle in found:
        for kind in ['TEXT', 'BODY', chance.choice(kinds)]:
            yield '%s %s' % (kind, quoted(needle))
    for _ in range(30):
        a, b, c = (chance.choice(kinds) + ' ' + quoted(chance.choice(found)) for _ in range(3))
        yield chance.choice(['%s %s %s', 'OR %s (%s %s)', 'OR NOT %s (NOT %s %s)', 'NOT (%s %s) %s', 'OR %s %s LARGER 5000 %s',
                             'SENTSINCE 1-Mar-2024 %s OR %s %s', '2:400 %s OR %s %s']) % (a, b, c)
    yield 'TEXT ""'
    yield 'HEADER X-Odd ""'


def answers(imap, asked):
    return [imap.search('CHARSET UTF-8 ' + program) for program in asked]


def test_the_index_gives_the_answers_that_opening_gives(filled, note):
    appliance, batch = filled
    asked = list(programs(batch, random.Random(20)))
    with Imap(appliance, mailbox='INBOX') as imap:
        by_index = answers(imap, asked)
    appliance.run('config', 'set', 'imap.search-index', 'no')
    with Imap(appliance, mailbox='INBOX') as imap:
        by_opening = answers(imap, asked)
    appliance.run('config', 'set', 'imap.search-index', 'yes')
    wrong = [(p, len(a), len(b), sorted(set(a) ^ set(b))[:5]) for p, a, b in zip(asked, by_index, by_opening) if a != b]
    assert not wrong, wrong[:10]
    hits = sum(1 for b in by_opening if b)
    note('search: %d letters, %d programs, %d of them with hits' % (len(batch), len(asked), hits))
    assert len(asked) > 250 and hits > len(asked) / 3


def test_the_index_is_small_and_sealed(filled, note):
    appliance, batch = filled
    with sqlite3.connect('file:%s/mail.db?mode=ro' % appliance.data, uri=True) as db:
        blocks = [row[0] for row in db.execute('SELECT data FROM search_block')]
        blocks += [row[0] for row in db.execute('SELECT directory FROM search_segment WHERE directory NOT NULL')]
    mail = sum(map(len, batch))
    share = sum(map(len, blocks)) / mail
    assert segments(appliance)[0] == 1     # what came later was put together with what was there
    note('search: the index is %.1f %% of %d bytes of mail' % (100 * share, mail))
    assert blocks
    assert not any(word in block for block in blocks for word in (b'number', b'example', b'subject', b'made1'))
    assert share < 0.08   # small letters; docs/search.md tells of large mailboxes


def test_letters_that_are_not_yet_indexed_are_found(filled):
    appliance, _ = filled
    with Imap(appliance, mailbox='INBOX') as imap:
        assert imap.append(b'Subject: neuling\r\n\r\nfrischgebackenes Wort\r\n').startswith('OK')
        assert len(imap.search('TEXT frischgebacken')) == 1
        assert len(imap.search('SUBJECT neuling')) == 1
        assert imap.search('SUBJECT frischgebacken') == []


def test_a_damaged_index_changes_no_answer(filled):
    appliance, _ = filled
    asked = ['TEXT number', 'BODY "straßenbahn"', 'SUBJECT der', 'NOT TEXT example']
    with Imap(appliance, mailbox='INBOX') as imap:
        before = answers(imap, asked)
    appliance.stop()
    with sqlite3.connect('%s/mail.db' % appliance.data) as db:
        db.execute("UPDATE search_block SET data = zeroblob(length(data)) WHERE id & 65535 = 0")
    appliance.start()
    with Imap(appliance, mailbox='INBOX') as imap:
        assert answers(imap, asked) == before
    assert 'search-segment' in appliance.log_text()
