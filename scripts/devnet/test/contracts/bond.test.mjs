import { loadCode } from '../../lib/contracts.mjs';
import { runCases } from '../support/cases.mjs';
import { bondCases } from './cases/bond.mjs';

runCases('ProviderBond', bondCases, loadCode('ProviderBond'));
