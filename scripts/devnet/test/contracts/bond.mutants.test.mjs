import { runMutants } from '../support/mutation.mjs';
import { bondCases } from './cases/bond.mjs';

runMutants('ProviderBond', bondCases);
