import { runMutants } from '../support/mutation.mjs';
import { channelCases } from './cases/channel.mjs';

runMutants('Channel', channelCases);
