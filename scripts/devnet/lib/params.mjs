import { Address, Cell, getMethodId } from '@ton/core';
import { invalid } from './errors.mjs';

/** Readers of request parameters: each returns a checked value or throws what the caller did wrong. */

export function addressParam(params, name = 'address') {
  const text = stringParam(params, name);
  try {
    return Address.parse(text);
  } catch {
    throw invalid(`${name}: not an address`);
  }
}

export function stringParam(params, name, { optional = false } = {}) {
  const value = params[name];
  if (value === undefined || value === null || value === '') {
    if (optional) return undefined;
    throw invalid(`${name}: missing`);
  }
  if (typeof value !== 'string') throw invalid(`${name}: not a string`);
  return value;
}

export function integerParam(params, name, { min, max, fallback }) {
  const value = params[name];
  if (value === undefined || value === null || value === '') {
    if (fallback !== undefined) return fallback;
    throw invalid(`${name}: missing`);
  }
  const number = typeof value === 'string' && /^-?[0-9]{1,15}$/.test(value) ? Number(value) : value;
  if (!Number.isSafeInteger(number) || number < min || number > max) throw invalid(`${name}: not an integer from ${min} to ${max}`);
  return number;
}

/** A non-negative integer that may exceed what JSON numbers hold exactly; strings are the safe form. */
export function bigParam(params, name, { max, optional = false }) {
  const value = params[name];
  if ((value === undefined || value === null || value === '') && optional) return undefined;
  const text = Number.isSafeInteger(value) ? value.toString() : value;
  if (typeof text !== 'string' || !/^[0-9]{1,39}$/.test(text)) throw invalid(`${name}: not a decimal integer`);
  const number = BigInt(text);
  if (number > max) throw invalid(`${name}: more than ${max}`);
  return number;
}

export function boolParam(params, name, fallback) {
  const value = params[name];
  if (value === undefined || value === null || value === '') return fallback;
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw invalid(`${name}: not true or false`);
}

export function bytesParam(params, name) {
  const text = stringParam(params, name);
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) throw invalid(`${name}: not base64`);
  return Buffer.from(text, 'base64');
}

export function cellParam(params, name, { optional = false } = {}) {
  const text = stringParam(params, name, { optional });
  if (text === undefined) return null;
  try {
    return Cell.fromBase64(text);
  } catch (error) {
    throw invalid(`${name}: not a bag of one cell: ${error.message}`);
  }
}

/** A 32-byte hash in hex, base64 or base64url. */
export function hashParam(params, name, { optional = false } = {}) {
  const text = stringParam(params, name, { optional });
  if (text === undefined) return undefined;
  const bytes = /^[0-9a-fA-F]{64}$/.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64');
  if (bytes.length !== 32) throw invalid(`${name}: not a 32-byte hash`);
  return bytes;
}

export function methodParam(params, name = 'method') {
  const value = params[name];
  if (Number.isSafeInteger(value) && value >= 0 && value < 2 ** 31) return value;
  const text = stringParam(params, name);
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  if (text.length > 128) throw invalid(`${name}: longer than 128 characters`);
  return getMethodId(text);
}
