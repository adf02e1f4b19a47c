"""What a letter says in another charset is read by each process that reads letters, inside its sandbox, where
no module of iconv can be opened any more: smtp makes the preview, retrieval searches."""
import base64

import pytest

from imapwire import Imap

WORDS = {'iso-2022-jp': '日本語', 'gb18030': '汉字', 'big5': '漢字', 'euc-kr': '한국어', 'koi8-r': 'Привет',
         'windows-1251': 'Привет', 'shift_jis': '日本語', 'utf-7': 'Grüße', 'utf-16': 'Grüße', 'tis-620': 'ภาษา',
         'iso-8859-15': 'Œuvre', 'iso-8859-8': 'שלום', 'windows-1256': 'مرحبا', 'utf-8': 'naïve', 'cp437': 'Grüße'}


def letter_in(charset, word):
    """A letter whose subject and text have the word."""
    def coded(text):
        return base64.b64encode(text.encode(charset)).decode()
    return ('From: a@elsewhere.example\r\nSubject: =?%s?B?%s?=\r\nMIME-Version: 1.0\r\n'
            'Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n'
            % (charset, coded(word), charset, coded('there is %s here' % word))).encode()


@pytest.mark.parametrize('way', ['smtp', 'append'])
def test_preview_and_search_know_the_charsets_of_mail(shared, way):
    user, password = shared.add_account()
    with Imap(shared, user, mailbox='INBOX') as imap:
        for charset, word in WORDS.items():
            if way == 'smtp':
                shared.deliver(letter_in(charset, word), to=user)
            else:
                imap.append(letter_in(charset, word))
        imap.ok('NOOP')
        for uid, (charset, word) in enumerate(WORDS.items(), 1):
            preview = imap.fetch(uid, '(PREVIEW)')[0]['PREVIEW']
            assert preview == ('there is %s here' % word).encode(), (charset, preview)
            for key in ('SUBJECT', 'BODY'):
                assert uid in imap.search('CHARSET UTF-8 UID %d %s "%s"' % (uid, key, word)), (charset, key)
