// @ts-check
/**
 * Calls of actions, and what comes of them.
 *
 * @typedef {import("./types.js").ActionError} ActionError
 * @typedef {import("./types.js").Handler} Handler
 * @typedef {import("./types.js").Result} Result
 */
import { page } from "./config.js";
import { connection } from "./connection.js";
import { report } from "./console.js";

/** A call of an action: says what happens with its result. */
export class Call {
  /** @type {{wants: (result: Result) => boolean, run: Handler}[]} */
  #handlers = [];
  /** @type {Result | null} */
  #result = null;
  #guard;

  /**
   * @param {string} name
   * @param {Promise<Result>} answer  never rejects
   * @param {(handler: Handler) => Handler} guard
   */
  constructor(name, answer, guard) {
    this.#guard = guard;
    const handled = answer.then((result) => {
      this.#result = result;
      const wanted = this.#handlers.filter(({ wants }) => wants(result));
      for (const { run } of wanted) run(result);
      if (!result.ok && !wanted.length) reportFailure(name, result);
      return result;
    });
    connection.await(handled);
  }

  /**
   * @param {Handler} handler  called with the result of an action that worked
   * @param {unknown} [rejected]  given by `await`: then the handler gets the result either way
   * @returns {this}
   */
  then(handler, rejected) {
    if (rejected) return this.#add(() => true, handler);
    return this.#add((result) => result.ok, this.#guard(handler));
  }

  /**
   * @param {Handler} handler  called with the result of an action that failed: see its `.error`
   * @returns {this}
   */
  catch(handler) {
    return this.#add((result) => !result.ok, this.#guard(handler));
  }

  /** @param {(result: Result) => boolean} wants @param {Handler} run */
  #add(wants, run) {
    if (!this.#result) this.#handlers.push({ wants, run });
    else if (wants(this.#result)) run(this.#result);
    return this;
  }
}

/** @param {string} name @param {Result} result */
export function reportFailure(name, { error }) {
  const fields = (error?.fields ?? []).map(({ field, message }) => `\n  ${field}: ${message}`);
  report(`action ${name} failed: ${error?.type}: ${error?.message}${fields.join("")}`);
}

/**
 * @param {string} name
 * @param {Record<string, any>} payload
 * @returns {Promise<Result>}
 */
export async function post(name, payload) {
  let request;
  try {
    request = encoded(payload);
  } catch (problem) {
    await null; // `await call` adds its handler only after this
    return failure(0, { type: "invalid_payload", message: `${problem}` });
  }
  const { body } = request;
  const like = typeof body === "string" ? `${name} ${body}` : null; // uploads have no order
  return inTurn(payload?.job_id ?? like, send(name, request));
}

/** @param {string} name @param {RequestInit} request @returns {Promise<Result>} */
async function send(name, request) {
  let status = 0;
  try {
    const url = `${page.base}/actions/${encodeURIComponent(name)}`;
    const response = await fetch(url, { method: "POST", ...request });
    status = response.status;
    const { ok, value, error } = await response.json();
    return ok ? { ok, value, status, error: null } : failure(status, error);
  } catch {
    // The browser's console has the details.
    const message = status
      ? `The server answered with status ${status}, not with the result of an action`
      : "The server cannot be reached";
    return failure(status, { type: "network", message });
  }
}

/** @param {number} status @param {Partial<ActionError>} error @returns {Result} */
function failure(status, error) {
  const full = { type: "internal", message: "", fields: [], ...error };
  return { ok: false, value: null, status, error: full };
}

/** @type {Map<unknown, Promise<Result>>} */
const turns = new Map();

/**
 * The answer, once all earlier ones with this key were given, so that the last thing that a page is
 * told is the newest. Without a key, at once. Answers never reject.
 * @param {unknown} key
 * @param {Promise<Result>} answer
 */
function inTurn(key, answer) {
  if (key === null) return answer;
  const turn = turns.get(key)?.then(() => answer) ?? answer;
  turns.set(key, turn);
  turn.then(() => turns.get(key) === turn && turns.delete(key));
  return turn;
}

/** @param {Record<string, any>} payload @returns {{body: BodyInit, headers: HeadersInit}} */
function encoded(payload) {
  /** @type {[string, Blob][]} */
  const files = [];
  /** @type {Record<string, any>} */
  const fields = {};
  for (const [name, value] of Object.entries(payload ?? {})) {
    const list = value instanceof FileList || Array.isArray(value) ? [...value] : [value];
    const isFiles = list.length ? list.every(isFile) : value instanceof FileList;
    if (isFiles) for (const file of list) files.push([name, file]);
    else fields[name] = value;
  }
  const json = JSON.stringify(fields, (name, value) => {
    if (!isFile(value)) return value;
    throw new TypeError(`a file belongs at the top level of a payload, not inside a field (${name})`);
  });
  if (!files.length) return { body: json, headers: { "Content-Type": "application/json" } };
  const form = new FormData();
  form.append("payload", json);
  for (const [name, file] of files) form.append(name, file);
  return { body: form, headers: {} };
}

/** @param {unknown} value */
function isFile(value) {
  return value instanceof Blob;
}
