#!/usr/bin/env python3
"""Writes crates/originality/vectors/{text,distance}.txt from a second implementation of text.md and fingerprint.md.

    pip install unicodedata2==18.0.0 && scripts/vectors/originality.py [--check]

Shares no code and no table but tables/lookalikes.txt with the Rust crate: composition, categories and case are those of
Python, edit distance is the plain dynamic programme, overlap is on sets. Texts are UTF-8 in hexadecimal.
"""

import hashlib
import random
import sys
from pathlib import Path

import unicodedata2 as unicode

CRATE = Path(__file__).resolve().parents[2] / "crates" / "originality"
MASK = 2**64 - 1
assert unicode.unidata_version == "18.0.0", "pip install unicodedata2==18.0.0"
LOOKALIKES = {}
for row in (CRATE / "tables" / "lookalikes.txt").read_text(encoding="utf-8").splitlines():
    if row and row[0] != "#":
        a, b = row.split()[:2]
        LOOKALIKES[chr(int(a, 16))] = chr(int(b, 16))

IGNORABLE = set()
for span in """AD 34F 61C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0 FFF0-FFF8
1BCA0-1BCA3 1D173-1D17A E0000-E0FFF""".split():
    low, _, high = span.partition("-")
    IGNORABLE |= set(range(int(low, 16), int(high or low, 16) + 1))


def blake(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def canonical(text):
    text = "".join(c for c in text if ord(c) not in IGNORABLE)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    out = []
    for c in text:
        if c in "\v\f\x85\u2028\u2029":
            out.append("\n")
        elif unicode.category(c) == "Zs" and c not in "\u1680\u3000":
            out.append(" ")
        elif (unicode.category(c) == "Cc" and c not in "\t\n") or "\ufff9" <= c <= "\ufffb":
            continue
        else:
            out.append(c)
    text = unicode.normalize("NFC", "".join(out))
    return "\n".join(line.rstrip(" \t\u00a0\u3000") for line in text.split("\n")).strip("\n")


def letters(text):
    text = unicode.normalize("NFD", text).lower()
    text = "".join(c for c in text if not c.isspace() and unicode.category(c)[0] not in "CMP")
    text = unicode.normalize("NFKC", text)
    return "".join(LOOKALIKES.get(c, c) for c in text if ord(c) not in IGNORABLE)


def dense(c):
    p = ord(c)
    spans = [(0x3005, 0x3005), (0x3007, 0x3007), (0x3041, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF)]
    spans += [(0x4E00, 0x9FFF), (0xA000, 0xA48C), (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)]
    return any(low <= p <= high for low, high in spans)


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


STEP = 0x9E3779B97F4A7C15
SEED = int.from_bytes(blake(b"llmchain/text/minhash/1")[:8], "little")
OUTPUTS = [mix((SEED + i * STEP) & MASK) for i in range(1, 129)]


def shingles(text):
    text = letters(text)
    found = []
    for i, c in enumerate(text):
        n = 2 if dense(c) else 6
        if i + n <= len(text):
            found.append(text[i : i + n])
    return found or ([text] if text else [])


def signature(text):
    numbers = set()
    for s in shingles(text):
        state = SEED
        for c in s:
            state = mix((state + STEP + ord(c)) & MASK)
        numbers.add(state)
    rows = [min(((OUTPUTS[2 * j] | 1) * x + OUTPUTS[2 * j + 1]) & MASK for x in numbers) for j in range(64)]
    return b"\x01" + b"".join((r >> 24 & 0xFFFF).to_bytes(2, "little") for r in rows)


def bands(sig):
    rows = sig[1:]
    return [blake(b"llmchain/text/band/1" + bytes([b]) + rows[4 * b : 4 * b + 4])[:8][::-1].hex() for b in range(12)]


def edit(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def overlap(a, b):
    a, b = shingles(a), shingles(b)
    million = lambda part, whole: part * 10**6 // whole
    sa, sb = set(a), set(b)
    return million(sum(s in sb for s in a), len(a)), million(sum(s in sa for s in b), len(b)), million(len(sa & sb), len(sa | sb))


rng = random.Random(11)
POOL = "aAbc éße\u0301\u0323 \n\r\t\u00a0\u3000\u200b\ufe0f\u202e月明光山水Σσς.カ力оос1il0나ÅﬁⅫ\u0000\u2028\u180e\U000e0101٣ب"
SONNET = "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\nRough winds do shake the darling buds of May,"
TEXTS = {
    "quatrain": "床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。",
    "quatrain, one changed": "床前明月光，疑是地上雪。\n舉頭望明月，低頭思故鄉。",
    "bigram": "月光",
    "one letter": "月",
    "sonnet": SONNET,
    "sonnet with lookalikes": SONNET.replace("o", "о").replace("a", "а"),
    "C2PA wrapper": SONNET + "\ufeff" + "".join(chr(0xE0100 + i % 240) for i in range(400)),
    "marks only": "\u0301" * 50,
    "mixed": "月 at night, 山 by day 水",
}
for i in range(40):
    TEXTS[f"random {i}"] = "".join(rng.choice(POOL) for _ in range(rng.randrange(1, 120)))


def text_file():
    lines = ["# Written by scripts/vectors/originality.py with unicodedata2 18.0.0.", ""]
    for name, text in TEXTS.items():
        form = canonical(text)
        lines += [f"[{name}]", f"text = {text.encode().hex()}", f"canonical = {form.encode().hex()}"]
        lines += [f"digest = {blake(b'llmchain/text/2' + form.encode()).hex()}", f"letters = {letters(form).encode().hex()}"]
        if letters(form):
            sig = signature(form)
            lines += [f"signature = {sig.hex()}", f"bands = {' '.join(bands(sig))}"]
    good = signature(SONNET)
    for name, bad in [("version 0", b"\0" + good[1:]), ("version 2", b"\2" + good[1:]), ("short", good[:-1]), ("long", good + b"\0"), ("nothing", b"")]:
        lines += [f"[bad_signature {name}]", f"bad = {bad.hex()}"]
    return "\n".join(lines) + "\n"


def distance_file():
    lines = ["# Written by scripts/vectors/originality.py: canonical texts, edits, overlap (of first, of second, Jaccard).", ""]
    pairs = [(SONNET, SONNET), ("", "abc"), ("kitten", "sitting"), (TEXTS["quatrain"], TEXTS["quatrain, one changed"])]
    for _ in range(40):
        a = "".join(rng.choice("abcde月光") for _ in range(rng.randrange(1, 300)))
        b = list(a)
        for _ in range(rng.randrange(0, 60)):
            at = rng.randrange(len(b) + 1)
            b[at : at + rng.randrange(2)] = rng.choice(["", "x", "月", "ab"])
        pairs.append((a, "".join(b)))
    for i, (a, b) in enumerate(pairs):
        lines += [f"[pair {i}]", f"first = {a.encode().hex()}", f"second = {b.encode().hex()}", f"edits = {edit(a, b)}"]
        if letters(a) and letters(b):
            lines.append("overlap = %d %d %d" % overlap(a, b))
    return "\n".join(lines) + "\n"


wrong = []
for name, text in (("text.txt", text_file()), ("distance.txt", distance_file())):
    path = CRATE / "vectors" / name
    if "--check" not in sys.argv:
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        wrong.append(name)
sys.exit(f"{', '.join(wrong)}: differs; run without --check" if wrong else 0)
