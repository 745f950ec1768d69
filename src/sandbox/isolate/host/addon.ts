/**
 * Stands in for the package `isolated-vm` inside a host: the addon alone lies beside the script in the jail.
 */
import { createRequire } from 'node:module';
import type ivm from 'isolated-vm';

const addon = createRequire(import.meta.url)('./isolated_vm.node') as { ivm: typeof ivm };
export default addon.ivm;
