// Checks that Polkadot.js, as released, shows and drives this chain as it should: the library behind Polkadot.js Apps.
//
//   node check.mjs ws://127.0.0.1:9944
//
// Uses nothing but the chain's own metadata: no types, no custom RPC definitions. Ends with what is wrong, and exit code 1; or
// prints what it found, as JSON, as its last line. Accounts: //Ferdie claims works, //Eve buys.
import { ApiPromise, HttpProvider, Keyring, WsProvider } from '@polkadot/api';
import { hexToU8a, u8aToHex, u8aToString } from '@polkadot/util';
import { blake2AsHex } from '@polkadot/util-crypto';
import assert from 'node:assert/strict';

const OURS = ['blobs', 'datasets', 'models', 'training', 'artworks'];
/** Longest first line of a call: what Apps shows beside it without cutting. */
const LONGEST = 100;
const TITLE = '靜夜思 · 與“月”';
const POEM = '床前明月光，\n疑是地上霜。\n舉頭望明月，\n低頭思故鄉。\n';

const url = process.argv[2];
assert(url, 'usage: node check.mjs ws://HOST:PORT');

/** Signs, sends, and waits until the transaction is in a block; its events, or the error by name. */
const send = (api, tx, signer) =>
	new Promise((resolve, reject) => {
		tx.signAndSend(signer, ({ status, events, dispatchError }) => {
			if (dispatchError?.isModule) {
				const { section, name, docs } = api.registry.findMetaError(dispatchError.asModule);
				reject(Object.assign(new Error(docs.join(' ')), { chainError: `${section}.${name}` }));
			} else if (dispatchError) {
				reject(new Error(dispatchError.toString()));
			} else if (status.isInBlock) {
				resolve(events.map(({ event }) => event));
			} else if (status.isInvalid || status.isDropped || status.isUsurped) {
				reject(new Error(`the pool says ${status.type}`));
			}
		}).catch(reject);
	});

const eventOf = (events, section, method) => {
	const found = events.find((event) => event.section === section && event.method === method);
	assert(found, `no event ${section}.${method} among ${events.map((e) => `${e.section}.${e.method}`)}`);
	return found;
};

/** What a wallet shows beside a call must be there and fit; what people read must be typed as text, bytes as bytes. */
const lint = (api) => {
	const complaints = [];
	let calls = 0;
	for (const section of OURS) {
		assert(api.tx[section], `no calls of ${section} in the metadata`);
		for (const [name, call] of Object.entries(api.tx[section])) {
			const length = [...(call.meta.docs[0]?.toString().trim() ?? '')].length;
			if (length === 0 || length > LONGEST) {
				complaints.push(`${section}.${name}: the first line of its documentation has ${length} characters, not 1 to ${LONGEST}`);
			}
			calls += 1;
		}
		for (const [name, error] of Object.entries(api.errors[section] ?? {})) {
			if (error.meta.docs.length === 0) {
				complaints.push(`error ${section}.${name} says nothing`);
			}
		}
	}
	const types = [
		// `Bytes` is what Apps offers a file upload for; `Text` is what it shows as words.
		['artworks', 'register', 'title', 'Text'],
		['artworks', 'register', 'file', 'Bytes'],
		['artworks', 'buy', 'work', 'H256'],
		['models', 'create', 'name', 'Text'],
		['blobs', 'archive', 'data', 'Bytes'],
	];
	for (const [section, call, field, wanted] of types) {
		const found = api.tx[section][call]?.meta.args.find(({ name }) => name.toString() === field)?.type.toString();
		if (found !== wanted) {
			complaints.push(`${section}.${call}: ${field} is ${found}, not ${wanted}`);
		}
	}
	return { calls, complaints };
};

/** Registers, lists, sells, and reads back, as an artist does. */
const artist = async (api, claimant, buyer) => {
	const file = new TextEncoder().encode(POEM);
	const hash = blake2AsHex(file);
	const { work, title, file: seen } = eventOf(
		await send(api, api.tx.artworks.register(TITLE, u8aToHex(file), 'Human', null), claimant),
		'artworks',
		'WorkRegistered',
	).data;
	assert.equal(title.toString(), TITLE, 'the title of the event is not shown as text');
	assert.equal(title.toHuman(), TITLE);
	assert.equal(seen.toHex(), hash, 'the hash of the file is not BLAKE2b-256 of its bytes');

	const stored = (await api.query.artworks.works(work)).unwrap();
	assert.equal(stored.title.toString(), TITLE, 'the stored title is not shown as text');
	assert.equal((await api.query.artworks.workOfFile(hash)).unwrap().toHex(), work.toHex());
	const view = (await api.call.artworksApi.work(work)).unwrap();
	assert.equal(view.title.toString(), TITLE);
	assert.equal(view.owner.toString(), claimant.address);
	assert((await api.call.artworksApi.workOf(hash)).unwrap().eq(work));

	await assert.rejects(send(api, api.tx.artworks.register(TITLE, u8aToHex(file), 'Human', null), claimant), {
		chainError: 'artworks.AlreadyRegistered',
	});
	const price = 3_000_000_000_000n;
	await assert.rejects(send(api, api.tx.artworks.buy(work, price), buyer), { chainError: 'artworks.NotForSale' });
	eventOf(await send(api, api.tx.artworks.listForSale(work, price), claimant), 'artworks', 'WorkListed');
	const sold = eventOf(await send(api, api.tx.artworks.buy(work, price), buyer), 'artworks', 'WorkSold').data;
	assert.equal(sold.price.toBigInt(), price);
	const history = await api.call.artworksApi.provenance(work, 0, 100);
	assert.deepEqual(
		history.map(({ event }) => event.type),
		['Registered', 'Listed', 'Sold'],
	);
	return { work: work.toHex(), block: history[0].block.toNumber(), hash };
};

