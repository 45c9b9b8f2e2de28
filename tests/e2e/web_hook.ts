/** A real web hook for tests. */
import assert from "node:assert/strict";
import type { Alert } from "../../shared/streams.ts";

/** A request that a web hook got. */
export interface ReceivedHook {
  readonly key: string | null;
  readonly alert: Alert;
}

/** A web hook; it answers 204 as long as `onAlert` doesn't know better. */
export class WebHook implements Disposable {
  readonly requests: ReceivedHook[] = [];
  onAlert: (hook: ReceivedHook) => Response | Promise<Response> = () =>
    new Response(null, { status: 204 });
  readonly #scheme: string;
  readonly #stop = new AbortController();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** @param tls Makes it one of https. */
  constructor(tls?: { key: string; cert: string }) {
    const { signal } = this.#stop;
    const options = { port: 0, hostname: "127.0.0.1", onListen: () => {}, signal, ...tls };
    this.#scheme = tls ? "https" : "http";
    this.#server = Deno.serve(options, async (request) => {
      assert.equal(request.method, "POST");
      assert.equal(request.headers.get("content-type"), "application/json");
      const hook = {
        key: request.headers.get("idempotency-key"),
        alert: await request.json(),
      };
      this.requests.push(hook);
      return await this.onAlert(hook);
    });
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.#server.addr.port}/hooks/T0P-secret-token`;
  }

  /** Doesn't wait for requests that are never answered. */
  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}
