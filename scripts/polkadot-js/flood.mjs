// Floods a chain with paid transactions, as somebody with money can: keeps a node's pool full for as long as the numbers last.
//
//   node flood.mjs ws://127.0.0.1:9944 TRANSFERS REMARKS
//
// Transfers of development accounts and remarks that fill blocks, half of them with a high tip. What the pool does not take for lack
// of room is offered again. Prints how many it took, as JSON, as its last line; may be killed before.
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import { u8aToHex } from '@polkadot/util';
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

const [url, transfers, remarks] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
assert(url && transfers >= 0 && remarks >= 0, 'usage: node flood.mjs ws://HOST:PORT TRANSFERS REMARKS');

const SENDERS = ['//Eve', '//Ferdie', '//Bob//stash', '//Charlie//stash', '//Dave//stash', '//Ferdie//stash'];
/** Bytes of a remark: nine of them fill a block. */
const REMARK = 1_000_000;
/** A tip that puts a transaction before all others that pay. */
const TIP = 100_000_000_000n;
/** Milliseconds before a transaction is offered again. */
const AGAIN = 300;

/** Sends one account's share in order of nonces. */
const pour = async (api, pair, calls) => {
	let nonce = (await api.rpc.system.accountNextIndex(pair.address)).toNumber();
	for (const call of calls) {
		const signed = await call.signAsync(pair, { nonce, tip: nonce % 2 === 0 ? TIP : 0n, era: 0 });
		while (!(await api.rpc.author.submitExtrinsic(signed).then(() => true, () => false))) {
			await pause(AGAIN);
			const next = (await api.rpc.system.accountNextIndex(pair.address)).toNumber();
			if (next > nonce) {
				break;
			}
		}
		nonce += 1;
	}
	return calls.length;
};

const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true, throwOnConnect: true });
try {
	const keyring = new Keyring({ type: 'sr25519' });
	const pairs = SENDERS.map((suri) => keyring.addFromUri(suri));
	const remark = api.tx.system.remark(u8aToHex(new Uint8Array(REMARK)));
	const shares = pairs.map((_, i) => {
		const transfer = api.tx.balances.transferKeepAlive(pairs[(i + 1) % pairs.length].address, 1_000_000_000n);
		const [count, large] = [transfers, remarks].map((all) => Math.ceil(all / pairs.length));
		const every = large > 0 ? Math.ceil(count / large) : Infinity;
		const mixed = Array.from({ length: count }, (_, k) => (k % every === 0 ? [remark, transfer] : [transfer]));
		return mixed.flat();
	});
	const taken = await Promise.all(pairs.map((pair, i) => pour(api, pair, shares[i])));
	console.log(JSON.stringify({ taken: taken.reduce((sum, count) => sum + count, 0) }));
} catch (error) {
	console.error(error);
	process.exitCode = 1;
} finally {
	await api.disconnect();
}
