import { loadCode } from '../../lib/contracts.mjs';
import { runCases } from '../support/cases.mjs';
import { channelCases } from './cases/channel.mjs';

runCases('Channel', channelCases, loadCode('Channel'));
