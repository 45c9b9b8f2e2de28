/** A real Chromium, through its DevTools protocol: https://chromedevtools.github.io/devtools-protocol/ */

/** Where packages put it. */
const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** How long the browser, or something on a page, may take, in milliseconds. */
const PATIENCE_MS = 30_000;

const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--remote-debugging-port=0",
];

/** The installed Chromium; `undefined` where there is none. */
export function installedChromium(): string | undefined {
  return PROGRAMS.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

type Params = Record<string, unknown>;
/** What a method or an event gives: as the protocol defines it. */
// deno-lint-ignore no-explicit-any -- its types are not ours to repeat
type Answer = any;

/** A browser process with one page. */
export class Browser implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #folder: string;
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, PromiseWithResolvers<Answer>>();
  readonly #listeners: ((method: string, params: Answer) => void)[] = [];
  #session: string | undefined;
  #calls = 0;

  private constructor(process: Deno.ChildProcess, folder: string, socket: WebSocket) {
    this.#process = process;
    this.#folder = folder;
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
  }

  static async start(program: string): Promise<Browser> {
    const folder = await Deno.makeTempDir();
    const process = new Deno.Command(program, {
      args: [...FLAGS, `--user-data-dir=${folder}`, "about:blank"],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const socket = new WebSocket(await endpoint(process.stderr));
    await new Promise((resolve, reject) => [socket.onopen, socket.onerror] = [resolve, reject]);
    const browser = new Browser(process, folder, socket);
    const { targetId } = await browser.call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await browser.call("Target.attachToTarget", { targetId, flatten: true });
    browser.#session = sessionId;
    for (const domain of ["Page", "Runtime", "Network", "Log"]) {
      await browser.call(`${domain}.enable`);
    }
    return browser;
  }

  /** Calls a method of the protocol. */
  call(method: string, params: Params = {}): Promise<Answer> {
    const id = ++this.#calls;
    const answer = Promise.withResolvers<Answer>();
    this.#answers.set(id, answer);
    this.#socket.send(JSON.stringify({
      id,
      method,
      params,
      ...(this.#session ? { sessionId: this.#session } : {}),
    }));
    return answer.promise;
  }

  /** Hears the protocol's events. */
  listen(listener: (method: string, params: Answer) => void): void {
    this.#listeners.push(listener);
  }

  /** Opens a page and waits until it is loaded. */
  async open(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) =>
      this.listen((method) => method === "Page.loadEventFired" && resolve())
    );
    const { errorText } = await this.call("Page.navigate", { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await loaded;
  }

  /** The size of the page in CSS pixels. */
  async resize(width: number, height: number, { mobile = false } = {}): Promise<void> {
    const size = { width, height, deviceScaleFactor: 1, mobile };
    await this.call("Emulation.setDeviceMetricsOverride", size);
  }

  async prefer(scheme: "light" | "dark"): Promise<void> {
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await this.call("Emulation.setEmulatedMedia", { features });
  }

  /** The value of an expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const options = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", options);
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  /**
   * Waits until an expression in the page is true.
   *
   * @throws {Error} With what the page says, if it takes longer than `timeoutMs`.
   */
  async until(expression: string, timeoutMs = PATIENCE_MS): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!await this.evaluate<boolean>(`Boolean(${expression})`)) {
      if (Date.now() > deadline) {
        const text = await this.evaluate("document.body.innerText");
        throw new Error(`Waited in vain for ${expression}; the page says: ${text}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Presses a key, such as `Tab`, down and up. */
  async press(key: string, code: number): Promise<void> {
    for (const type of ["keyDown", "keyUp"]) {
      const text = key === " " ? { text: " " } : {};
      await this.call("Input.dispatchKeyEvent", {
        type,
        key,
        windowsVirtualKeyCode: code,
        ...(type === "keyDown" ? text : {}),
      });
    }
  }

  /** A picture of the whole page, as PNG. */
  async screenshot(): Promise<Uint8Array> {
    const { data } = await this.call("Page.captureScreenshot", { captureBeyondViewport: true });
    return Uint8Array.fromBase64(data);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    this.#process.kill("SIGKILL");
    await this.#process.status;
    // Its children may still write for a moment.
    for (let attempt = 0; attempt < 50; attempt++) {
      if (await Deno.remove(this.#folder, { recursive: true }).then(() => true, () => false)) {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  #receive({ id, method, params, result, error }: Answer): void {
    if (id === undefined) {
      for (const listener of this.#listeners) listener(method, params);
      return;
    }
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    if (error) answer?.reject(new Error(error.message));
    else answer?.resolve(result);
  }
}

/** Reads the address of the DevTools from what the browser says; goes on reading, so that it can go on saying. */
async function endpoint(stderr: ReadableStream<Uint8Array>): Promise<string> {
  const address = Promise.withResolvers<string>();
  const timer = setTimeout(() => address.reject(new Error("Chromium doesn't start")), PATIENCE_MS);
  (async () => {
    let said = "";
    for await (const text of stderr.pipeThrough(new TextDecoderStream())) {
      said = (said + text).slice(-10_000);
      const found = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
      if (found) address.resolve(found);
    }
    address.reject(new Error(`Chromium ended: ${said}`));
  })();
  try {
    return await address.promise;
  } finally {
    clearTimeout(timer);
  }
}
