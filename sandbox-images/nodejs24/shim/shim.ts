/**
 * The shim's first step: keeps Node from opening the standard outputs as streams.
 *
 * Some of Node's own modules look at `process.stderr` when they are loaded, which would make the pipe non-blocking
 * for every child process of the function's, and leave a handle behind. So these stand there until main.ts has put
 * the function's own streams in their place; nothing of Node's may be imported here.
 */
for (const name of ['stdout', 'stderr']) {
  Object.defineProperty(process, name, { value: { isTTY: false }, configurable: true });
}
const { main } = await import('./main.ts');
await main();
