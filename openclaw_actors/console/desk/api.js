/**
 * The host's HTTP API. The token travels in the Authorization header alone, never in an address, and is kept until the
 * tab is closed.
 */

const TOKEN_KEY = "openclaw-actors-token";
const REQUEST_MS = 15_000;

/** What the host, or the way to it, refused: a sentence for people, and the host's own word for programs. */
export class ApiError extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

export class Api {
  /** Asked for a token when the host wants one: resolves to it, or to "" if the person has none to give. */
  askForToken = async (_refused) => "";
  #base;
  #asking = null;

  /** @param {string} base the host, without a trailing slash */
  constructor(base) {
    this.#base = base;
  }

  get token() {
    return sessionStorage.getItem(TOKEN_KEY) ?? "";
  }

  set token(token) {
    if (token) sessionStorage.setItem(TOKEN_KEY, token);
    else sessionStorage.removeItem(TOKEN_KEY);
  }

  get(path) {
    return this.json("GET", path);
  }

  post(path, body) {
    return this.json("POST", path, body);
  }

  /** An action on a live call; what comes of it is an event. */
  act(callId, action, body = {}) {
    return this.post(`/v1/calls/${encodeURIComponent(callId)}/actions/${action}`, body);
  }

  /** @returns {Promise<any>} the body; null where there is none. @throws {ApiError} */
  async json(method, path, body) {
    const response = await this.open(path, {
      method,
      headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
      timeout: REQUEST_MS,
    });
    return response.status === 204 ? null : response.json();
  }

  /**
   * A response that was let in; its body may be a stream.
   *
   * @param {string} path
   * @param {RequestInit & {timeout?: number, quiet?: boolean}} options `quiet`: do not ask for a token
   * @throws {ApiError}
   */
  async open(path, { timeout, quiet = false, headers = {}, signal, ...init } = {}) {
    for (;;) {
      const token = this.token;
      const limits = [signal, timeout && AbortSignal.timeout(timeout)].filter(Boolean);
      let response;
      try {
        response = await fetch(this.#base + path, {
          cache: "no-store",
          ...init,
          headers: { ...headers, ...(token && { Authorization: `Bearer ${token}` }) },
          signal: limits.length ? AbortSignal.any(limits) : undefined,
        });
      } catch (error) {
        if (signal?.aborted) throw error;
        throw new ApiError(0, "unreachable", "The host can't be reached. Is it running?");
      }
      if (response.ok) return response;
      const problem = await response.json().catch(() => ({}));
      const { code = `http_${response.status}`, detail } = problem;
      if (response.status === 401 && !quiet && (this.token !== token || (await this.#newToken(token))))
        continue;
      throw new ApiError(
        response.status,
        code,
        detail ?? `The host answered with status ${response.status}.`,
      );
    }
  }

  /** Many requests may be refused at once; the person is asked once. */
  async #newToken(refused) {
    this.#asking ??= this.askForToken(refused).finally(() => {
      this.#asking = null;
    });
    const token = await this.#asking;
    if (token) this.token = token;
    return Boolean(token);
  }
}
