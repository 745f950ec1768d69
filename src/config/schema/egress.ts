/** The keys of the egress broker: what functions with a network may reach, and how much. */
import { choice, group, optionalText, whole } from './nodes.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export const EGRESS = group('The network of functions that list hosts in `network.allow`.', {
  mode: choice(
    ['on', 'off'],
    'on',
    'Whether functions may have a network at all; `off` refuses a spec that lists hosts, and requests of those that ' +
      'were deployed before.',
  ),
  privateRanges: optionalText(
    'Addresses that are refused to all functions but those whose `network.allow` names them, such as ' +
      '`10.0.0.0/8, fd00::/8`, separated by commas; empty for none. Addresses of this machine are among them: what ' +
      'listens there has to keep out whom it does not know.',
  ),
  dnsServers: optionalText(
    'The name servers that are asked, such as `192.0.2.53` or `[2001:db8::53]:5353`, separated by commas; empty for ' +
      "the system's.",
  ),
  maxRequestsAtOnce: whole(500, [1, 4_000], 'Requests, each with a connection of its own, at the same time.'),
  maxRequestsAtOncePerTenant: whole(200, [1, 4_000], 'How many of them may be of one tenant.'),
  maxRequestsAtOncePerFunction: whole(50, [1, 4_000], 'How many of them may be of one function.'),
  maxRequests: whole(1_000, [1, 1_000_000], 'Requests that one invocation may make, redirects included.'),
  maxSentBytes: whole(
    16 * MIB,
    [1, 1024 * MIB],
    'What the requests of one invocation may send, all bodies together; from containers every byte.',
  ),
  maxReceivedBytes: whole(
    64 * MIB,
    [1, 1024 * MIB],
    'What the answers to one invocation may bring, all bodies together; to containers every byte.',
  ),
  maxHeaderBytes: whole(16 * KIB, [1 * KIB, 64 * KIB], 'The headers of one request, and of one answer.'),
  maxRedirects: whole(5, [0, 20], 'Redirects that one `fetch` follows; each is checked like a request.'),
  connectTimeoutMs: whole(
    5_000,
    [10, 60_000],
    'For a name to be resolved, and again for its server to be connected.',
  ),
  requestTimeoutMs: whole(
    30_000,
    [10, 900_000],
    'From the start of a request to the end of its answer; what is slower is cut off.',
  ),
});
