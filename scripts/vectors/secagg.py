#!/usr/bin/env python3
"""Writes the test vectors of crates/secagg from a second implementation, in Python's exact arithmetic.

    scripts/vectors/secagg.py           writes crates/secagg/vectors/*.txt
    scripts/vectors/secagg.py --check   fails if a file differs from what would be written

Shares no code with the Rust crate: rationals instead of bit tricks, recursion instead of levels, its own
ChaCha20. Needs Python 3.9 and nothing else. Rules: docs/protocol/{quantiser,aggregate,merkle}.md.

A file is a list of cases: a line `[name]`, then `key = value` lines. Lists are separated by spaces; an f32
is its bit pattern in hexadecimal; bytes are hexadecimal; `error` is the beginning of the expected error.
"""

import argparse
import hashlib
import random
import struct
import sys
from fractions import Fraction
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "crates" / "secagg" / "vectors"
CHUNK = 4096
I32 = (-(2**31), 2**31 - 1)

# --- numbers ---------------------------------------------------------------------------------------


def f32(x):
    """The nearest f32 of a Python float, as a float."""
    return struct.unpack("<f", struct.pack("<f", x))[0]


def bits(x):
    return struct.pack(">f", x).hex()


def from_bits(pattern):
    return struct.unpack(">f", bytes.fromhex(pattern))[0]


def clamp(x, low, high):
    return max(low, min(high, x))


def half_even(x):
    """`round` of a Fraction is exact and goes half to even."""
    return round(Fraction(x))


def limit(b):
    return 2 ** (b - 1) - 1


# --- ChaCha20 (RFC 8439) ---------------------------------------------------------------------------


