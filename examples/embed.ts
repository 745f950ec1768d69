// The library inside another program: deploy a function, call it, end. Run: npx node examples/embed.ts
import { createExecutor } from 'strata-sandbox';

const source = `exports.handler = (event) => ({ hello: event.name ?? 'world' });`;

const executor = await createExecutor({ dataDir: ':memory:' });
await executor.deploy({ name: 'hello', runtime: 'isolate', handler: 'index.handler', code: { source } });
const { status, result, receipt } = await executor.invoke({ function: 'hello', event: { name: 'Ada' } });
console.log(JSON.stringify({ status, result, start: receipt.start }));
await executor.close();
