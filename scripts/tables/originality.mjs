#!/usr/bin/env node
// Writes crates/originality/src/tables.rs: the character tables of docs/protocol/fingerprint.md, for Unicode 18.0.0.
//
//     npm pack @unicode/unicode-18.0.0@2.0.7 && tar xzf unicode-unicode-18.0.0-2.0.7.tgz
//     scripts/tables/originality.mjs package
//
// The SHA-256 of the package file is 8c665ff10d37ec75c77fa1182ea56b2ee5bcf4ad6a4f00bdcbfa0a69eab91445.
// Lookalikes come from crates/originality/tables/lookalikes.txt, which is edited by hand.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [unicode] = process.argv.slice(2);
const crate = resolve(dirname(fileURLToPath(import.meta.url)), '../../crates/originality');
const load = async (path) => (await import(pathToFileURL(resolve(unicode, path)).href)).default;
const points = (path) => load(`${path}/code-points.mjs`);
const hex = (point) => `0x${point.toString(16)}`;

// Sorted points as ranges [first, last].
const ranges = (set) => {
	const out = [];
	for (const point of [...set].sort((a, b) => a - b)) {
		const last = out.at(-1);
		if (last && last[1] + 1 === point) last[1] = point;
		else out.push([point, point]);
	}
	return out;
};
// Six rows on a line.
const packed = (rows) => {
	const words = rows.map((row) => `(${row.join(', ')}),`);
	let text = '';
	for (let i = 0; i < words.length; i += 6) text += `\t${words.slice(i, i + 6).join(' ')}\n`;
	return text;
};
const table = (name, doc, type, rows) =>
	`/// ${doc}\n#[rustfmt::skip]\npub(crate) const ${name}: &[${type}] = &[\n${packed(rows)}];\n`;
const set = async (name, doc, paths) => {
	const all = new Set((await Promise.all(paths.map(points))).flat());
	return table(name, doc, '(u32, u32)', ranges(all).map((range) => range.map(hex)));
};

// Lower case as rows (first, last, step, distance): runs of equal distance, every character or every second one.
const lower = [];
for (const [from, to] of [...(await points('Simple_Case_Mapping/Lowercase'))].sort((a, b) => a[0] - b[0])) {
	const row = lower.at(-1);
	const gap = row && from - row[1];
	if (row && row[3] === to - from && (row[2] ? gap === row[2] : gap === 1 || gap === 2)) {
		row[2] = gap;
		row[1] = from;
	} else lower.push([from, from, 0, to - from]);
}
const lookalikes = readFileSync(`${crate}/tables/lookalikes.txt`, 'utf8')
	.split('\n')
	.filter((line) => line && !line.startsWith('#'))
	.map((line) => line.split(' ').slice(0, 2).map((word) => `0x${word.toLowerCase()}`));

const category = (name) => `General_Category/${name}`;
const text = [
	`//! Character tables of Unicode 18.0.0, written by \`scripts/tables/originality.mjs\`. Do not edit.
//!
//! They are in the crate so that no compiler's tables decide a hash. Knows nothing of what they are used for.
//! Source: npm \`@unicode/unicode-18.0.0\` 2.0.7; \`tables/lookalikes.txt\`. Every table is sorted.

`,
	await set('DROPPED', 'What ISCC leaves out: categories C, M and P, and white space; first and last of each range.', [
		...['Other', 'Mark', 'Punctuation'].map(category),
		'Binary_Property/White_Space',
	]),
	table('LOWER', 'Lower case: first, last, step (0: one character), distance.', '(u32, u32, u32, i32)',
		lower.map(([first, last, step, distance]) => [hex(first), hex(last), step, distance])),
	await set('CASED', 'Unicode\'s `Cased`.', ['Binary_Property/Cased']),
	await set('CASE_IGNORABLE', 'Unicode\'s `Case_Ignorable`.', ['Binary_Property/Case_Ignorable']),
	table('LOOKALIKES', 'Letters in lower case that look like another: the letter, the other.', '(u32, u32)', lookalikes),
];
writeFileSync(`${crate}/src/tables.rs`, text.join('\n').replace('sorted.\n\n\n', 'sorted.\n\n'));
