/**
 * fetch: one request after the other until there is an answer that is no redirect.
 *
 * Owns redirects and signals. Whether a request may go out is decided elsewhere; each redirect is a request of its own and
 * asked for like one.
 */
import { Headers } from './headers.ts';
import { contentOf, Request, type RequestInit } from './request.ts';
import { answered, type Response } from './response.ts';
import { services } from './services.ts';
import { type Asked, fetchFailed, send } from './transport.ts';
import { URL } from './url.ts';

const REDIRECT = new Set([301, 302, 303, 307, 308]);
/** What says who asks is not for another origin to hear. */
const PRIVATE = ['authorization', 'cookie', 'proxy-authorization'];
const OF_BODY = ['content-type', 'content-encoding', 'content-language', 'content-location'];

export const fetch = async (input: Request | URL | string, init?: RequestInit): Promise<Response> => {
  const request = new Request(input, init);
  const { signal } = request;
  signal.throwIfAborted();
  const headers = new Headers(request.headers);
  if (!headers.has('accept')) headers.set('accept', '*/*');
  if (!headers.has('user-agent')) headers.set('user-agent', 'Strata');
  if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'identity');
  let asked: Asked = {
    ...{ method: request.method, url: withoutFragment(new URL(request.url)), headers },
    content: contentOf(request),
  };
  for (let redirects = 0; ; redirects += 1) {
    const answer = await send(asked, signal);
    const { status, statusText } = answer.head;
    const received = new Headers(answer.head.headers);
    const location = REDIRECT.has(status) ? received.get('location') : null;
    if (location === null || request.redirect === 'manual') {
      const hasBody = asked.method !== 'HEAD' && status !== 204 && status !== 205 && status !== 304;
      const head = { status, statusText, headers: received };
      return answered(head, hasBody ? answer.body : null, asked.url.href, redirects > 0);
    }
    answer.drop();
    if (request.redirect === 'error') throw new TypeError('fetch failed: the answer is a redirect');
    const most = services.network.redirectsMax();
    if (redirects >= most) {
      throw fetchFailed({
        ...{ code: 'network_limit', refused: true },
        message: `more than ${most} redirects, as many as egress.maxRedirects allows`,
        limit: { kind: 'networkRedirects', configured: most, observed: redirects + 1 },
      });
    }
    asked = redirected(asked, status, location);
  }
};

const redirected = (asked: Asked, status: number, location: string): Asked => {
  if (!URL.canParse(location, asked.url.href))
    throw new TypeError('fetch failed: the redirect leads to no URL');
  const url = withoutFragment(new URL(location, asked.url.href));
  if (url.username !== '' || url.password !== '')
    throw new TypeError('fetch failed: the redirect holds credentials');
  const headers = new Headers(asked.headers);
  if (url.origin !== asked.url.origin) for (const name of PRIVATE) headers.delete(name);
  const isGet = asked.method === 'GET' || asked.method === 'HEAD';
  const becomesGet = status === 303 ? !isGet : (status === 301 || status === 302) && asked.method === 'POST';
  if (becomesGet) {
    for (const name of OF_BODY) headers.delete(name);
    return { method: 'GET', url, headers, content: null };
  }
  if (asked.content !== null && !(asked.content instanceof Uint8Array))
    throw new TypeError(
      'fetch failed: a body that is a stream cannot be sent again to where the redirect leads',
    );
  return { ...asked, url, headers };
};

const withoutFragment = (url: URL): URL => {
  url.hash = '';
  return url;
};
