// Calls to the services through the console. Amounts (`*_fen`) come and go as BigInt. What goes wrong is a Trouble.

import { parseExact } from "./exact.js";
import { csrf, renewed } from "./session.js";

const ANSWER_MS = 35_000;
const PAUSES_MS = [300, 1_200];
const KEPT = 60;
const ALL_PART = 200;
const ALL_PARTS = 25;
const kept = new Map(); // address → {etag, body}: an answer that has not changed is not sent again

/** status 0: nothing came back. `fields`: [{field, message}] of what was wrong in the request. */
export class Trouble extends Error {
  constructor(status, document = {}, service = "") {
    super(document.detail ?? `HTTP ${status}`);
    this.status = status;
    this.code = String(document.type ?? "").replace("urn:shanliu:problem:", "");
    this.title = document.title ?? "";
    this.detail = document.detail ?? "";
    this.fields = document.errors ?? [];
    this.facts = document;
    this.service = document.service ?? service;
  }

  /** Whether the same request may go through a moment later. */
  get passing() {
    return this.status === 0 || [502, 503, 504].includes(this.status);
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** The address of a call: ("campaign", "/campaigns", {limit: 5}) → /api/campaign/v1/campaigns?limit=5. The
 *  console's own ("console", "/audit") have no /v1. What is null, undefined or "" is left out. */
export function addressOf(service, path, query = {}) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") params.append(name, each);
    }
  }
  const text = params.toString();
  return `/api/${service}${service === "console" ? "" : "/v1"}${path}${text && "?" + text}`;
}

/** A new Idempotency-Key: one for each thing that a person does, the same for every try of it. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** JSON with amounts as whole numbers. Throws RangeError for one that would not be exact. */
export function toJson(value) {
  return JSON.stringify(value, (_, item) => {
    if (typeof item !== "bigint") return item;
    if (!Number.isSafeInteger(Number(item))) throw new RangeError("too large an amount");
    return Number(item);
  });
}

let ended = () => {};
let asked = 0; // calls on their way that a person waits for

/** Said on the page: on a slow network nothing else would show that a key was heard. */
function waiting(change) {
  asked += change;
  document.documentElement.toggleAttribute("data-busy", asked > 0);
}

/** `run` is called when a call finds that nobody is signed in any more. */
export const whenSignedOut = (run) => (ended = run);

async function once(method, address, headers, body, signal) {
  const limit = AbortSignal.timeout(ANSWER_MS);
  try {
    return await fetch(address, {
      method,
      headers,
      body,
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Trouble(0, { detail: "" });
  }
}

async function troubleOf(response, service) {
  let said = {};
  try {
    said = await response.json();
  } catch {
    // a proxy's page: the status says enough
  }
  if (response.status === 401 && said.type === "urn:shanliu:problem:not-signed-in") {
    ended();
  }
  return new Trouble(response.status, said, service);
}

async function call(method, address, { headers = {}, body, signal, tries = PAUSES_MS.length } = {}) {
  const service = address.split("/")[2];
  if (tries === 0) return attempt(method, address, service, { headers, body, signal, tries });
  waiting(1);
  try {
    return await attempt(method, address, service, { headers, body, signal, tries });
  } finally {
    waiting(-1);
  }
}

async function attempt(method, address, service, { headers, body, signal, tries }) {
  let sameSession = true;
  for (let i = 0; ; i += 1) {
    try {
      const response = await once(method, address, headers, body, signal);
      if (response.ok || response.status === 304) return response;
      throw await troubleOf(response, service);
    } catch (trouble) {
      // Signed in again meanwhile, in another window: the page takes the new session's token.
      if (trouble.code === "csrf-token-wrong" && sameSession && (await renewed()) === "same") {
        sameSession = false;
        headers["X-Shanliu-CSRF"] = csrf();
        continue;
      }
      if (!(trouble instanceof Trouble) || !trouble.passing || i >= tries) throw trouble;
      await pause(PAUSES_MS[i]);
    }
  }
}

async function read(response) {
  const text = await response.text();
  return text === "" ? null : parseExact(text);
}

/** get("donation", "/donations", {limit: 50}) → the answer. Options: signal, tries (0 for what is polled). */
export async function get(service, path, query = {}, { signal, tries } = {}) {
  return (await getWithEtag(service, path, query, { signal, tries })).body;
}

/** All parts of a list, up to ALL_PARTS of them: for choices and names, which must not end at the first part. */
export async function getAll(service, path, query = {}, options = {}) {
  const found = [];
  let after = null;
  for (let part = 0; part < ALL_PARTS; part += 1) {
    const answer = await get(service, path, { ...query, after, limit: ALL_PART }, options);
    if (Array.isArray(answer)) return answer;
    found.push(...answer.items);
    after = answer.next ?? null;
    if (after === null) break;
  }
  return found;
}

/** The same as {body, etag}: the ETag is what a change sends as If-Match. */
export async function getWithEtag(service, path, query = {}, { signal, tries } = {}) {
  const address = addressOf(service, path, query);
  const before = kept.get(address);
  const headers = { Accept: "application/json", ...(before ? { "If-None-Match": before.etag } : {}) };
  const response = await call("GET", address, { headers, signal, tries });
  if (response.status === 304 && before) return before;
  const answer = { body: await read(response), etag: response.headers.get("ETag") };
  kept.delete(address);
  if (answer.etag) kept.set(address, answer);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return answer;
}

/** send("POST", "campaign", "/pledges/7/confirm", {…}, {key, ifMatch}) → {body, etag, status}. A try that got no
 *  answer is made again with the same key: it is done once. `body` may be a Blob or File, then with `type`. */
export async function send(method, service, path, body = null, { key = newKey(), ifMatch, query, type, signal } = {}) {
  const headers = { Accept: "application/json", "X-Shanliu-CSRF": csrf(), "Idempotency-Key": key };
  if (ifMatch) headers["If-Match"] = ifMatch;
  const file = body instanceof Blob;
  if (body !== null) headers["Content-Type"] = type ?? (file ? body.type || "application/octet-stream" : "application/json");
  const sent = body === null ? undefined : file ? body : toJson(body);
  const response = await call(method, addressOf(service, path, query), { headers, body: sent, signal });
  return { body: await read(response), etag: response.headers.get("ETag"), status: response.status };
}

export const post = (service, path, body, options) => send("POST", service, path, body, options);

/** A file that a service or the console makes, saved under its name. */
export async function download(method, service, path, body = null, name = "download") {
  const headers = { "X-Shanliu-CSRF": csrf(), ...(body ? { "Content-Type": "application/json" } : {}) };
  const response = await call(method, addressOf(service, path), { headers, body: body ? toJson(body) : undefined });
  const said = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "");
  save(await response.blob(), said ? said[1] : name);
}

/** Save what the page has as a file of this name. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
