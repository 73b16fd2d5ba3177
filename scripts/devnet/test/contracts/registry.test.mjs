import { loadCode } from '../../lib/contracts.mjs';
import { runCases } from '../support/cases.mjs';
import { registryCases } from './cases/registry.mjs';

runCases('Registry', registryCases, loadCode('Registry'));
