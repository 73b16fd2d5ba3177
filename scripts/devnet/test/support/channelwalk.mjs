import assert from 'node:assert/strict';
import { ChannelFixture, simple } from './channel.mjs';
import { ChannelModel } from './channelmodel.mjs';
import { keyFrom } from './keys.mjs';
import { Random } from './random.mjs';
import { party } from './world.mjs';

const VALUES = [9_999_999n, 10_000_000n, 20_000_000n, 50_000_000n, 50_000_000n, 50_000_000n, 50_000_000n, 300_000_000n];
const STEPS_OF_TIME = [0, 0, 0, 0, 1, 30, 60, 300];
const STEPS_AFTER_THE_END = 8;
const KINDS = ['claim', 'claim', 'claim', 'claim', 'claim', 'claim', 'coopClose', 'topUp', 'topUp', 'startClose', 'finishClose', 'extend', 'extend', 'open', 'unknown'];
const NOBODY = keyFrom('nobody');
const MESSAGE_FEES = 2_000_000n;

/**
 * A random walk over one channel, with a twin that shares its keys: each step is predicted by the model and
 * checked against the chain. The invariants C1–C8 and C11 of the README are asserted on every step.
 */
export class ChannelWalk {
  constructor(world, code, seed) {
    this.random = new Random(seed);
    this.world = world;
    const { random } = this;
    const terms = {
      code,
      challenge: random.pick([1, 60, 900, 3_600]),
      openBefore: world.now + random.pick([30, 60, 300, 1_000]),
      expiresAt: random.chance(0.6) ? world.now + random.pick([500, 2_000, 4_000]) : 0,
    };
    this.channel = new ChannelFixture(world, { ...terms, salt: 1n });
    this.twin = new ChannelFixture(world, { ...terms, salt: 2n });
    this.initialExpiry = terms.expiresAt;
    this.model = new ChannelModel(terms);
    this.highestSigned = 0n;
    this.openings = 0;
    this.log = [];
    this.seen = new Map();
  }

  async run(steps) {
    let afterTheEnd = 0;
    for (let i = 0; i < steps && afterTheEnd < STEPS_AFTER_THE_END; i++) {
      if (this.world.now > this.model.openBefore && !this.model.opened) afterTheEnd++;
      this.world.advance(this.random.pick(STEPS_OF_TIME));
      const action = this.#chooseAction();
      this.log.push(describe(action, this.world.now));
      await this.#perform(action);
    }
  }

