"""The rules of the tokenizer: which stretches of text are one token."""

import re

from jaxvision.metrics.captions.abbreviations import (
    BEFORE_NUMBERS,
    CAPITALIZED,
    EVERYWHERE,
    FILE_ENDINGS,
    SENTENCE_STARTS,
)

# Pieces of the rules. Letters include combining marks, the soft hyphen and the accents of HTML.
_A = r"(?:['\u0092\u2019]|&apos;)"  # apostrophe
_B = r"(?:['\u0092\u2019]|&apos;|[`\u0091\u2018\u201b])"  # and what is typed for one
# Numbers that are raised, in circles or fractions, which Python counts as letters.
_NOT_LETTERS = r"(?![\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u218f\u2460-\u24b5\u24ea-\u24ff\u2776-\u2793])"
_L = rf"(?:{_NOT_LETTERS}[^\W\d_]|[\u0300-\u036f\u00ad\u02c2-\u02df]|&[aeiouAEIOU](?:acute|grave|uml);)"
_N = rf"(?:{_L}|[\d\u2010\u2011])"
_ENDING = r"(?:[msdMSD]|re|ve|ll|RE|VE|LL)"
_WORD = rf"{_L}{_N}*(?:[.!?]{_L}{_N}*)*"
_NUMBER = r"[-+]?(?:\d*(?:[.:,\u00ad\u066b\u066c]\d+)+|\d+)"
_ATTRIBUTE = r"""[A-Za-z][-\w:.]*(?: *= *(?:'[^'\n]*'|"[^"\n]*"))?"""
_ACRONYM = r"[A-Za-z](?:\.[A-Za-z])+"
_URL_END = r"""[^ \t\n\f\r"<>|.!?(){},-]"""
_HOST = (
    rf"""www\.(?:{_URL_END}+\.)+[a-zA-Z]{{2,4}}"""
    r"""|(?:[^ \t\n\f\r"`'<>|.!?(){},-_$]+\.)+(?:com|net|org|edu)"""
)
_PATH = rf"""(?:/[^ \t\n\f\r"<>|()]+{_URL_END})"""
_ADDRESS = r"""[^ \t\n\f\r"<>|()\u00a0{}]"""
_SLASHED = r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}"
_PHONE = (
    r"(?:\([0-9]{2,3}\)[ \u00a0]?|(?:\+\+?)?(?:[0-9]{2,4}[- \u00a0])?[0-9]{2,4}[- \u00a0])"
    r"[0-9]{3,4}[- \u00a0]?[0-9]{3,5}"
    r"|(?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5}"
)

