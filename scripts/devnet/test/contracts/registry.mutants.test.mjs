import { runMutants } from '../support/mutation.mjs';
import { registryCases } from './cases/registry.mjs';

runMutants('Registry', registryCases);
