// Asks everybody who opens a page to log in: runs at CloudFront, before it asks the bucket.
//
// OpenID Connect's code flow with PKCE. The session is the ID token itself, in a cookie, and is
// verified at every request. All that differs between environments comes in headers that
// CloudFront adds to what it sends to the origin, for functions at the edge have no environment.
'use strict';

const crypto = require('crypto');

const SESSION = '__Host-session';
const LOGIN = '__Host-login';
const LOGIN_SECONDS = 600;
const KEYS_FRESH_MS = 60_000;
const TIMEOUT_MS = 5_000;

/** Let a request for a page pass, or answer it. */
exports.handler = async (event) => {
  const { request } = event.Records[0].cf;
  const place = placeOf(request);
  const cookies = cookiesOf(request);
  if (request.uri === '/callback') return finishLogin(request, cookies[LOGIN], place);
  if (!(await claimsOf(cookies[SESSION], place))) return startLogin(request.uri, place);
  if (request.uri === '/') return redirect(`${place.site}/latest/index.html`);
  return pageOf(request);
};

/** Where we are: `issuer` and `client` of tokens, `address` of the login, `site` of the pages. */
function placeOf(request) {
  const [origin] = Object.values(request.origin);
  const header = (name) => origin.customHeaders[`x-login-${name}`][0].value;
  return Object.fromEntries(['issuer', 'client', 'address', 'site'].map((n) => [n, header(n)]));
}

function cookiesOf(request) {
  const lines = (request.headers.cookie ?? []).flatMap(({ value }) => value.split(/; */));
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
}

/** Ask the bucket for the page, and tell it nothing of the visitor. */
function pageOf(request) {
  delete request.headers.cookie;
  request.querystring = '';
  if (request.uri.endsWith('/')) request.uri += 'index.html';
  return request;
}

// ------------------------------------------------------------------------------- logging in

function startLogin(page, place) {
  const state = random();
  const verifier = random();
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: place.client,
    redirect_uri: `${place.site}/callback`,
    scope: 'openid',
    state,
    code_challenge: crypto.createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const login = [state, verifier, Buffer.from(page).toString('base64url')].join('.');
  return redirect(`${place.address}/oauth2/authorize?${query}`, cookie(LOGIN, login, LOGIN_SECONDS));
}

async function finishLogin(request, login, place) {
  const query = new URLSearchParams(request.querystring);
  const [state, verifier, page] = (login ?? '').split('.');
  if (!state || query.get('state') !== state || !query.get('code')) return refuse(place);
  const answer = await fetch(`${place.address}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: place.client,
      redirect_uri: `${place.site}/callback`,
      code: query.get('code'),
      code_verifier: verifier,
    }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!answer.ok) return refuse(place);
  const token = (await answer.json()).id_token;
  const claims = await claimsOf(token, place);
  if (!claims) return refuse(place);
  const path = Buffer.from(page ?? '', 'base64url').toString();
  // What follows the site's own name and a slash cannot lead to another site, nor end the line.
  return redirect(
    place.site + (/^\/[!-~]*$/.test(path) ? path : '/'),
    cookie(SESSION, token, claims.exp - now()),
    cookie(LOGIN, '', 0),
  );
}

// ---------------------------------------------------------------------------------- tokens

/** Return what a token says, or null if it is none of ours, or no longer. */
async function claimsOf(token, place) {
  const [head, body, signature, ...more] = (token ?? '').split('.');
  const header = parse(head);
  const claims = parse(body);
  if (!header || !claims || !signature || more.length || header.alg !== 'RS256') return null;
  const key = await keyOf(header.kid, place.issuer);
  const ours =
    key &&
    crypto.verify('RSA-SHA256', `${head}.${body}`, key, Buffer.from(signature, 'base64url')) &&
    claims.iss === place.issuer &&
    claims.aud === place.client &&
    claims.token_use === 'id' &&
    claims.exp > now();
  return ours ? claims : null;
}

function parse(part) {
  try {
    return JSON.parse(Buffer.from(part ?? '', 'base64url').toString());
  } catch {
    return null;
  }
}

let keys = new Map();
let keysAskedFor = -Infinity;

/** Return the issuer's key of an id; of one that is not known, ask, but not at every request. */
async function keyOf(id, issuer) {
  if (!keys.has(id) && performance.now() - keysAskedFor > KEYS_FRESH_MS) {
    const answer = await fetch(`${issuer}/.well-known/jwks.json`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!answer.ok) throw new Error(`${issuer} gives no keys: ${answer.status}`);
    const found = (await answer.json()).keys.filter(({ kty }) => kty === 'RSA');
    keys = new Map(
      found.map((key) => [key.kid, crypto.createPublicKey({ key, format: 'jwk' })]),
    );
    keysAskedFor = performance.now();
  }
  return keys.get(id);
}

// --------------------------------------------------------------------------------- answers

function redirect(location, ...setCookies) {
  return {
    status: '302',
    headers: {
      location: [{ value: location }],
      'cache-control': [{ value: 'no-store' }],
      ...(setCookies.length && { 'set-cookie': setCookies.map((value) => ({ value })) }),
    },
  };
}

function refuse(place) {
  return {
    status: '403',
    headers: {
      'cache-control': [{ value: 'no-store' }],
      'content-type': [{ value: 'text/html; charset=utf-8' }],
    },
    body: `<!doctype html><title>Not logged in</title><p>You are not logged in.
<a href="${place.site}/">Try again</a>`,
  };
}

function cookie(name, value, seconds) {
  return `${name}=${value}; Path=/; Max-Age=${seconds}; Secure; HttpOnly; SameSite=Lax`;
}

function random() {
  return crypto.randomBytes(32).toString('base64url');
}

function now() {
  return Date.now() / 1000;
}
