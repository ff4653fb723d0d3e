#!/usr/bin/env python3
"""Writes crates/originality/vectors/iscc.txt with the reference implementation of ISO 24138.

    pip install iscc-core==1.5.0 && scripts/vectors/iscc.py [--check]

A case is `[name]`, then `key = value`: `text` is UTF-8 in hexadecimal, `code64` and `code256` are codes, `bad` a refused one.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import iscc_core as iscc

FILE = Path(__file__).resolve().parents[2] / "crates" / "originality" / "vectors" / "iscc.txt"
assert version("iscc-core") == "1.5.0", "pip install iscc-core==1.5.0"

TEXTS = {
    "empty": "",
    "one letter": "a",
    "twelve": "abcdefghijkl",
    "thirteen": "abcdefghijklm",
    "hello": "Hello World",
    "quatrain": "床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。",
    "sonnet": "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\nRough winds do shake the darling buds of May,\nAnd summer's lease hath all too short a date:",
    "marks": "Ça fût déjà l'été, où naïf; A\u030a\u0323 \u1e69",
    "greek": "ΟΔΥΣΣΕΥΣ ΠΟΛΥΤΡΟΠΟΣ, ΟΣ ΜΑΛΑ ΠΟΛΛΑ",
    "cyrillic": "Я помню чудное мгновенье: Передо мной явилась ты",
    "ligatures": "ﬁne ﬂow Ⅻ ㎏ ＡＢＣ １２３ ½ ﷺ and more text behind it",
    "hangul": "나 보기가 역겨워 가실 때에는 말없이 고이 보내 드리오리다",
    "symbols": "a+b=c €5 ☕ ❤\ufe0f © ™ ~ ^ ` | < > $ and so on",
    "invisible": "\ufeffin\u200bvis\u00adible\u202e te\u2060xt of some let\ufe0fters",
    "capitals": "İSTANBUL, İZMİR ẞ Ǆ ᾼ Ꭰ Ა \U00010400",
    "repeated": "ab" * 300,
}
GOOD = iscc.gen_text_code(TEXTS["sonnet"], 64)["iscc"]
BAD = {
    "no scheme": GOOD[5:],
    "lower case": GOOD.lower(),
    "scheme in lower case": "iscc:" + GOOD[5:],
    "a digit that base32 lacks": GOOD[:-1] + "1",
    "one short": GOOD[:-1],
    "one long": GOOD + "A",
    "meta code": iscc.gen_meta_code("title")["iscc"],
    "data code": "ISCC:" + iscc.encode_component(iscc.MT.DATA, 0, 0, 64, bytes(32)),
    "image code": "ISCC:" + iscc.encode_component(iscc.MT.CONTENT, iscc.ST_CC.IMAGE, 0, 64, bytes(32)),
    "32 bits": "ISCC:" + iscc.encode_component(iscc.MT.CONTENT, 0, 0, 32, bytes(32)),
    "padding": GOOD + "=",
    "empty": "",
    "scheme alone": "ISCC:",
    "bits after the end": iscc.gen_text_code(TEXTS["sonnet"], 256)["iscc"][:-1] + "B",
}

lines = ["# Written by scripts/vectors/iscc.py with iscc-core 1.5.0.", ""]
for name, text in TEXTS.items():
    lines += [f"[{name}]", f"text = {text.encode().hex()}"]
    for bits in (64, 256):
        lines.append(f"code{bits} = {iscc.gen_text_code(text, bits)['iscc']}")
for name, code in BAD.items():
    lines += [f"[bad_{name}]", f"bad = {code}"]
text = "\n".join(lines) + "\n"
if "--check" in sys.argv:
    sys.exit(0 if FILE.read_text(encoding="utf-8") == text else f"{FILE} differs; run without --check")
FILE.write_text(text, encoding="utf-8")