def chacha_block(key, counter, nonce):
    rotate = lambda v, n: ((v << n) | (v >> (32 - n))) & 0xFFFFFFFF
    state = list(struct.unpack("<4I", b"expand 32-byte k"))
    state += struct.unpack("<8I", key)
    state += [counter]
    state += struct.unpack("<3I", nonce)
    work = list(state)

    def quarter(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            work[x] = (work[x] + work[y]) & 0xFFFFFFFF
            work[z] = rotate(work[z] ^ work[x], n)

    for _ in range(10):
        for q in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            quarter(*q)
        for q in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(*q)
    return [(a + b) & 0xFFFFFFFF for a, b in zip(work, state)]


def draw(seed, coordinate):
    """The 24-bit draw of a coordinate: the upper bits of keystream word `coordinate`."""
    words = chacha_block(seed, coordinate // 16, b"llmchain/q/1")
    return words[coordinate % 16] >> 8


# RFC 8439, 2.3.2: the first and the last word of the example block.
_example = chacha_block(bytes(range(32)), 1, bytes.fromhex("000000090000004a00000000"))
assert (_example[0], _example[15]) == (0xE4E7F110, 0x4E3C50A2)

# --- the protocol ----------------------------------------------------------------------------------


def nearest(b, e, update, residual):
    values, rests = [], []
    for x, r in zip(update, residual):
        total = f32(x + r)  # a sum of two f32 in f64 rounds to the f32 sum
        rounded = half_even(Fraction(total) * 2**e)
        values.append(clamp(rounded, -limit(b), limit(b)))
        rests.append(Fraction(total) - Fraction(rounded, 2**e))
    return values, rests


def stochastic(b, e, update, seed, index):
    values = []
    for i, x in enumerate(update):
        v = Fraction(x) * 2**e
        floor = v.numerator // v.denominator
        u = Fraction(2 * draw(seed, index * CHUNK + i) + 1, 2**25)
        values.append(clamp(floor + (1 if u < v - floor else 0), -limit(b), limit(b)))
    return values


def group_sum(members, bound):
    return [clamp(sum(column), -bound, bound) for column in zip(*members)]


def aggregate(groups, weight_sum, e):
    scale = Fraction(2 ** (24 - e), weight_sum)
    return [clamp(half_even(sum(column) * scale), *I32) for column in zip(*groups)]


def server(mu, eta, g, p, m):
    """mu and eta are Q16 integers."""
    mu, eta = Fraction(mu, 65536), Fraction(eta, 65536)
    parameters, momentum = [], []
    for gi, pi, mi in zip(g, p, m):
        new = clamp(half_even(mu * mi) + gi, *I32)
        momentum.append(new)
        parameters.append(clamp(pi - half_even(eta * (gi + half_even(mu * new))), *I32))
    return parameters, momentum


KINDS = {"Update": (1, 2), "Parameters": (2, 4), "Momentum": (3, 4), "GroupSum": (4, 2)}


def blake(*parts):
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def pattern(kind, length, start):
    """Coordinates that a test can make itself: i * 40503 + start, wrapped to the kind's integer."""
    size = 8 * KINDS[kind][1]
    wrap = lambda v: (v + 2 ** (size - 1)) % 2**size - 2 ** (size - 1)
    return [wrap(i * 40503 + start) for i in range(length)]


def chunk_bytes(kind, values, index):
    part = values[index * CHUNK : (index + 1) * CHUNK]
    return struct.pack("<%d%s" % (len(part), "h" if KINDS[kind][1] == 2 else "i"), *part)


def leaf_hashes(kind, owner, values):
    count = -(-len(values) // CHUNK)
    head = bytes([KINDS[kind][0]])
    length = struct.pack("<Q", len(values))
    return [
        blake(b"llmchain/leaf/1", head, struct.pack("<I", i), length, owner, chunk_bytes(kind, values, i))
        for i in range(count)
    ]


def top(leaves, size):
    """Root of the subtree of `size` leaves, the missing ones zero."""
    if size == 1:
        return leaves[0] if leaves else bytes(32)
    half = size // 2
    return blake(b"llmchain/node/1", top(leaves[:half], half), top(leaves[half:], half))


def tree_size(leaves):
    size = 1
    while size < len(leaves):
        size *= 2
    return size


def root(kind, length, leaves):
    head = bytes([KINDS[kind][0]])
    return blake(b"llmchain/root/1", head, struct.pack("<Q", length), top(leaves, tree_size(leaves)))


def siblings(leaves, size, index):
    """From the leaf upwards."""
    if size == 1:
        return []
    half = size // 2
    left, right = leaves[:half], leaves[half:]
    if index < half:
        return siblings(left, half, index) + [top(right, half)]
    return siblings(right, half, index - half) + [top(left, half)]


# --- the cases -------------------------------------------------------------------------------------


def text(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return " ".join(text(v) for v in value)
    return str(value)


def case(name, **fields):
    lines = ["[%s]" % name] + ["%s = %s" % (k, text(v)) for k, v in fields.items()]
    return "\n".join(lines) + "\n"


def edge_values(e):
    """Values at and around ties, subnormals, signs and limits of a quantiser with step 2^-e."""
    step = 2.0**-e
    edges = [0.0, -0.0, step / 2, -step / 2, 1.5 * step, -1.5 * step, 2.5 * step, step / 4, -step * 0.75]
    edges += [f32(step * 0.49999997), f32(step * 0.50000006), 1e-45, -1e-45, 2.0**-126, 3.4e38, -3.4e38]
    edges += [step * 126.5, step * 127.5, -step * 127.5, step * 2.0**23, step * (2.0**24 - 1)]
    return [f32(x) for x in edges]


def quantiser_cases(rng):
    out = []
    for b, e in ((8, 0), (8, 8), (12, 16), (16, 24), (2, 4)):
        update = edge_values(e) + [f32(rng.gauss(0, 40 * 2.0**-e)) for _ in range(40)]
        values, rests = nearest(b, e, update, [0.0] * len(update))
        patterns = [bits(float(r)) if r else bits(0.0) for r in rests]
        assert all(Fraction(from_bits(p)) == r for p, r in zip(patterns, rests)), "a residual is not exact"
        out.append(case("nearest b=%d e=%d" % (b, e), rule="nearest", bits=b, exponent=e,
                        update=[bits(x) for x in update], values=values, residual=patterns))
        # A second round carries the first one's residual.
        update = [f32(rng.gauss(0, 3 * 2.0**-e)) for _ in update]
        carried = [from_bits(p) for p in patterns]
        values, rests = nearest(b, e, update, carried)
        out.append(case("nearest with a residual b=%d e=%d" % (b, e), rule="nearest", bits=b, exponent=e,
                        update=[bits(x) for x in update], carried=patterns, values=values,
                        residual=[bits(float(r)) if r else bits(0.0) for r in rests]))
        for index in (0, 1, 700):
            seed = rng.randbytes(32)
            update = edge_values(e) + [f32(rng.gauss(0, 2.0**-e)) for _ in range(60)]
            out.append(case("stochastic b=%d e=%d chunk %d" % (b, e, index), rule="stochastic", bits=b,
                            exponent=e, seed=seed, index=index, update=[bits(x) for x in update],
                            values=stochastic(b, e, update, seed, index)))
    fixed = [f32(x) for x in (0.0, 0.02, -0.02, 2.0**-25, 3 * 2.0**-25, -(2.0**-25), 127.99999, -127.99999)]
    out.append(case("parameters to Q7.24", rule="parameters", update=[bits(x) for x in fixed],
                    values=[half_even(Fraction(x) * 2**24) for x in fixed]))
    nan, inf = "7fc00000", "ff800000"
    bad = [
        ("bits 1", dict(rule="nearest", bits=1, exponent=8, update=bits(0.0), error="Bits { bits: 1 }")),
        ("bits 17", dict(rule="nearest", bits=17, exponent=8, update=bits(0.0), error="Bits { bits: 17 }")),
        ("exponent 25", dict(rule="nearest", bits=8, exponent=25, update=bits(0.0),
                             error="Exponent { exponent: 25 }")),
        ("not a number", dict(rule="nearest", bits=8, exponent=8, update=[bits(1.0), nan],
                              error="NotFinite { index: 1 }")),
        ("infinite in chunk 2", dict(rule="stochastic", bits=8, exponent=8, seed=bytes(32), index=2,
                                     update=[bits(1.0), inf], error="NotFinite { index: 8193 }")),
        ("chunk beyond 2^32", dict(rule="stochastic", bits=8, exponent=8, seed=bytes(32), index=2**20,
                                   update=bits(1.0), error="VectorLength { len: 4294967297 }")),
        ("parameter of 128", dict(rule="parameters", update=[bits(1.0), bits(-128.0)],
                                  error="ParameterRange { index: 1, bits: 3271557120 }")),
    ]
    return out + [case("bad_" + name.replace(" ", "_"), **fields) for name, fields in bad]


def aggregate_cases(rng):
    out = []
    for b, e, weights in ((8, 8, [1]), (8, 8, [1, 2, 3, 4]), (8, 0, [16]), (12, 20, [1, 1, 1]), (16, 0, [1]),
                          (2, 24, [5, 16])):
        top_value = limit(b)
        quantised = [[rng.randint(-top_value, top_value) for _ in range(24)] + [top_value, -top_value]
                     for _ in weights]
        # Auditable: groups of one.
        groups = [[w * q for q in member] for w, member in zip(weights, quantised)]
        out.append(case("groups of one b=%d e=%d weights %s" % (b, e, text(weights)), rule="aggregate",
                        exponent=e, weight_sum=sum(weights), groups="; ".join(text(g) for g in groups),
                        values=aggregate(groups, sum(weights), e)))
        bound = min(limit(b) * sum(weights), 32767)
        out.append(case("one group b=%d weights %s" % (b, text(weights)), rule="group_sum", bound=bound,
                        groups="; ".join(text(g) for g in groups), values=group_sum(groups, bound)))
    liar = [[32767, -32768, 5], [32767, -32768, 6]]
    out.append(case("a liar saturates", rule="group_sum", bound=254,
                    groups="; ".join(text(g) for g in liar), values=group_sum(liar, 254)))
    for name, mu, eta in (("plain", 0, 65536), ("nesterov", 58982, 45875), ("largest", 65535, 16 << 16),
                          ("smallest rate", 32768, 1)):
        edges = [0, 1, -1, I32[0], I32[1]]
        g = edges + [rng.randint(-2**20, 2**20) for _ in range(15)] + [rng.randint(*I32) for _ in range(5)]
        p = [rng.choice(edges + [rng.randint(-2**26, 2**26)] * 5) for _ in g]
        m = [rng.choice(edges + [rng.randint(-2**20, 2**20)] * 5) for _ in g]
        parameters, momentum = server(mu, eta, g, p, m)
        out.append(case("server update, " + name, rule="server", mu=mu, eta=eta, gradient=g, parameters=p,
                        momentum=m, new_parameters=parameters, new_momentum=momentum))
    # Ties of rnd: mu * m' and eta * x end in exactly half.
    g, p, m = [1, -1, 3, -3, 2, 5], [0] * 6, [1, -1, 3, 5, -5, 7]
    parameters, momentum = server(32768, 32768, g, p, m)
    out.append(case("server update, ties", rule="server", mu=32768, eta=32768, gradient=g, parameters=p,
                    momentum=m, new_parameters=parameters, new_momentum=momentum))
    bad = [
        ("no members", dict(rule="group_sum", bound=127, groups="", error="NoMembers")),
        ("bound", dict(rule="group_sum", bound=0, groups="1", error="Bound { bound: 0 }")),
        ("ragged", dict(rule="aggregate", exponent=8, weight_sum=2, groups="1 2; 1",
                        error="LengthMismatch { expected: 2, got: 1 }")),
        ("weights", dict(rule="aggregate", exponent=8, weight_sum=0, groups="1",
                         error="WeightSum { weight_sum: 0 }")),
        ("momentum", dict(rule="server", mu=65536, eta=1, gradient="1", parameters="1", momentum="1",
                          error="Momentum { momentum: 65536 }")),
        ("rate", dict(rule="server", mu=0, eta=0, gradient="1", parameters="1", momentum="1",
                      error="Rate { rate: 0 }")),
        ("momentum length", dict(rule="server", mu=0, eta=1, gradient="1 2", parameters="1 2", momentum="1",
                                 error="LengthMismatch { expected: 2, got: 1 }")),
    ]
    for b, weight_sum in ((8, 258), (8, 259), (12, 16), (12, 17), (16, 1), (16, 2), (2, 32767), (2, 32768)):
        product = limit(b) * weight_sum
        verdict = dict(values=product) if product <= 32767 else dict(
            error="Ring { bits: %d, max_weight_sum: %d }" % (b, weight_sum))
        name = "ring b=%d sum=%d" % (b, weight_sum)
        fields = dict(rule="ring", bits=b, weight_sum=weight_sum, **verdict)
        out.append(case(name if "values" in verdict else "bad_" + name.replace(" ", "_"), **fields))
    return out + [case("bad_" + name.replace(" ", "_"), **fields) for name, fields in bad]


def merkle_cases(rng):
    out = []
    shapes = [("Update", 1), ("Update", 4096), ("Update", 4097), ("GroupSum", 3 * 4096), ("Parameters", 5 * 4096 + 7),
              ("Momentum", 8 * 4096), ("Parameters", 8 * 4096 + 1)]
    for number, (kind, length) in enumerate(shapes):
        owner = rng.randbytes(32) if kind == "Update" else bytes(32)
        start = rng.randint(0, 2**30)
        values = pattern(kind, length, start)
        leaves = leaf_hashes(kind, owner, values)
        common = dict(kind=KINDS[kind][0], owner=owner, len=length, start=start, root=root(kind, length, leaves))
        out.append(case("%s of %d" % (kind, length), rule="tree", **common, leaves=leaves))
        size = tree_size(leaves)
        for index in sorted({0, len(leaves) // 2, len(leaves) - 1}):
            proof = siblings(leaves, size, index)
            out.append(case("chunk %d of %s of %d" % (index, kind, length), rule="chunk", **common, index=index,
                            proof=proof))
        if number != 4:
            continue
        proof = siblings(leaves, size, 2)
        negatives = [
            ("index beyond the end", dict(index=6, proof=proof), "ChunkIndex { index: 6, chunks: 6 }"),
            ("short proof", dict(index=2, proof=proof[:-1]), "ProofLength { expected: 3, got: 2 }"),
            ("long proof", dict(index=2, proof=proof + proof[:1]), "ProofLength { expected: 3, got: 4 }"),
            ("siblings in the wrong order", dict(index=2, proof=proof[::-1]), "ChunkNotInRoot { index: 2,"),
            ("proof of another chunk", dict(index=2, proof=siblings(leaves, size, 3)), "ChunkNotInRoot { index: 2,"),
            ("owner", dict(index=2, proof=proof, owner=bytes([1]) * 32), "ChunkNotInRoot { index: 2,"),
            ("kind", dict(index=2, proof=proof, kind=3), "ChunkNotInRoot { index: 2,"),
            ("length", dict(index=2, proof=proof, len=length - 1), "ChunkNotInRoot { index: 2,"),
            ("kind code", dict(index=2, proof=proof, kind=5), "UnknownKind { code: 5 }"),
            ("root", dict(index=2, proof=proof, root=bytes(32)), "ChunkNotInRoot { index: 2,"),
        ]
        for name, change, error in negatives:
            out.append(case("bad_" + name.replace(" ", "_"), **{**dict(rule="chunk"), **common, **change}, error=error))
        out.append(case("bad_leaf_list", rule="tree", **{**common, "root": root("Momentum", length, leaves)},
                        leaves=leaves, error="RootMismatch"))
        out.append(case("bad_leaf_count", rule="tree", **common, leaves=leaves[:-1],
                        error="LeafCount { expected: 6, got: 5 }"))
    return out


def files():
    title = "# Written by scripts/vectors/secagg.py; do not edit. Format: see there.\n\n"
    makers = {"quantiser.txt": quantiser_cases, "aggregate.txt": aggregate_cases, "merkle.txt": merkle_cases}
    return {name: title + "\n".join(make(random.Random(name))) for name, make in makers.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    stale = []
    for name, content in files().items():
        path = FOLDER / name
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="ascii")
        elif not path.is_file() or path.read_text(encoding="ascii") != content:
            stale.append(name)
    if stale:
        sys.exit("these vectors are stale, run scripts/vectors/secagg.py: " + ", ".join(stale))


if __name__ == "__main__":
    main()
