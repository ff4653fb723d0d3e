// Compares the metadata of a running node with that in a file: the file that `llmchain` is built with.
//
//   node metadata.mjs ws://127.0.0.1:9944 cli/metadata.scale
//
// Everything but the values of constants must be the same: a preset decides about slot and session lengths, and some constants follow.
// Prints the number of types, as JSON, as its last line.
import { ApiPromise, WsProvider } from '@polkadot/api';
import { Metadata, TypeRegistry } from '@polkadot/types';
import { hexToU8a } from '@polkadot/util';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const [url, path] = process.argv.slice(2);
assert(url && path, 'usage: node metadata.mjs ws://HOST:PORT FILE');

/** Version of the format in its SCALE form: the first with runtime APIs. */
const VERSION = '0x0f000000';

/** A metadata as plain data, without the values of constants. */
const plain = (bytes) => {
	const { magicNumber, metadata } = new Metadata(new TypeRegistry(), bytes).toJSON();
	const content = metadata.v15;
	assert(content, 'not version 15');
	for (const { constants } of content.pallets) {
		for (const constant of constants) {
			delete constant.value;
		}
	}
	return { magicNumber, ...content };
};

const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true, throwOnConnect: true });
try {
	const answer = await api.rpc.state.call('Metadata_metadata_at_version', VERSION);
	const served = api.registry.createType('Option<Bytes>', hexToU8a(answer.toHex())).unwrap();
	const [node, file] = [plain(served.toHex()), plain(`0x${readFileSync(path).toString('hex')}`)];
	for (const part of Object.keys(node)) {
		assert.deepEqual(file[part], node[part], `${part} of ${path} is not the node's; write the file anew`);
	}
	console.log(JSON.stringify({ types: node.lookup.types.length, pallets: node.pallets.length }));
} catch (error) {
	console.error(error.message);
	process.exitCode = 1;
} finally {
	await api.disconnect();
}
