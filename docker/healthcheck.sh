#!/bin/sh
# Healthy: the node answers `system_health` and is not catching up with the chain.
#
# LLMCHAIN_RPC names another endpoint than the node's own.
set -eu
answer=$(curl --silent --fail --max-time 4 \
	--header 'Content-Type: application/json' \
	--data '{"jsonrpc":"2.0","id":1,"method":"system_health","params":[]}' \
	"${LLMCHAIN_RPC:-http://127.0.0.1:9944}")
case $answer in
*'"isSyncing":false'*) ;;
*)
	printf 'not healthy: %s\n' "$answer" >&2
	exit 1
	;;
esac