RULES: tuple[tuple[re.Pattern[str], str | None], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # tags, entities
        (rf"(</?[A-Za-z][-\w:.]*(?: +{_ATTRIBUTE})* */?>|<[!?][A-Za-z-][^>\n]*>)", None),
        (r"(&(?:MD|mdash|ndash);|[\u0096\u0097\u2013-\u2015])", "--"),
        (r"(&amp;)", "&"),
        (r"(&lt;)", "<"),
        (r"(&gt;)", ">"),
        (r"(&quot;|&apos;|&nbsp;)", ""),
        (r"(&(?:HT|TL|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+);)", None),
        # words and contractions
        (rf"({_WORD}){_A}{_ENDING}", None),
        (rf"([^\W\d_]*[^\W\d_nN])[nN]{_B}[tT]", None),
        (rf"({_WORD})", None),
        (rf"({_A}[nN]{_A}|[lLdDjJ]{_A}|[Dd]unkin{_A}|[Ss]omethin{_A}|[Oo]l{_A}|{_A}em|{_A}till?|{_A}cause)", None),
        (rf"({_A}[nN])[^A-Za-z]", None),
        (rf"([A-HJ-XZn]{_B}{_L}{{2,}}|{_A}[2-9]0s|{_L}+[aeiouyAEIOUY]{_B}[aeiouA-Z]{_L}*)", None),
        (rf"([dDoOlL]{_B}{_L}{_N}+(?:-{_N}+)*|[Qq]u{_B}{_L}+)", None),
        (rf"([Cc]ont{_A}d\.?|[Nn]or{_A}easter|[Cc]{_A}mon|n?e{_A}er|o{_A}er|[Cc]ap{_A}n|[Cc]{_A}est)", None),
        (rf"([Ss]{_A}mores|[Ee]v{_A}ry|[Ll]i{_A}l|[Nn]at{_A}l)", None),
        (r"('[Tt])(?:is|was)(?![A-Za-z])", None),
        (rf"([Yy]{_A}){_L}", None),
        (rf"({_A}({_ENDING}))[^A-Za-z]", r"'\2"),
        (rf"([nN]{_A}[tT])[^A-Za-z]", "n't"),
        (r"([nN][`\u0091\u2018\u201b][tT])[^A-Za-z]", None),
        (rf"({_A}\d\d)[ \t\n]", None),
        # addresses
        (rf"""(https?://[^ \t\n\f\r"<>|()]+{_URL_END})""", None),
        (rf"((?:{_HOST}){_PATH}?)", None),
        (rf"((?:&lt;|<)?[a-zA-Z0-9]{_ADDRESS}*@(?:(?!\.){_ADDRESS}+\.)*(?:(?!\.){_ADDRESS})+(?:&gt;|>)?)", None),
        (r"(@[a-zA-Z_][a-zA-Z_0-9]*|#[^\W\d_]+)", None),
        # numbers, money
        (r"(\d{1,2}[-/]\d{1,2}[-/]\d{2,4})", None),
        (rf"({_NUMBER})", None),
        (r"((?:\d{1,4}[- \u00a0])?\d{1,4}(?:\\?/|\u2044)\d{1,4})", None),
        (rf"({_PHONE})", None),
        *((f"({fraction})", text) for fraction, text in zip("½¼¾⅓⅔", ("1/2", "1/4", "3/4", "1/3", "2/3"), strict=True)),
        (r"([A-Z]*\$)", None),
        ("(£)", "#"),
        ("([€¤₠\u0080])", "$"),
        ("(¢)", "cents"),
        # things of letters, digits and signs
        (rf"(\d+{_N}*)", None),
        (rf"({_N}(?:{_N}|[.,]|_(?={_N}))*(?:-(?:{_N}+(?:_{_N}+)*|{_ACRONYM}\.))+)", None),
        (r"([A-Z]+(?:(?:[+&]|&amp;)[A-Z]+)+)", None),
        (rf"({_SLASHED}(?:\\?/{_SLASHED}){{1,2}})", None),
        (rf"({_N}+(?:_{_N}+)+|[Cc]\+\+|[CcFf]#|(?:pro|anti)-)", None),
        # abbreviations, names of files
        (rf"((?:{_ACRONYM}|[A-Za-z]|(?i:{EVERYWHERE})|{CAPITALIZED}|(?i:(?:ed|ph)\.d))\.)", None),
        (rf"([A-Za-z])\.\s+(?:{SENTENCE_STARTS})[ \n]", None),
        (rf"((?i:{BEFORE_NUMBERS})\.)[ \t\n]?\d", None),
        (rf"((?:{_WORD}|{_N}+(?:-{_N}+)*)\.)[,;:\u3001]", None),
        (rf"({_N}+(?:\.{_N}+)*\.(?i:{FILE_ENDINGS}))[ \t\n.?!,]", None),
        # marks
        (r"(\.{3,5}|(?:\.[ \u00a0]){2,4}\.|[\u0085\u2026])", "..."),
        (r"([<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]])[^A-Za-z0-9]", None),
        (r"(\(?(?:\^_+\^|-_+-)\)?)", None),
        (r"(-{2,4})", "--"),
        (r"(-{5,}|-[LR][RSC]B-)", None),
        (r"([?!]{2,}|\*+|(?:\\\*){1,3}|_+|#+|@+|<<|>>)", None),
        (r"(''|['\"`\u0091-\u0094\u2018\u2019\u201b-\u201d\u2039\u203a«»])", ""),
    )
)
"""What a token can be, and what it is replaced by (None keeps it).

The longest match wins, and the first of equally long ones. Group 1 is the token; what a pattern has after it is
context, which counts for the length and is read again.
"""