/** The bytes of a work stand in the block that registered it, and are shown as they were. */
const bytesInBlock = async (api, { block, hash }) => {
	const { block: body } = await api.rpc.chain.getBlock(await api.rpc.chain.getBlockHash(block));
	const call = body.extrinsics
		.map(({ method }) => method)
		.find(({ section, method }) => section === 'artworks' && method === 'register');
	assert(call, `block ${block} holds no registration`);
	assert.equal(call.args[0].toString(), TITLE);
	const bytes = hexToU8a(call.args[1].toHex());
	assert.equal(u8aToString(bytes), POEM, 'the poem lost something, perhaps its line breaks');
	assert.equal(blake2AsHex(bytes), hash);
};

/** `archive` works by itself, and leaves nothing in any wrapper or when it fails. */
const archive = async (api, http, signer) => {
	const stored = (bytes) => http.send('llm_archived', [blake2AsHex(bytes)]);
	const [alone, wrapped, nested] = ['alone', 'wrapped', 'nested'].map((word) =>
		new TextEncoder().encode(`${word} ${Date.now()}`),
	);
	const [hash] = eventOf(
		await send(api, api.tx.blobs.archive(u8aToHex(alone)), signer),
		'blobs',
		'Archived',
	).data;
	assert.equal(hash.toHex(), blake2AsHex(alone));
	assert.equal(await stored(alone), u8aToHex(alone), 'archived bytes are not served');
	// The pool refuses it before it costs a fee.
	await assert.rejects(send(api, api.tx.blobs.archive(u8aToHex(alone)), signer), /1010: Invalid Transaction/);
	assert.equal(await stored(alone), u8aToHex(alone), 'an archive that failed took the bytes away');

	const inner = (bytes) => api.tx.blobs.archive(u8aToHex(bytes));
	const wrappers = [
		[wrapped, api.tx.utility.batch([inner(wrapped)])],
		[wrapped, api.tx.utility.batchAll([api.tx.system.remark('0x00'), inner(wrapped)])],
		[nested, api.tx.utility.forceBatch([api.tx.utility.asDerivative(0, inner(nested))])],
	];
	for (const [bytes, tx] of wrappers) {
		// Refused by the pool, or put into a block and failed: both are right, and neither stores anything.
		const events = await send(api, tx, signer).catch(() => []);
		assert(!events.some(({ section, method }) => section === 'blobs' && method === 'Archived'));
		assert((await api.query.blobs.blobs(blake2AsHex(bytes))).isNone, 'a wrapped archive is in state');
		assert.equal(await stored(bytes), null, 'a wrapped archive is in the store');
	}
};

/** Every block and every event of the chain so far decodes. */
const decodeAll = async (api) => {
	const last = (await api.rpc.chain.getHeader()).number.toNumber();
	let [events, extrinsics] = [0, 0];
	for (let number = 1; number <= last; number += 1) {
		const hash = await api.rpc.chain.getBlockHash(number);
		const { block } = await api.rpc.chain.getBlock(hash);
		extrinsics += block.extrinsics.length;
		for (const { event } of await (await api.at(hash)).query.system.events()) {
			assert(event.section && event.method, `block ${number} holds an event that does not decode`);
			JSON.stringify(event.toHuman());
			events += 1;
		}
	}
	return { blocks: last, extrinsics, events };
};

const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true, throwOnConnect: true });
const http = new HttpProvider(url.replace(/^ws/, 'http'));
try {
	assert.deepEqual(api.registry.chainTokens, ['LLM']);
	assert.deepEqual(api.registry.chainDecimals, [12]);
	assert.equal(api.registry.chainSS58, 42);
	const keyring = new Keyring({ type: 'sr25519' });
	const [claimant, buyer] = ['//Ferdie', '//Eve'].map((suri) => keyring.addFromUri(suri));
	const { calls, complaints } = lint(api);
	const sale = await artist(api, claimant, buyer);
	await bytesInBlock(api, sale);
	await archive(api, http, claimant);
	const decoded = await decodeAll(api);
	assert.deepEqual(complaints, []);
	console.log(JSON.stringify({ calls, ...sale, ...decoded }));
} catch (error) {
	console.error(error);
	process.exitCode = 1;
} finally {
	await api.disconnect();
}
