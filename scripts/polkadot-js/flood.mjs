// Floods a chain with paid transactions, as somebody with money can: more weight than its blocks take for a while.
//
//   node flood.mjs ws://127.0.0.1:9944 TRANSACTIONS TRANSFERS
//
// Each transaction is a batch of TRANSFERS transfers between development accounts; every other one has a high tip. All are handed to
// the node's pool at once. Prints how many it took, as JSON, as its last line.
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import assert from 'node:assert/strict';

const [url, transactions, transfers] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
assert(url && transactions > 0 && transfers > 0, 'usage: node flood.mjs ws://HOST:PORT TRANSACTIONS TRANSFERS');

const SENDERS = ['//Eve', '//Ferdie', '//Bob//stash', '//Charlie//stash', '//Dave//stash', '//Ferdie//stash'];
/** A tip that puts a transaction before all others that pay. */
const TIP = 100_000_000_000n;

const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true, throwOnConnect: true });
try {
	const keyring = new Keyring({ type: 'sr25519' });
	const pairs = SENDERS.map((suri) => keyring.addFromUri(suri));
	const pour = async (pair, i) => {
		let nonce = (await api.rpc.system.accountNextIndex(pair.address)).toNumber();
		const transfer = api.tx.balances.transferKeepAlive(pairs[(i + 1) % pairs.length].address, 1_000_000_000n);
		const batch = api.tx.utility.batch(Array(transfers).fill(transfer));
		const share = Math.ceil(transactions / pairs.length);
		for (let sent = 0; sent < share; sent += 1) {
			const signed = await batch.signAsync(pair, { nonce, tip: nonce % 2 === 0 ? TIP : 0n, era: 0 });
			await api.rpc.author.submitExtrinsic(signed);
			nonce += 1;
		}
		return share;
	};
	const taken = await Promise.all(pairs.map(pour));
	console.log(JSON.stringify({ taken: taken.reduce((sum, count) => sum + count, 0) }));
} catch (error) {
	console.error(error);
	process.exitCode = 1;
} finally {
	await api.disconnect();
}
