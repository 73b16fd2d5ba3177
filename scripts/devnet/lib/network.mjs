import { Cell, Dictionary, beginCell } from '@ton/core';
import { defaultConfig } from '@ton/sandbox';

/**
 * The network id of the devnet (-239 is mainnet, -3 testnet). It is part of v5 wallet ids and of
 * channel terms, so that nothing signed for a devnet is worth anything on a real network.
 */
export const DEVNET_GLOBAL_ID = -777;

/** `2026`: the prices of mainnet since May 2026. `sandbox`: the six times higher ones before it. */
export const PRICE_SETS = ['2026', 'sandbox'];

const GLOBAL_ID_PARAM = 19;
const BASECHAIN_GAS_PARAM = 21;
const BASECHAIN_FORWARD_PARAM = 25;

/** Validator sets and governance make up 99 % of the configuration and no contract of ours reads them. */
const KEPT_PARAMS = new Set([0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 28, 29, 31]);

const FIXED_POINT = 65536n;

function perUnit(numerator, denominator) {
  return (numerator * FIXED_POINT + denominator - 1n) / denominator;
}

function gasPrices2026() {
  return beginCell()
    .storeUint(0xd1, 8).storeUint(100, 64).storeUint(6_667, 64)
    .storeUint(0xde, 8)
    .storeUint(perUnit(200n, 3n), 64)
    .storeUint(1_000_000, 64).storeUint(1_000_000, 64).storeUint(10_000, 64)
    .storeUint(10_000_000, 64).storeUint(100_000_000, 64).storeUint(1_000_000_000, 64)
    .endCell();
}

function forwardPrices2026() {
  return beginCell()
    .storeUint(0xea, 8)
    .storeUint(66_667, 64)
    .storeUint(perUnit(200n, 3n), 64)
    .storeUint(perUnit(20_000n, 3n), 64)
    .storeUint(98_304, 32).storeUint(21_845, 16).storeUint(21_845, 16)
    .endCell();
}

/** The blockchain configuration as the dictionary cell that the TVM reads. */
export function networkConfig(prices) {
  const source = Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), Cell.fromBase64(defaultConfig));
  const config = Dictionary.empty(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
  for (const [id, value] of source) {
    if (KEPT_PARAMS.has(id)) config.set(id, value);
  }
  config.set(GLOBAL_ID_PARAM, beginCell().storeInt(DEVNET_GLOBAL_ID, 32).endCell());
  switch (prices) {
    case '2026':
      config.set(BASECHAIN_GAS_PARAM, gasPrices2026());
      config.set(BASECHAIN_FORWARD_PARAM, forwardPrices2026());
      break;
    case 'sandbox':
      break;
    default:
      throw new RangeError(`unknown price set "${prices}": use ${PRICE_SETS.join(' or ')}`);
  }
  return beginCell().storeDictDirect(config).endCell();
}
