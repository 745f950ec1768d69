/**
 * A bare Fastify that parses the body of a POST and answers a small JSON: the ceiling for a server of this kind.
 */
import Fastify from 'fastify';

const app = Fastify({ logger: false });
app.post('/', () => ({ hello: 'world', calls: 0 }));
// The parent reads the address from here.
process.stdout.write(`${await app.listen({ host: '127.0.0.1', port: 0 })}\n`);
