import assert from 'node:assert/strict';

/** Done, and nothing that left could come back. */
export function assertAccepted(outcome) {
  assert.equal(outcome.exitCode, 0);
  assert.ok(outcome.accepted);
  for (const message of outcome.sent) assert.equal(message.bounce, false, 'a message of the contract could bounce');
}

/** Refused with this code: nothing but the bounce leaves, the balance loses rent only, and no storage is written. */
export async function assertRefused(contract, code, send) {
  const [state, balance] = [contract.state(), contract.balance];
  const outcome = await send();
  assert.equal(outcome.exitCode, code);
  assert.ok(outcome.sent.every(({ bounced }) => bounced));
  if (state !== null) assert.deepEqual(contract.state(), state);
  assert.equal(contract.balance, balance - outcome.rent);
}
