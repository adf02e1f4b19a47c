"""The main job on real input: every letter of the collections goes in over SMTP and comes out byte for
byte over IMAP and POP3."""
import pytest

from collections_of_mail import COLLECTIONS, check_stored, letters, reason_to_refuse
from imapwire import Imap


def stuffed(letter):
    text = letter.replace(b'\r\n.', b'\r\n..')
    return (b'.' + text if text.startswith(b'.') else text) + b'.\r\n'


def send_all(appliance, user, batch):
    """Everything over one connection, the end of each letter together with the next one's envelope (RFC
    2920). Returns the code for each letter."""
    client = appliance.line_client('smtp')
    client.greet()
    assert client.command('EHLO client.example')[0] == 250
    envelope = b'MAIL FROM:<stranger@elsewhere.example> BODY=8BITMIME\r\nRCPT TO:<%s>\r\nDATA\r\n' % user.encode()
    client.send(envelope)
    codes = []
    for number, (name, letter) in enumerate(batch):
        replies = [client.reply() for _ in range(3)]
        assert [code for code, _ in replies] == [250, 250, 354], (name, replies)
        last = number == len(batch) - 1
        client.send(stuffed(letter) + (b'QUIT\r\n' if last else envelope))
        codes.append(client.reply())
    assert client.reply()[0] == 221
    client.close()
    return codes


@pytest.fixture(scope='module', params=sorted(COLLECTIONS))
def delivered(request, shared, data):
    """(collection, user, [(name, letter)] that were taken, [(name, reason, reply)] that were refused)"""
    user, _ = shared.add_account()
    batch = letters(data, request.param)
    codes = send_all(shared, user, batch)
    taken, refused = [], []
    for (name, letter), (code, texts) in zip(batch, codes):
        if code == 250:
            taken.append((name, letter))
        else:
            refused.append((name, reason_to_refuse(letter), '%d %s' % (code, texts[0])))
    return request.param, user, taken, refused


def test_only_letters_that_break_line_ends_are_refused(delivered, data, note):
    collection, _, taken, refused = delivered
    batch = letters(data, collection)
    note('%s: %d letters taken, %d refused' % (collection, len(taken), len(refused)))
    for name, reason, reply in refused:
        note('    %s: %s: %s' % (name, reason, reply))
        assert reply.startswith('55'), (name, reply)
    assert [n for n, _, _ in refused] == [n for n, letter in batch if reason_to_refuse(letter)]


def test_they_come_out_over_imap_byte_for_byte(delivered, shared):
    _, user, taken, _ = delivered
    items = '(UID RFC822.SIZE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT])'
    with Imap(shared, user, mailbox='INBOX') as imap:
        for first in range(0, len(taken), 25):
            part = taken[first:first + 25]
            messages = imap.fetch('%d:%d' % (first + 1, first + len(part)), items)
            assert [m['UID'] for m in messages] == list(range(first + 1, first + len(part) + 1))
            for (name, letter), m in zip(part, messages):
                check_stored(m['BODY[]'], letter)
                assert m['RFC822.SIZE'] == len(m['BODY[]']), name
                assert m['BODY[HEADER]'] + m['BODY[TEXT]'] == m['BODY[]'], name


def test_they_come_out_over_pop3_byte_for_byte(delivered, shared):
    _, user, taken, _ = delivered
    pop3 = shared.pop3(user)
    assert pop3.stat()[0] == len(taken)
    for number, (name, letter) in enumerate(taken, 1):
        _, lines, _ = pop3.retr(number)
        check_stored(b''.join(line + b'\r\n' for line in lines), letter)
    pop3.quit()


def test_envelope_and_structure_are_given_for_all_of_them(delivered, shared):
    """Nothing that a stranger wrote makes FETCH fail, and the parts lie within the letter."""
    _, user, taken, _ = delivered
    with Imap(shared, user, mailbox='INBOX') as imap:
        messages = imap.fetch('1:*', '(UID ENVELOPE BODYSTRUCTURE RFC822.SIZE)')
    assert len(messages) == len(taken)
    for m in messages:
        assert len(m['ENVELOPE']) == 10, m['UID']
        assert m['BODYSTRUCTURE'], m['UID']
        assert sizes_of(m['BODYSTRUCTURE']) <= m['RFC822.SIZE'], m['UID']


def sizes_of(structure):
    """The bytes of all leaf parts."""
    if isinstance(structure[0], list):
        return sum(sizes_of(part) for part in structure if isinstance(part, list) and is_part(part))
    return structure[6] if isinstance(structure[6], int) else 0


def is_part(value):
    return bool(value) and (isinstance(value[0], list) or
                            len(value) >= 7 and isinstance(value[6], int) and isinstance(value[0], bytes))


def test_partial_fetches_put_together_are_the_whole(delivered, shared):
    collection, user, taken, _ = delivered
    largest = max(range(len(taken)), key=lambda i: len(taken[i][1]))
    with Imap(shared, user, mailbox='INBOX') as imap:
        whole = imap.fetch(largest + 1, 'BODY.PEEK[]')[0]['BODY[]']
        for step in (1000, 65536, 65537, len(whole) + 5):
            pieces, at = [], 0
            while at < len(whole) and len(pieces) < 400:
                m = imap.fetch(largest + 1, 'BODY.PEEK[]<%d.%d>' % (at, step))[0]
                pieces.append(m['BODY[]<%d>' % at])
                at += len(pieces[-1])
            assert b''.join(pieces) == whole[:at]
        past = imap.fetch(largest + 1, 'BODY.PEEK[]<%d.10>' % (len(whole) + 1))[0]
        assert past['BODY[]<%d>' % (len(whole) + 1)] in (b'', None)
