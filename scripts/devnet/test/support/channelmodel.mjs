import { ERR, MIN_VALUE, RESERVE } from './channel.mjs';

/**
 * What the channel must do, written without its code: `predict` names the exit code of an action, and for an
 * accepted one the payments and the next state. Money is settled by the walk, which knows rent and gas.
 */
export class ChannelModel {
  opened = false;
  claimed = 0n;
  closeAt = 0;
  gone = true;

  constructor({ openBefore, challenge, expiresAt }) {
    this.openBefore = openBefore;
    this.challenge = challenge;
    this.expiresAt = expiresAt;
  }

  get state() {
    return this.gone ? null : { opened: this.opened, claimed: this.claimed, closeAt: this.closeAt, expiresAt: this.expiresAt };
  }

  /** `balance` is what the account has without the message's value. */
  predict(action, now, balance) {
    switch (action.kind) {
      case 'topUp': return accept();
      case 'unknown': return refuse(ERR.wrongOp);
      case 'open': return this.#open(now);
      case 'claim': return this.#claim(action, balance);
      case 'startClose': return this.#startClose(action, now);
      case 'finishClose': return this.#finishClose(action, now);
      case 'coopClose': return this.#coopClose(action, now, balance);
      case 'extend': return this.#extend(action);
      default: throw new Error(`no action ${action.kind}`);
    }
  }

  #open(now) {
    if (this.opened) return accept();
    if (now > this.openBefore) return refuse(ERR.openWindow);
    return accept({ opened: true });
  }

  #claim({ total, voucher, value }, balance) {
    if (value < MIN_VALUE) return refuse(ERR.lowValue);
    if (!this.opened) return refuse(ERR.notOpen);
    if (total <= this.claimed) return refuse(ERR.staleTotal);
    const refusal = checkVoucher(voucher, total);
    if (refusal) return refuse(refusal);
    const due = total - this.claimed;
    const pay = due < balance - RESERVE ? due : balance - RESERVE;
    if (pay <= 0n) return refuse(ERR.noFunds);
    return accept({ claimed: this.claimed + pay }, { pay });
  }

  #startClose({ fromClient, value }, now) {
    if (value < MIN_VALUE) return refuse(ERR.lowValue);
    if (!this.opened) return refuse(ERR.notOpen);
    if (!fromClient) return refuse(ERR.notClient);
    if (this.closeAt !== 0) return refuse(ERR.closing);
    return accept({ closeAt: now + this.challenge });
  }

  #finishClose({ value }, now) {
    if (value < MIN_VALUE) return refuse(ERR.lowValue);
    if (now <= this.openBefore) return refuse(ERR.openWindow);
    const passed = (time) => time !== 0 && now >= time;
    if (this.opened && !passed(this.closeAt) && !passed(this.expiresAt)) return refuse(ERR.notDue);
    return accept({ gone: true }, { pay: 0n, refund: true });
  }

  #coopClose({ total, voucher, ack, value }, now, balance) {
    if (value < MIN_VALUE) return refuse(ERR.lowValue);
    if (!this.opened) return refuse(ERR.notOpen);
    if (now <= this.openBefore) return refuse(ERR.openWindow);
    if (total < this.claimed) return refuse(ERR.staleTotal);
    if (ack !== 'valid') return refuse(ERR.signature);
    const due = total - this.claimed;
    if (due > 0n) {
      const refusal = checkVoucher(voucher, total);
      if (refusal) return refuse(refusal);
    }
    return accept({ gone: true }, { pay: due < balance ? due : balance, refund: true });
  }

  #extend({ fromClient, expiresAt, value }) {
    if (value < MIN_VALUE) return refuse(ERR.lowValue);
    if (!this.opened) return refuse(ERR.notOpen);
    if (!fromClient) return refuse(ERR.notClient);
    if (this.expiresAt === 0 || expiresAt <= this.expiresAt) return refuse(ERR.expiry);
    return accept({ expiresAt });
  }

  /** The account holds code again, or for the first time, with the data of its address. */
  deploy(initialExpiry) {
    if (!this.gone) return;
    Object.assign(this, { gone: false, opened: false, claimed: 0n, closeAt: 0, expiresAt: initialExpiry });
  }

  apply({ next }) {
    Object.assign(this, next);
  }
}

function checkVoucher(voucher, total) {
  switch (voucher.kind) {
    case 'valid': return undefined;
    case 'granted': return total <= voucher.cap ? undefined : ERR.grantCap;
    // The grant is read first: over its cap a wrong signature is not even looked at.
    case 'grantedForged': return total <= voucher.cap ? ERR.signature : ERR.grantCap;
    default: return ERR.signature;
  }
}

function accept(next = {}, payment = {}) {
  return { code: 0, next, ...payment };
}

function refuse(code) {
  return { code };
}