  #chooseAction() {
    const { random, model, channel } = this;
    const action = {
      kind: random.pick(KINDS),
      value: random.pick(VALUES),
      sender: random.pick([channel.client, channel.client, channel.payout, party('stranger')]),
      withInit: random.chance(model.gone ? 0.9 : 0.1),
      bounce: random.chance(0.9),
    };
    action.fromClient = action.sender.equals(channel.client);
    if (!model.opened && random.chance(this.log.length === 0 ? 0.9 : 0.6)) Object.assign(action, { kind: 'open', withInit: true, value: 300_000_000n });
    switch (action.kind) {
      case 'claim':
      case 'coopClose': {
        const claimed = model.claimed;
        const reach = BigInt(random.pick([0, 1, 1_000, 20_000_000, 100_000_000, 2_000_000_000]));
        action.total = random.chance(0.2) && claimed > 0n ? claimed - 1n : claimed + reach;
        action.voucher = this.#chooseVoucher(action.total);
        action.ack = random.pick(['valid', 'valid', 'valid', 'twin', 'otherTotal', 'otherKey']);
        break;
      }
      case 'extend':
        action.expiresAt = Math.max(0, model.expiresAt + random.pick([-100, 0, 1, 800]));
        break;
      default:
    }
    return action;
  }

  #chooseVoucher(total) {
    const kind = this.random.pick(['valid', 'valid', 'valid', 'granted', 'granted', 'grantedForged', 'twin', 'corrupt', 'sessionAlone', 'grantOfTwin', 'otherKey']);
    const cap = this.random.chance(0.7) ? total + BigInt(this.random.below(3)) : total > 0n ? total - 1n : 0n;
    return { kind, cap };
  }

  #voucherOptions({ kind, cap }) {
    const { twin } = this;
    return {
      valid: {},
      granted: { grant: { cap } },
      grantedForged: { grant: { cap }, signer: NOBODY },
      twin: { forChannel: twin.address },
      corrupt: { corrupt: true },
      sessionAlone: { signer: this.channel.sessionKey },
      grantOfTwin: { grant: { cap }, grantChannel: twin.address },
      otherKey: { signer: NOBODY },
    }[kind];
  }

  #send(action) {
    const { channel, random } = this;
    const options = {
      from: action.sender, value: action.value, bounce: action.bounce,
      ...(action.withInit ? { init: channel.init } : {}),
    };
    switch (action.kind) {
      case 'topUp': return channel.topUp(action.value, options);
      case 'unknown': return channel.send(simple(0x3d1c00ff), options);
      case 'open': return channel.open(action.value, { ...options, init: options.init ?? null });
      case 'claim': return channel.claim(action.total, { ...options, ...this.#voucherOptions(action.voucher), nonce: BigInt(random.below(5)) });
      case 'startClose': return channel.startClose(options);
      case 'finishClose': return channel.finishClose(options);
      case 'extend': return channel.extend(action.expiresAt, options);
      case 'coopClose': return channel.coopClose(action.total, {
        ...options, ...this.#voucherOptions(action.voucher),
        ...{ valid: {}, twin: { ackChannel: this.twin.address }, otherTotal: { ackTotal: action.total + 1n }, otherKey: { ackSigner: channel.payKey } }[action.ack],
      });
      default: throw new Error(`no action ${action.kind}`);
    }
  }

  async #perform(action) {
    const { channel, model, world } = this;
    const before = channel.balance;
    const claimedBefore = model.claimed;
    const outcome = await this.#send(action);
    this.#noteSigned(action);

    if (model.gone && !action.withInit) {
      assert.equal(outcome.exitCode, 'skipped: no-state');
      return;
    }
    model.deploy(this.initialExpiry);
    // Rent debt that the account cannot pay is taken from the arriving value before the contract sees it.
    const balance = before - outcome.rent;
    const held = balance > 0n ? balance : 0n;
    const value = action.value - outcome.dueCollected + (balance < 0n ? balance : 0n);
    const arrived = { ...action, value };
    const expected = model.predict(arrived, world.now, held);
    this.seen.set(`${action.kind}/${expected.code}`, (this.seen.get(`${action.kind}/${expected.code}`) ?? 0) + 1);
    assert.equal(outcome.exitCode, expected.code, `exit code ${outcome.exitCode}, expected ${expected.code}`);

    if (expected.code !== 0) {
      this.#checkRefused(outcome, arrived, held);
    } else {
      const wasOpened = model.opened;
      model.apply(expected);
      if (model.opened && !wasOpened) this.openings++;
      this.#checkAccepted(outcome, arrived, expected, held, claimedBefore);
    }
    assert.deepEqual(channel.state(), model.state);
    this.#checkInvariants(claimedBefore);
  }

  /** C3: whatever was refused, the deposit only loses rent; without bounce it even keeps the value. */
  #checkRefused(outcome, action, held) {
    assert.ok(outcome.sent.every(({ bounced }) => bounced), 'a refused message must send nothing but its bounce');
    const kept = outcome.sent.length > 0 ? 0n : action.value - outcome.gasFees;
    assert.equal(this.channel.balance, held + kept);
  }

  #checkAccepted(outcome, action, { pay, refund }, held, claimedBefore) {
    const { channel } = this;
    for (const message of outcome.sent) {
      assert.equal(message.bounce, false, 'C4: nothing sent can bounce');
      assert.ok([channel.payout, channel.client, action.sender].some((address) => message.to.equals(address)), 'C4: money goes to payout, client or sender only');
    }
    const received = (address) => outcome.sentTo(address).reduce((sum, { value }) => sum + value, 0n);
    const budget = action.value - outcome.gasFees;

    if (refund) {
      assert.equal(channel.balance, 0n);
      const toClient = received(channel.client);
      assert.ok(toClient <= held + budget - pay && toClient >= held + budget - pay - MESSAGE_FEES, 'C9: the client gets the rest');
      if (pay > 0n) assert.equal(received(channel.payout), pay, 'C11: the provider gets what is due');
      return;
    }
    if (action.kind === 'claim') {
      assert.equal(channel.balance, held - pay, 'C3: a claim takes exactly what it pays');
      assert.ok(this.model.claimed > claimedBefore, 'C2: an accepted claim grows the total');
      const change = action.sender.equals(channel.payout) ? received(channel.payout) - pay : received(action.sender);
      if (!action.sender.equals(channel.payout)) assert.equal(received(channel.payout), pay);
      assert.ok(change <= budget && change >= budget - MESSAGE_FEES, 'C3: the sender gets the change and pays the gas');
      return;
    }
    if (action.kind === 'open' || action.kind === 'topUp') {
      assert.equal(outcome.sent.length, 0);
      assert.equal(channel.balance, held + budget);
      return;
    }
    assert.equal(channel.balance, held, 'C3: bookkeeping costs the deposit nothing');
  }

  #noteSigned({ voucher, total }) {
    if (!voucher) return;
    if (voucher.kind === 'valid') this.#signed(total);
    if (voucher.kind === 'granted' && total <= voucher.cap) this.#signed(total);
  }

  #signed(total) {
    if (total > this.highestSigned) this.highestSigned = total;
  }

  #checkInvariants(claimedBefore) {
    const { model, openings } = this;
    assert.ok(model.claimed <= this.highestSigned, 'C1: nothing is paid that was not signed');
    assert.ok(model.gone || !model.opened || model.claimed >= claimedBefore, 'C2: the total never falls');
    assert.ok(openings <= 1, 'C6: one address opens once');
  }
}

function describe({ kind, value, total, voucher, ack, withInit, bounce, expiresAt, fromClient }, now) {
  return `${now} ${kind} value=${value}${total === undefined ? '' : ` total=${total} voucher=${voucher.kind}/${voucher.cap} ack=${ack}`}`
    + `${expiresAt === undefined ? '' : ` expiresAt=${expiresAt}`}${withInit ? ' +init' : ''}${bounce ? '' : ' no-bounce'}${fromClient ? ' client' : ''}`;
}
